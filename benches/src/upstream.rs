//! The upstream: answers 1 KiB to everything, as cheaply as hyper can.

use std::convert::Infallible;
use std::sync::Arc;

use anyhow::{Context, Result};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;

use crate::child::{announce, orphaned};

/// The size of an answer's body in bytes.
pub(crate) const ANSWER_BYTES: usize = 1024;

static ANSWER: [u8; ANSWER_BYTES] = [b'x'; ANSWER_BYTES];

/// Serves until the process that started it is gone.
pub(crate) async fn serve(key: Option<String>) -> Result<()> {
    let key = key
        .map(|key| HeaderValue::try_from(format!("Bearer {key}")))
        .transpose()
        .context("the key is no header value")?
        .map(Arc::new);
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .context("cannot listen on loopback")?;
    announce(listener.local_addr().context("the listener is gone")?);
    tokio::select! {
        accepting = accept(listener, key) => accepting,
        () = orphaned() => Ok(()),
    }
}

async fn accept(listener: TcpListener, key: Option<Arc<HeaderValue>>) -> Result<()> {
    let tracker = TaskTracker::new();
    loop {
        let (stream, _) = listener.accept().await.context("cannot accept")?;
        stream.set_nodelay(true).context("cannot set nodelay")?;
        let key = key.clone();
        let service = service_fn(move |request| {
            let answer = answer(&request, key.as_deref());
            async move { Ok::<_, Infallible>(answer) }
        });
        tracker.spawn(async move {
            // A client that goes away is none of our business.
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

fn answer(request: &Request<Incoming>, key: Option<&HeaderValue>) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(Bytes::from_static(&ANSWER)));
    if key.is_some_and(|key| request.headers().get(header::AUTHORIZATION) != Some(key)) {
        *answer.status_mut() = StatusCode::UNAUTHORIZED;
        *answer.body_mut() = Full::default();
    }
    answer.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/octet-stream"),
    );
    answer
}
