//! An upstream that demands a key, refuses mandates, and records what reaches it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Request, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use tokio::sync::mpsc;

/// A request that reached the upstream.
#[derive(Debug, Clone)]
pub struct Recorded {
    pub method: Method,
    pub uri: Uri,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// A running upstream on a loopback port.
#[derive(Clone)]
pub struct Upstream {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Recorded>>>,
}

/// The key that the upstream demands as `Authorization: Bearer`.
pub const KEY: &str = "sk-upstream-canary-5f2c";

impl Upstream {
    /// Paths: `/stream` answers SSE events, one each 20 ms, 50 in all; `/hang` never answers;
    /// `/redirect` redirects to itself; everything else answers JSON that echoes method and path.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let upstream = Self {
            address,
            seen: Arc::default(),
        };
        let router = Router::new().fallback(answer).with_state(upstream.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        upstream
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What reached it, oldest first.
    pub fn seen(&self) -> Vec<Recorded> {
        self.seen.lock().unwrap().clone()
    }
}

async fn answer(State(upstream): State<Upstream>, request: Request<Body>) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 64 * 1024 * 1024)
        .await
        .unwrap_or_default();
    let recorded = Recorded {
        method: head.method.clone(),
        uri: head.uri.clone(),
        headers: head.headers,
        body,
    };
    upstream.seen.lock().unwrap().push(recorded.clone());
    let authorization = recorded
        .headers
        .get("authorization")
        .and_then(|v| v.to_str().ok());
    if authorization != Some(&format!("Bearer {KEY}")) {
        return (StatusCode::UNAUTHORIZED, "wrong key").into_response();
    }
    match head.uri.path() {
        "/stream" => events(),
        "/hang" => std::future::pending().await,
        "/redirect" => {
            let location = format!("{}/elsewhere?x=1", upstream.url());
            (StatusCode::FOUND, [("location", location)], "").into_response()
        }
        path => {
            let body = serde_json::json!({ "method": head.method.as_str(), "path": path });
            axum::Json(body).into_response()
        }
    }
}

fn events() -> Response {
    let (sender, receiver) = mpsc::channel::<Result<Bytes, std::io::Error>>(1);
    tokio::spawn(async move {
        for i in 0..50 {
            if sender
                .send(Ok(Bytes::from(format!("data: {i}\n\n"))))
                .await
                .is_err()
            {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    });
    let stream = futures_util::stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|item| (item, receiver))
    });
    (
        [("content-type", "text/event-stream")],
        Body::from_stream(stream),
    )
        .into_response()
}
