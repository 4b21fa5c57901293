//! Whether a connection that many requests share still answers.

use std::time::Duration;

use http::{Request, Response};
use hyper_util::client::legacy::connect::{CaptureConnection, capture_connection};
use tokio::time::Instant;

use crate::link::Opened;

/// A request that was given up after this long without an answer speaks against its
/// connection; one that its caller soon lost interest in does not.
const SILENCE: Duration = Duration::from_secs(1);

/// Follows one request. Over HTTP/2 the requests of an origin share a connection, and a dead
/// one looks like a slow one: whoever waited in vain takes it out of the pool, so that the
/// next request opens another. What is under way on it goes on.
pub(crate) struct Pulse {
    connection: CaptureConnection,
    since: Instant,
    is_over: bool,
}

impl Pulse {
    pub(crate) fn of<B>(request: &mut Request<B>) -> Self {
        Self {
            connection: capture_connection(request),
            since: Instant::now(),
            is_over: false,
        }
    }

    /// Notes the head of the answer.
    pub(crate) fn answered<B>(mut self, answer: &Response<B>) {
        self.is_over = true;
        let opened = answer.extensions().get::<Opened>();
        if opened.is_some_and(|opened| opened.is_old()) {
            self.retire("age");
        }
    }

    /// Notes an error: the pool knows by itself what became of the connection.
    pub(crate) fn failed(mut self) {
        self.is_over = true;
    }

    fn retire(&self, why: &'static str) {
        if let Some(connection) = self.connection.connection_metadata().as_ref() {
            connection.poison();
            metrics::counter!("caracal_egress_connections_retired_total", "why" => why)
                .increment(1);
        }
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        if !self.is_over && self.since.elapsed() >= SILENCE {
            self.retire("silent");
        }
    }
}
