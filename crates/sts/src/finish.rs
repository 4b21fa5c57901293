//! The outermost layer: an answer whatever happens, its id, and a line in the log.

use std::panic::AssertUnwindSafe;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use futures_util::FutureExt as _;
use http::HeaderValue;

use crate::answer::{REQUEST_ID, Refused, RefusedBy};
use crate::proof::Shown;
use crate::router::Sts;

pub(crate) async fn finish(State(sts): State<Sts>, mut request: Request, next: Next) -> Response {
    let received = Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let shown = Shown::note(&mut request);
    let answering = AssertUnwindSafe(next.run(request)).catch_unwind();
    let mut response = answering.await.unwrap_or_else(|_| {
        // What a panic says may quote what it was working on.
        let id = sts.engine.new_request_id();
        Refused::new(500, "server_error", "the request failed").answer(&sts, &id)
    });
    if let Some(shown) = shown {
        shown.renew_nonce(&sts, &mut response);
    }
    if !response.headers().contains_key(REQUEST_ID)
        && let Ok(id) = HeaderValue::from_str(&sts.engine.new_request_id())
    {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    let status = response.status().as_u16();
    let id = response.headers().get(REQUEST_ID);
    let request_id = id.and_then(|id| id.to_str().ok()).unwrap_or_default();
    let took_ms = u64::try_from(received.elapsed().as_millis()).unwrap_or(u64::MAX);
    let route = route.as_ref().map(MatchedPath::as_str);
    // The method only where a route knows it: a client may make up any word.
    let method = route.map(|_| method.as_str());
    match response.extensions().get::<RefusedBy>() {
        Some(RefusedBy(code)) => {
            tracing::warn!(target: "caracal::refused", request_id, door = "sts", method, route, status, code, took_ms, "refused");
        }
        None => {
            tracing::info!(target: "caracal::access", request_id, door = "sts", method, route, status, took_ms, "answered");
        }
    }
    response
}
