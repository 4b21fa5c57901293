//! An event on its way into a log.

mod canonical;

use caracal_core::{Event, EventId, LogId, ZoneId};

use crate::{LedgerError, MAX_LEAF_BYTES};

/// The largest whole number that RFC 8785 writes exactly (it knows only IEEE 754 doubles).
const MAX_EXACT: u64 = (1 << 53) - 1;

/// Most events are shorter before and after their index, so that their bytes are not copied while
/// they are written.
const USUAL_BEFORE: usize = 256;
const USUAL_AFTER: usize = 1024;

/// The canonical bytes (RFC 8785) of an event with a hole where its index goes, so that
/// the costly part is done before the place in the log is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeafDraft {
    zone: ZoneId,
    log: LogId,
    event: EventId,
    before: Vec<u8>,
    after: Vec<u8>,
}

impl LeafDraft {
    /// Makes the bytes of the event as a leaf of this log. What the event says about log
    /// and index is replaced.
    ///
    /// # Errors
    /// `Uncanonical` when a number is beyond 2^53 - 1 or the leaf would be longer than
    /// [`MAX_LEAF_BYTES`].
    pub fn new(event: &Event, log: LogId) -> Result<Self, LedgerError> {
        for (field, number) in [
            ("latency_ms", event.latency_ms),
            ("revision", event.revision),
        ] {
            if number.is_some_and(|number| number > MAX_EXACT) {
                return Err(LedgerError::Uncanonical(format!(
                    "`{field}` is beyond 2^53 - 1"
                )));
            }
        }
        let mut counts = event.counts.iter().flat_map(|counts| counts.values());
        if counts.any(|count| *count > MAX_EXACT) {
            return Err(LedgerError::Uncanonical(
                "a count is beyond 2^53 - 1".to_owned(),
            ));
        }
        let mut before = Vec::with_capacity(USUAL_BEFORE);
        let mut after = Vec::with_capacity(USUAL_AFTER);
        canonical::write(event, &log, &mut before, &mut after)
            .map_err(|error| LedgerError::Uncanonical(error.to_string()))?;
        if before.len() + after.len() + 20 > MAX_LEAF_BYTES {
            return Err(LedgerError::Uncanonical(
                "it is longer than 1 MiB".to_owned(),
            ));
        }
        Ok(Self {
            zone: event.zone,
            log,
            event: event.id,
            before,
            after,
        })
    }

    /// The leaf at this index.
    pub fn finish(&self, index: u64) -> Vec<u8> {
        [
            self.before.as_slice(),
            index.to_string().as_bytes(),
            &self.after,
        ]
        .concat()
    }

    /// The log it is made for.
    pub fn log(&self) -> LogId {
        self.log
    }

    /// The zone of the event.
    pub fn zone(&self) -> ZoneId {
        self.zone
    }

    /// The id of the event.
    pub fn event_id(&self) -> EventId {
        self.event
    }
}

#[cfg(test)]
mod tests;
