//! The page that monitoring reads.

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use caracal_engine::{METRICS_MEDIA_TYPE, MetricsReader, MetricsRefusal, OnThisMachine};
use http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use http::uri::Authority;
use http::{HeaderValue, StatusCode};

use crate::Api;
use crate::refusal::Refusal;

/// Shows the metrics of the process on loopback, and to API tokens.
pub(crate) async fn metrics(State(api): State<Api>, request: Request) -> Result<Response, Refusal> {
    let page = api.engine().metrics_page(MetricsReader::of(
        request.extensions().get::<OnThisMachine>().is_some(),
        request.uri().authority().map(Authority::as_str),
        |name| {
            let value = request.headers().get(name)?;
            Some(value.to_str().unwrap_or(""))
        },
    ));
    match page {
        Ok(page) => Ok(([(CONTENT_TYPE, METRICS_MEDIA_TYPE)], page).into_response()),
        Err(why) => {
            let status = StatusCode::from_u16(why.status()).unwrap_or(StatusCode::NOT_FOUND);
            let mut refusal = Refusal::anonymous(status, why.code(), why.to_string());
            if status == StatusCode::UNAUTHORIZED {
                let challenge = HeaderValue::from_static("Bearer realm=\"caracal\"");
                refusal = refusal.header(WWW_AUTHENTICATE, challenge);
            }
            Err(match why {
                MetricsRefusal::TokenInvalid => api.failed(request.extensions(), refusal),
                _ => refusal,
            })
        }
    }
}
