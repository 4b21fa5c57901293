//! The outermost layer: gives each request its id, and each answer its headers.

use std::panic::AssertUnwindSafe;
use std::time::Instant;

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use caracal_engine::RefusedAt;
use caracal_wire::Problem;
use futures_util::FutureExt as _;
use http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderName, HeaderValue, StatusCode};

use crate::refusal::{Anonymous, Refusal};
use crate::request_id::RequestId;
use crate::{Api, guard};

const REQUEST_ID: HeaderName = HeaderName::from_static("caracal-request-id");
/// The code of a refusal on its way out, for the log.
#[derive(Clone)]
struct RefusedBy(String);

/// Nothing that this door answers is a page that needs anything.
const POLICY: &str =
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(crate) async fn finish(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    let id = api.engine().new_request_id();
    let received = Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    request
        .extensions_mut()
        .insert(RequestId(id.as_str().into()));
    let answer = answer(&api, request, next).await;
    if let Some(Anonymous(code)) = answer.extensions().get::<Anonymous>().copied() {
        api.engine().count_refusal(None, RefusedAt::Console, code);
    }
    let mut response = write_problem(answer, &id);
    let route = route.as_ref().map(MatchedPath::as_str);
    // The method only where a route knows it: a client may make up any word.
    let method = route.map(|_| method.as_str());
    let status = response.status().as_u16();
    let took_ms = u64::try_from(received.elapsed().as_millis()).unwrap_or(u64::MAX);
    match response.extensions_mut().remove::<RefusedBy>() {
        Some(RefusedBy(code)) => {
            tracing::warn!(target: "caracal::refused", request_id = %id, door = "console", method, route, status, code, took_ms, "refused");
        }
        None => {
            tracing::info!(target: "caracal::access", request_id = %id, door = "console", method, route, status, took_ms, "answered");
        }
    }
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, id);
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

async fn answer(api: &Api, request: Request, next: Next) -> Response {
    if let Err(refusal) = guard::check(api.config(), &request) {
        return refusal.into_response();
    }
    let limit = api.config().request_timeout;
    let answering = AssertUnwindSafe(next.run(request)).catch_unwind();
    match tokio::time::timeout(limit, answering).await {
        Ok(Ok(response)) => response,
        // What a panic says may quote what it was working on.
        Ok(Err(_)) => of_status(StatusCode::INTERNAL_SERVER_ERROR)
            .hint("whether it was carried out is not known; the log names the request")
            .into_response(),
        Err(_) => Refusal::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "timeout",
            "the request took too long; whether it was carried out is not known",
        )
        .hint("look before sending it again, or repeat it with the same `Idempotency-Key`")
        .into_response(),
    }
}

/// Writes a refusal as a problem. What a library refused in its own words gets ours.
fn write_problem(response: Response, id: &str) -> Response {
    let status = response.status();
    if !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let (mut parts, _) = response.into_parts();
    let mut problem = match parts.extensions.remove::<Problem>() {
        Some(problem) => problem,
        None => of_status(status).into_problem(),
    };
    id.clone_into(&mut problem.request_id);
    // Every code is a word of ours, see `Refusal`.
    metrics::counter!("caracal_console_refusals_total", "code" => problem.code.clone())
        .increment(1);
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    parts.extensions.insert(RefusedBy(problem.code));
    let media_type = HeaderValue::from_static(Problem::MEDIA_TYPE);
    parts.headers.insert(CONTENT_TYPE, media_type);
    parts.headers.remove(CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(body))
}

fn of_status(status: StatusCode) -> Refusal {
    match status {
        StatusCode::METHOD_NOT_ALLOWED => {
            let detail = "this path does not take this method";
            Refusal::new(status, "method_not_allowed", detail)
        }
        StatusCode::NOT_FOUND => Refusal::new(status, "route_unknown", "there is no such path")
            .hint("the paths are listed at `/v1/openapi.json`"),
        status if status.is_client_error() => {
            Refusal::new(status, "unreadable", "the request cannot be read")
        }
        status => Refusal::new(status, "failed", "the request failed"),
    }
}
