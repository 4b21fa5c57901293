//! Around every request: an answer whatever happens, and a line in the log.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use caracal_core::TraceId;
use futures_util::FutureExt as _;
use http::{Method, Request, Response};
use hyper::body::Incoming;
use tokio::time::Instant;

use crate::Gateway;
use crate::answer_body::AnswerBody;
use crate::connection::ConnectionState;
use crate::handle::handle;
use crate::meters;
use crate::refused::{REQUEST_ID, Refused, RefusedBy};
use crate::trace_context;

/// Answers a request, also when answering it fails in a way that nobody foresaw.
///
/// Combinators rather than `async`, which would hold what it awaits twice: every call moves and
/// touches all of it.
pub(crate) fn answer(
    gateway: Gateway,
    connection: Arc<ConnectionState>,
    request: Request<Incoming>,
) -> impl Future<Output = Response<AnswerBody>> {
    let received = Instant::now();
    let method = known(request.method());
    let trace = trace_context::find(request.headers());
    let engine = gateway.0.engine.clone();
    guarded(handle(gateway, connection, request), move || {
        engine.new_request_id()
    })
    .inspect(move |answer| log(answer, method, trace, received))
}

/// Turns a panic into a refusal. What was under way is dropped, and records its own end.
fn guarded(
    answering: impl Future<Output = Response<AnswerBody>>,
    new_request_id: impl FnOnce() -> String,
) -> impl Future<Output = Response<AnswerBody>> {
    let caught = AssertUnwindSafe(answering).catch_unwind();
    caught.map(|answered| match answered {
        Ok(answer) => answer,
        // What it says may quote what it was working on.
        Err(_) => {
            let refused = Refused::internal();
            meters::refused(refused.reason());
            refused.into_answer(&new_request_id(), None, true)
        }
    })
}

fn log(
    answer: &Response<AnswerBody>,
    method: &'static str,
    trace: Option<TraceId>,
    received: Instant,
) {
    let status = answer.status().as_u16();
    let request_id = || {
        let id = answer.headers().get(REQUEST_ID);
        id.and_then(|id| id.to_str().ok()).unwrap_or_default()
    };
    let trace_id = trace.map(tracing::field::display);
    match answer.extensions().get::<RefusedBy>() {
        Some(RefusedBy(code)) => {
            let took_ms = millis(received);
            tracing::warn!(target: "caracal::refused", request_id = request_id(), trace_id, door = "gateway", method, status, code, took_ms, "refused");
        }
        None if tracing::enabled!(target: "caracal::access", tracing::Level::INFO) => {
            let took_ms = millis(received);
            tracing::info!(target: "caracal::access", request_id = request_id(), trace_id, door = "gateway", method, status, took_ms, "answered");
        }
        None => {}
    }
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// A method as the log names it: a client may make up any word.
fn known(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        "TRACE" => "TRACE",
        "CONNECT" => "CONNECT",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_becomes_an_answer() {
        let failing = async { panic!("the secret was `{}`", 7) };
        let answer = guarded(failing, || "req_1".to_owned()).await;
        assert_eq!(answer.status(), 500);
        let header = |name: &str| answer.headers().get(name).unwrap().to_str().unwrap();
        assert_eq!(header("caracal-request-id"), "req_1");
        assert_eq!(header("caracal-refusal"), "1");
        assert_eq!(header("connection"), "close");
        let code = answer.extensions().get::<RefusedBy>().map(|by| by.0);
        assert_eq!(code, Some("internal_error"));
    }

    #[test]
    fn only_known_methods_are_named() {
        assert_eq!(known(&Method::PATCH), "PATCH");
        assert_eq!(known(&Method::from_bytes(b"SECRET").unwrap()), "other");
    }
}
