//! The page that monitoring reads.

use axum::extract::State;
use axum::http::{Extensions, HeaderMap, Uri};
use axum::response::{IntoResponse, Response};
use caracal_engine::{METRICS_MEDIA_TYPE, MetricsReader, MetricsRefusal, OnThisMachine};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};

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
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or(""));
    let page = sts.engine.metrics_page(MetricsReader {
        on_this_machine: extensions.get::<OnThisMachine>().is_some(),
        is_forwarded: is_forwarded(&headers),
        // HTTP/2 says it in the target.
        host: text(HOST).or(uri.authority().map(|authority| authority.as_str())),
        authorization: text(AUTHORIZATION),
    });
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

/// True when a header says that somebody passed the request on.
fn is_forwarded(headers: &HeaderMap) -> bool {
    ["forwarded", "x-forwarded-for", "x-real-ip", "via"]
        .iter()
        .any(|name| headers.contains_key(*name))
}
