//! Recording decision events: they take no lock of the zone, only a place in a batch.

use caracal_core::Event;
use caracal_ledger::{LeafDraft, Receipt};
use caracal_store::Entry;
use thiserror::Error;

use crate::Engine;
use crate::zone_handle::ZoneHandle;

/// The evidence could not be written, so what it is about must not happen.
#[derive(Debug, Clone, Error)]
#[error("{0}")]
pub(crate) struct RecordError(String);

impl Engine {
    /// Records an event in the zone's log; durable when this returns.
    pub(crate) async fn record(
        &self,
        handle: &ZoneHandle,
        event: Event,
    ) -> Result<Receipt, RecordError> {
        // Every decision is recorded before it has an effect, so this stops them all.
        if handle.is_stuck() {
            let why = "the zone's stored state cannot be followed; see the server's log";
            return Err(RecordError(why.to_owned()));
        }
        let view = handle.view();
        let log = view
            .log()
            .ok_or_else(|| RecordError("the zone has no log".to_owned()))?;
        let draft = LeafDraft::new(&event, log.id).map_err(|e| RecordError(e.to_string()))?;
        let receipts = self
            .append(vec![Entry {
                draft,
                revision: None,
            }])
            .await
            .map_err(|e| RecordError(e.to_string()))?;
        receipts
            .into_iter()
            .next()
            .ok_or_else(|| RecordError("no receipt".to_owned()))
    }

    /// Records an event without making anybody wait. Closing the engine waits for it.
    pub(crate) fn record_later(&self, handle: std::sync::Arc<ZoneHandle>, event: Event) {
        let engine = self.clone();
        self.0.tasks.spawn(async move {
            if let Err(error) = engine.record(&handle, event).await {
                tracing::warn!(%error, "the end of a call could not be recorded; its outcome stays unknown");
            }
        });
    }
}
