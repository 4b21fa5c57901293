//! Accepting connections.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;

use crate::{Admission, Stopping};

/// How long to wait when the system has no room for another connection.
const BREATH: Duration = Duration::from_millis(50);

/// Accepts connections until the doors close. Each that is admitted runs on the tracker and stays
/// admitted until `talk` is done; the others are closed at once. Connections that come later
/// wait in the kernel.
pub async fn listen<F, T>(
    listener: TcpListener,
    admission: Arc<Admission>,
    stopping: Stopping,
    tracker: TaskTracker,
    talk: F,
) where
    F: Fn(TcpStream, SocketAddr) -> T,
    T: Future<Output = ()> + Send + 'static,
{
    loop {
        let accepted = tokio::select! {
            biased;
            () = stopping.token().cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, remote)) => {
                let Ok(admitted) = admission.admit(remote.ip()) else {
                    continue;
                };
                // Waiting to fill a packet only adds delay. It fails when the client is gone.
                if stream.set_nodelay(true).is_err() {
                    continue;
                }
                let talking = talk(stream, remote);
                tracker.spawn(async move {
                    talking.await;
                    drop(admitted);
                });
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                admission.cannot_accept(&error);
                // Out of file descriptors or memory: trying again at once would spin.
                tokio::time::sleep(BREATH).await;
            }
        }
    }
}

/// True for errors that concern only the connection that was to be accepted.
fn is_of_one_connection(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::ConnectionRefused
    )
}
