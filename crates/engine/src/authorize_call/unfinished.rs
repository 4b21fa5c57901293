//! The start of a call that is being written.

use caracal_core::{Event, EventType};

use crate::Engine;
use crate::verify::OpenedMandate;

/// A call whose start is being recorded. When the client goes away meanwhile, the record
/// still comes to be, and needs its end: nothing was sent.
pub(super) struct Unfinished<'e> {
    engine: &'e Engine,
    opened: &'e OpenedMandate,
    started: Option<&'e Event>,
}

impl<'e> Unfinished<'e> {
    pub(super) fn new(engine: &'e Engine, opened: &'e OpenedMandate, started: &'e Event) -> Self {
        Self {
            engine,
            opened,
            // Whoever only asks begins nothing.
            started: Some(started).filter(|event| event.event_type == EventType::CallStarted),
        }
    }

    pub(super) fn disarm(mut self) {
        self.started = None;
    }
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        if let Some(started) = self.started {
            self.engine
                .record_unsent(self.opened, started, "client_gone");
        }
    }
}
