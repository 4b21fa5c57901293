//! Where connections come in: accepted, within limits, and handed to their door.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use caracal_connection::{Admission, Arrival, DoorRules, Protocol, Transport, listen};
use caracal_gateway::Gateway;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;

use crate::server::tls::Tls;

/// Who answers on a connection.
#[derive(Clone)]
pub(crate) enum Answerer {
    /// The Gateway.
    Gateway(Gateway),
    /// The routes of another door.
    Router(Router),
}

/// A door's way in, shared by its listeners.
#[derive(Clone)]
pub(crate) struct Doorway {
    answerer: Answerer,
    tls: Option<Tls>,
    admission: Arc<Admission>,
    rules: Arc<DoorRules>,
}

impl Doorway {
    /// A way in to whoever answers, through TLS if there is one.
    pub(crate) fn new(
        answerer: Answerer,
        tls: Option<Tls>,
        admission: Arc<Admission>,
        rules: DoorRules,
    ) -> Self {
        Self {
            answerer,
            tls,
            admission,
            rules: Arc::new(rules),
        }
    }

    /// Accepts until the doors close.
    pub(crate) async fn open(self, listener: TcpListener, tracker: TaskTracker) {
        let (admission, stopping) = (Arc::clone(&self.admission), self.rules.stopping.clone());
        let talk = move |stream, remote| self.clone().talk(stream, remote);
        listen(listener, admission, stopping, tracker, talk).await;
    }

    async fn talk(self, stream: TcpStream, remote: SocketAddr) {
        let mut arrival = Arrival {
            remote: Some(remote),
            local: stream.local_addr().ok(),
            is_tls: self.tls.is_some(),
            protocol: Protocol::Http1,
        };
        // Most connections are silent most of the time: what a conversation takes is held only
        // once there is one.
        match &self.tls {
            None => {
                if let Some(protocol) = Protocol::find(&stream, &self.rules).await {
                    arrival.protocol = protocol;
                    Box::pin(self.answer(stream, arrival)).await;
                }
            }
            Some(tls) => {
                if let Some((stream, protocol)) = Box::pin(tls.accept(stream, &self.rules)).await {
                    arrival.protocol = protocol;
                    Box::pin(self.answer(stream, arrival)).await;
                }
            }
        }
    }

    async fn answer(self, stream: impl Transport, arrival: Arrival) {
        match self.answerer {
            Answerer::Gateway(gateway) => gateway.converse(stream, arrival, &self.rules).await,
            Answerer::Router(router) => {
                caracal_api::serve_stream(stream, arrival, router, &self.rules).await;
            }
        }
    }
}
