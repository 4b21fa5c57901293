//! One connection.

use std::convert::Infallible;
use std::net::SocketAddr;

use axum::Router;
use axum::body::Body;
use caracal_engine::OnThisMachine;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tower::ServiceExt;

use super::ServeOptions;
use crate::peer::Peer;

/// The most bytes that the head of a request may have.
const MAX_HEAD_BYTES: usize = 64 * 1024;

/// Serves one connection of a network listener that the caller accepted, such as one on which
/// it ended TLS. `local` is the address of the listener's end.
pub async fn serve_stream<S>(stream: S, local: SocketAddr, router: Router, options: &ServeOptions)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    serve(stream, peer_of(local), router, options).await;
}

/// Whether a connection came in over loopback.
pub(super) fn peer_of(local: SocketAddr) -> Peer {
    if local.ip().to_canonical().is_loopback() {
        Peer::Loopback
    } else {
        Peer::Network
    }
}

pub(super) async fn serve<S>(stream: S, peer: Peer, router: Router, options: &ServeOptions)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let router = router.clone();
        async move {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(peer);
            if peer != Peer::Network {
                request.extensions_mut().insert(OnThisMachine);
            }
            let response = router.oneshot(request).await;
            response.map_err(|never: Infallible| never)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(options.header_timeout)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        () = options.shutdown.cancelled() => None,
    };
    let ended = match ended {
        Some(ended) => Ok(ended),
        None => {
            connection.as_mut().graceful_shutdown();
            tokio::time::timeout(options.drain, connection).await
        }
    };
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a connection of the control API failed"),
        Err(_) => tracing::warn!("a request of the control API was cut off by the shutdown"),
    }
}
