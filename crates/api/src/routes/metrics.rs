//! The page that monitoring reads.

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use caracal_engine::{METRICS_MEDIA_TYPE, MetricsReader, MetricsRefusal, OnThisMachine};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};

use crate::Api;
use crate::refusal::Refusal;

/// Shows the metrics of the process on loopback, and to API tokens.
pub(crate) async fn metrics(State(api): State<Api>, request: Request) -> Result<Response, Refusal> {
    let headers = request.headers();
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or(""));
    let page = api.engine().metrics_page(MetricsReader {
        on_this_machine: request.extensions().get::<OnThisMachine>().is_some(),
        is_forwarded: ["forwarded", "x-forwarded-for", "x-real-ip", "via"]
            .iter()
            .any(|name| headers.contains_key(*name)),
        host: text(HOST).or(request
            .uri()
            .authority()
            .map(|authority| authority.as_str())),
        authorization: text(AUTHORIZATION),
    });
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
