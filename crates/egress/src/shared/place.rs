//! One stream of a connection, taken.

use std::error::Error as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::Response;
use hyper::body::Incoming;
use tokio::time::Instant;

use super::room::Room;

/// A request that was given up after this long without an answer speaks against its
/// connection; one that its caller soon lost interest in does not.
const SILENCE: Duration = Duration::from_secs(1);

/// A stream's place on its connection. The bodies of the request and of its answer hold it: the
/// stream is free only when both are gone.
#[derive(Debug)]
pub(crate) struct Place(Arc<Room>);

impl Place {
    pub(super) fn new(room: Arc<Room>) -> Self {
        Self(room)
    }

    pub(crate) fn remote(&self) -> Option<SocketAddr> {
        self.0.remote
    }

    pub(super) fn watch(&self) -> Watch<'_> {
        Watch {
            room: &self.0,
            since: Instant::now(),
            is_over: false,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.give_back();
    }
}

/// Follows one request. A dead connection looks like a slow one: whoever waited on it in vain
/// takes it out of use, so that the next request goes elsewhere. What is under way on it goes on.
pub(super) struct Watch<'a> {
    room: &'a Room,
    since: Instant,
    is_over: bool,
}

impl Watch<'_> {
    /// Notes the head of the answer, or why there is none.
    pub(super) fn over(mut self, answer: &Result<Response<Incoming>, hyper::Error>) {
        self.is_over = true;
        if let Err(error) = answer {
            let cause = error.source().and_then(|cause| cause.downcast_ref());
            // An error of one stream says nothing about the others.
            if !cause.is_some_and(h2::Error::is_reset) {
                self.room.retire("broken");
            }
        }
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if !self.is_over && self.since.elapsed() >= SILENCE {
            self.room.retire("silent");
        }
    }
}
