//! The demo upstream: a small API that demands an API key and knows nothing of mandates.

use std::convert::Infallible;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use bytes::Bytes;
use caracal_core::Secret;
use caracal_crypto::constant_time_eq;
use http::StatusCode;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::failure::{Context, Failure, Outcome};
use crate::home::{HomeLock, replace};
use crate::quickstart::upstream_process::{KEY, LOCK, PORT};

/// What it says, word by word.
const WORDS: [&str; 7] = [
    "Hello ",
    "from ",
    "the ",
    "demo ",
    "upstream, ",
    "streamed ",
    "through.",
];

/// Serves until it is told to stop. It is a process of its own.
pub(crate) async fn demo_upstream(dir: &Path) -> Outcome<()> {
    rustix::process::setsid().context("the demo upstream cannot leave the terminal")?;
    let held = HomeLock::take_file(&dir.join(LOCK), |_| {
        Failure::new("the demo upstream is running already")
    })?;
    let key = std::fs::read(dir.join(KEY)).context("the key of the demo upstream")?;
    let listener = listen(dir)?;
    let port = listener
        .local_addr()
        .context("the demo upstream has no address")?
        .port();
    listener
        .set_nonblocking(true)
        .context("the demo upstream cannot be served")?;
    let listener = tokio::net::TcpListener::from_std(listener)
        .context("the demo upstream cannot be served")?;
    replace(&dir.join(PORT), format!("{port}\n").as_bytes())
        .context("the port of the demo upstream")?;
    let shutdown = CancellationToken::new();
    let signals = crate::server::stop_signal(&shutdown)?;
    let ended = async move { shutdown.cancelled().await };
    tokio::select! {
        served = axum::serve(listener, router(Secret::new(key))).with_graceful_shutdown(ended) => {
            served.context("the demo upstream failed")?;
        }
        () = signals => {}
    }
    drop(held);
    Ok(())
}

/// The port of the last run, when it is still free: the zone's configuration stays the same.
fn listen(dir: &Path) -> Outcome<TcpListener> {
    let text = std::fs::read_to_string(dir.join(PORT)).unwrap_or_default();
    let last: u16 = text.trim().parse().unwrap_or(0);
    TcpListener::bind((Ipv4Addr::LOCALHOST, last))
        .or_else(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
        .context("the demo upstream cannot listen")
}

fn router(key: Secret) -> Router {
    let key = Arc::new(key);
    Router::new()
        .route("/v1/models", get(models))
        .route("/v1/models/{model}", delete(deleted))
        .route("/v1/chat/completions", post(chat))
        .layer(from_fn_with_state(key, demand_key))
}

async fn demand_key(State(key): State<Arc<Secret>>, request: Request, next: Next) -> Response {
    let sent = request
        .headers()
        .get(AUTHORIZATION)
        .map(|value| value.as_bytes());
    let sent = sent
        .and_then(|value| value.strip_prefix(b"Bearer "))
        .unwrap_or_default();
    if constant_time_eq(sent, key.expose()) {
        return next.run(request).await;
    }
    let error =
        json!({ "error": { "code": "invalid_api_key", "message": "this API wants its own key" } });
    (StatusCode::UNAUTHORIZED, Json(error)).into_response()
}

async fn models() -> Json<serde_json::Value> {
    Json(
        json!({ "object": "list", "data": [{ "id": "demo-1", "object": "model", "owned_by": "caracal" }] }),
    )
}

async fn deleted() -> Json<serde_json::Value> {
    Json(json!({ "id": "demo-1", "object": "model", "deleted": true }))
}

async fn chat() -> Response {
    let chunks = WORDS.iter().map(|word| {
        let chunk = json!({ "object": "chat.completion.chunk", "model": "demo-1",
            "choices": [{ "index": 0, "delta": { "content": word }, "finish_reason": null }] });
        format!("data: {chunk}\n\n")
    });
    let chunks = chunks.chain(["data: [DONE]\n\n".to_owned()]);
    let chunks: Vec<_> = chunks
        .map(|chunk| Ok::<_, Infallible>(Bytes::from(chunk)))
        .collect();
    let body = Body::from_stream(futures_util::stream::iter(chunks));
    ([(CONTENT_TYPE, "text/event-stream")], body).into_response()
}
