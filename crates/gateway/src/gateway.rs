//! The door itself: accepting connections.

use std::sync::Arc;
use std::time::Duration;

use caracal_egress::Egress;
use caracal_engine::Engine;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::{GatewayConfig, connection};

/// The Gateway. Cloning is cheap; clones share their limits.
#[derive(Clone)]
pub struct Gateway(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) engine: Engine,
    pub(crate) egress: Egress,
    pub(crate) config: GatewayConfig,
    connections: Arc<Semaphore>,
}

impl Gateway {
    /// A Gateway that listens nowhere yet.
    pub fn new(engine: Engine, egress: Egress, config: GatewayConfig) -> Self {
        let limit = config.max_connections.min(Semaphore::MAX_PERMITS);
        let connections = Arc::new(Semaphore::new(limit));
        Self(Arc::new(Inner {
            engine,
            egress,
            config,
            connections,
        }))
    }

    /// Accepts connections until the shutdown begins, then returns. Connections run on the
    /// tracker: each finishes its running request, within [`GatewayConfig::drain`], and ends.
    pub async fn serve(
        self,
        listener: TcpListener,
        shutdown: CancellationToken,
        tracker: TaskTracker,
    ) {
        loop {
            let accepted = tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => self.admit(stream, &shutdown, &tracker),
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "no connection can be accepted at the moment");
                    // Out of file descriptors or memory: trying again at once would spin.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    fn admit(&self, stream: TcpStream, shutdown: &CancellationToken, tracker: &TaskTracker) {
        let Ok(place) = Arc::clone(&self.0.connections).try_acquire_owned() else {
            tracing::warn!(
                limit = self.0.config.max_connections,
                "a connection was closed: too many are open"
            );
            return;
        };
        let (gateway, shutdown) = (self.clone(), shutdown.child_token());
        tracker.spawn(gateway.converse(stream, shutdown, place));
    }

    async fn converse(
        self,
        stream: TcpStream,
        shutdown: CancellationToken,
        place: OwnedSemaphorePermit,
    ) {
        if stream.set_nodelay(true).is_ok() {
            connection::converse(self, stream, shutdown).await;
        }
        drop(place);
    }
}

/// True for errors that concern only the connection that was to be accepted.
fn is_of_one_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind;
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::ConnectionRefused
    )
}
