//! Listeners.

use std::io;
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::sync::OwnedSemaphorePermit;

use super::ServeOptions;
use super::connection::{peer_of, serve};
use crate::peer::Peer;

/// Serves a TCP listener until the shutdown. Operators show an API token; on a loopback
/// address, `Host` must be one that the configuration names.
pub async fn serve_tcp(listener: TcpListener, router: Router, options: ServeOptions) {
    while let Some((stream, permit)) = next(&options, || listener.accept()).await {
        let (stream, _) = stream;
        // Answers are small: waiting to fill a packet only adds delay.
        let _ = stream.set_nodelay(true);
        let Ok(local) = stream.local_addr() else {
            continue;
        };
        let (router, own) = (router.clone(), options.clone());
        options.tasks.spawn(async move {
            serve(stream, peer_of(local), router, &own).await;
            drop(permit);
        });
    }
}

/// Serves a Unix socket until the shutdown. Only root and the user of this process are let in;
/// they own the instance.
pub async fn serve_unix(listener: UnixListener, router: Router, options: ServeOptions) {
    while let Some((stream, permit)) = next(&options, || listener.accept()).await {
        let (stream, _) = stream;
        if !is_ours(&stream) {
            tracing::warn!("another user was turned away from the local socket");
            continue;
        }
        let (router, own) = (router.clone(), options.clone());
        options.tasks.spawn(async move {
            serve(stream, Peer::Local, router, &own).await;
            drop(permit);
        });
    }
}

/// The next connection, once there is room for it; none at the shutdown.
async fn next<T, F>(
    options: &ServeOptions,
    accept: impl Fn() -> F,
) -> Option<(T, OwnedSemaphorePermit)>
where
    F: Future<Output = io::Result<T>>,
{
    let room = options.connections.clone().acquire_owned();
    let permit = tokio::select! {
        () = options.shutdown.cancelled() => return None,
        permit = room => permit.ok()?,
    };
    loop {
        let accepted = tokio::select! {
            () = options.shutdown.cancelled() => return None,
            accepted = accept() => accepted,
        };
        match accepted {
            Ok(accepted) => return Some((accepted, permit)),
            Err(error) => {
                // Out of descriptors, most likely: others must close first.
                tracing::warn!(%error, "no connection can be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// Asks the kernel who is on the other end (`SO_PEERCRED`).
fn is_ours(stream: &UnixStream) -> bool {
    let own = rustix::process::geteuid().as_raw();
    match stream.peer_cred() {
        Ok(peer) => peer.uid() == own || peer.uid() == 0,
        Err(_) => false,
    }
}
