//! Where connections come in: accepted, within limits, and handed to their door.

use std::sync::Arc;

use axum::Router;
use caracal_connection::{Admission, Arrival, DoorRules, Protocol, listen};
use caracal_gateway::Gateway;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;

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
    admission: Arc<Admission>,
    rules: Arc<DoorRules>,
}

impl Doorway {
    /// A way in to whoever answers.
    pub(crate) fn new(answerer: Answerer, admission: Arc<Admission>, rules: DoorRules) -> Self {
        Self {
            answerer,
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

    async fn talk(self, stream: TcpStream, remote: std::net::SocketAddr) {
        let Some(protocol) = Protocol::find(&stream, &self.rules).await else {
            return;
        };
        let arrival = Arrival {
            remote: Some(remote),
            local: stream.local_addr().ok(),
            is_tls: false,
            protocol,
        };
        self.answer(stream, arrival).await;
    }

    async fn answer(self, stream: TcpStream, arrival: Arrival) {
        match self.answerer {
            Answerer::Gateway(gateway) => gateway.converse(stream, arrival, &self.rules).await,
            Answerer::Router(router) => {
                caracal_api::serve_stream(stream, arrival, router, &self.rules).await;
            }
        }
    }
}
