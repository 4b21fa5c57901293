//! Connections: what the door is told of each, and who may use the local socket.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use caracal_connection::{Arrival, DoorRules, Exchange, Paced, Transport, converse};
use caracal_engine::OnThisMachine;
use http::{Request, Response};
use hyper::body::Incoming;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use crate::peer::Peer;

/// Serves a connection of a network listener to a router, this door's or another's. Requests
/// carry the [`caracal_core::ClientAddress`] as an extension.
pub async fn serve_stream(
    stream: impl Transport,
    arrival: Arrival,
    router: Router,
    rules: &DoorRules,
) {
    let peer = match arrival.is_loopback() {
        true => Peer::Loopback,
        false => Peer::Network,
    };
    serve(stream, arrival, peer, router, rules).await;
}

/// Serves a Unix socket until the door closes, to at most `limit` connections at a time; others
/// wait. Only root and the user of this process are let in; they own the instance.
pub async fn serve_unix(
    listener: UnixListener,
    router: Router,
    rules: DoorRules,
    limit: usize,
    tracker: TaskTracker,
) {
    let room = Arc::new(Semaphore::new(limit));
    loop {
        let next = async {
            let place = Arc::clone(&room).acquire_owned().await.ok()?;
            Some((place, accept(&listener).await))
        };
        let (place, stream) = tokio::select! {
            biased;
            () = rules.stopping.token().cancelled() => return,
            Some(next) = next => next,
            else => return,
        };
        if !is_ours(&stream) {
            tracing::warn!("another user was turned away from the local socket");
            continue;
        }
        let (router, rules) = (router.clone(), rules.clone());
        tracker.spawn(async move {
            serve(stream, Arrival::LOCAL, Peer::Local, router, &rules).await;
            drop(place);
        });
    }
}

async fn accept(listener: &UnixListener) -> UnixStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(error) => {
                // Out of descriptors, most likely: others must close first.
                tracing::warn!(%error, "no connection can be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn serve(
    stream: impl Transport,
    arrival: Arrival,
    peer: Peer,
    router: Router,
    rules: &DoorRules,
) {
    converse(stream, arrival, rules, move |request, exchange| {
        answer(router.clone(), request, exchange, peer)
    })
    .await;
}

async fn answer(
    router: Router,
    request: Request<Incoming>,
    exchange: Arc<Exchange>,
    peer: Peer,
) -> Response<Body> {
    let client = exchange.client();
    let mut request = request.map(|body| Body::new(Paced::new(body, exchange)));
    request.extensions_mut().insert(peer);
    request.extensions_mut().insert(client);
    if peer != Peer::Network {
        request.extensions_mut().insert(OnThisMachine);
    }
    let answered = router.oneshot(request).await;
    answered.unwrap_or_else(|never: Infallible| match never {})
}

/// Asks the kernel who is on the other end (`SO_PEERCRED`).
fn is_ours(stream: &UnixStream) -> bool {
    let own = rustix::process::geteuid().as_raw();
    let peer: io::Result<_> = stream.peer_cred();
    peer.is_ok_and(|peer| peer.uid() == own || peer.uid() == 0)
}
