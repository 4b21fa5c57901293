//! The page that monitoring reads.

use axum::extract::State;
use axum::http::{Extensions, HeaderMap, Uri};
use axum::response::{IntoResponse, Response};
use caracal_engine::{METRICS_MEDIA_TYPE, MetricsReader, MetricsRefusal, OnThisMachine};
use http::header::CONTENT_TYPE;
use http::uri::Authority;

use crate::admission::source;
use crate::answer::{Refused, mark};
use crate::router::Sts;

pub(crate) async fn page(
    State(sts): State<Sts>,
    extensions: Extensions,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let request_id = sts.engine.new_request_id();
    let page = sts.engine.metrics_page(MetricsReader::of(
        extensions.get::<OnThisMachine>().is_some(),
        uri.authority().map(Authority::as_str),
        |name| {
            let value = headers.get(name)?;
            Some(value.to_str().unwrap_or(""))
        },
    ));
    match page {
        Ok(page) => mark(
            ([(CONTENT_TYPE, METRICS_MEDIA_TYPE)], page).into_response(),
            &request_id,
        ),
        Err(why) => {
            let mut refused = Refused::new(why.status(), why.code(), why.to_string());
            if why == MetricsRefusal::TokenInvalid {
                refused = sts.failed(source(&extensions), refused);
            }
            refused.answer(&sts, &request_id)
        }
    }
}
