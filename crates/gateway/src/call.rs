//! A call under way: a permit whose end is recorded whatever happens.

use std::sync::Arc;

use caracal_core::RefusalCode;
use caracal_engine::{Outcome, Permit};
use caracal_limits::Place;
use tokio::time::Instant;

use crate::connection::ConnectionState;
use crate::meters::meters;

/// Holds the permit and records the end exactly once: when the answer is complete, when
/// something fails, or when this is dropped because client, process or connection went away.
pub(crate) struct Call {
    permit: Option<Permit>,
    connection: Arc<ConnectionState>,
    status: Option<u16>,
    received: Instant,
    open: Option<Place>,
}

impl Call {
    /// `received` is when the head of the request was there; `open` is given back at the end.
    pub(crate) fn new(
        permit: Permit,
        connection: Arc<ConnectionState>,
        received: Instant,
        open: Place,
    ) -> Self {
        Self {
            permit: Some(permit),
            connection,
            status: None,
            received,
            open: Some(open),
        }
    }

    /// The permit, until the call has ended.
    pub(crate) fn permit(&self) -> Option<&Permit> {
        self.permit.as_ref()
    }

    /// Notes that the upstream's answer began.
    pub(crate) fn answered(&mut self, status: u16) {
        self.status = Some(status);
        meters().answered(status);
    }

    /// Why the call was cut.
    pub(crate) fn cut_code(&self) -> Option<RefusalCode> {
        let cut = self
            .permit
            .as_ref()
            .filter(|permit| permit.cut().is_cancelled());
        cut.map(Permit::cut_code)
    }

    /// The same in a word.
    pub(crate) fn cut_reason(&self) -> Option<&'static str> {
        self.cut_code().map(|code| code.as_str())
    }

    /// Records the end; what comes later changes nothing.
    pub(crate) fn finish(&mut self, reason: Option<&'static str>) {
        if let Some(permit) = self.permit.take() {
            self.open = None;
            meters().ended(reason, self.received.elapsed());
            permit.finish(Outcome {
                status: self.status,
                reason,
            });
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if self.permit.is_some() {
            let reason = match self.connection.ended() {
                // The connection knows that it was cut, and not why.
                Some("mandate_revoked") => self.cut_reason().unwrap_or("mandate_revoked"),
                Some(reason) => reason,
                None if std::thread::panicking() => "internal_error",
                None => "client_gone",
            };
            self.finish(Some(reason));
        }
    }
}
