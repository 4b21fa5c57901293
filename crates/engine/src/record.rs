//! Recording decision events: they take no lock of the zone, only a place in a batch.

use std::sync::PoisonError;
use std::time::Duration;

use caracal_core::{Event, ZoneId};
use caracal_ledger::{LeafDraft, Receipt};
use caracal_store::Entry;
use thiserror::Error;

use crate::meters::meters;
use crate::zone_handle::ZoneHandle;
use crate::{AdminError, Engine, Room};

/// How long the end of a call waits for others.
const PAUSE: Duration = Duration::from_millis(10);
/// With so many waiting, they go at once.
const MANY: usize = 512;

/// The evidence could not be written, so what it is about must not happen.
#[derive(Debug, Clone, Error)]
#[error("{0}")]
pub(crate) struct RecordError(String);

impl Engine {
    /// Records a decision in the zone's log; durable when this returns. It may not use the
    /// reserve of the disk.
    pub(crate) async fn record(
        &self,
        handle: &ZoneHandle,
        event: &Event,
    ) -> Result<Receipt, RecordError> {
        let entry = self.draft(handle, event)?;
        self.append_one(entry).await
    }

    /// The first half of [`Self::record`], after which the event is free again.
    pub(crate) fn draft(&self, handle: &ZoneHandle, event: &Event) -> Result<Entry, RecordError> {
        self.check_room()?;
        entry(handle, event)
    }

    /// Refuses what may not use the reserve of the disk when only that is left.
    pub(crate) fn check_room(&self) -> Result<(), RecordError> {
        if self.room() == Room::Reserve {
            metrics::counter!("caracal_disk_refusals_total").increment(1);
            let why = "the disk has only its reserve left, which is for revoking and administering";
            return Err(RecordError(why.to_owned()));
        }
        Ok(())
    }

    /// Records an event of the whole instance.
    pub(crate) async fn record_instance(&self, event: Event) -> Result<(), AdminError> {
        let failed = |why: String| AdminError::Unavailable { why, done: false };
        let handle = self
            .zone_handle(ZoneId::INSTANCE)
            .ok_or_else(|| failed("the instance is not served yet".to_owned()))?;
        self.record_always(&handle, event)
            .await
            .map(drop)
            .map_err(|e| failed(e.to_string()))
    }

    /// The second half of [`Self::record`]: durable when this returns.
    pub(crate) async fn append_one(&self, entry: Entry) -> Result<Receipt, RecordError> {
        let receipts = self
            .append(vec![entry])
            .await
            .map_err(|e| RecordError(e.to_string()))?;
        receipts
            .into_iter()
            .next()
            .ok_or_else(|| RecordError("no receipt".to_owned()))
    }

    /// Records what may use the reserve of the disk: what ends authority, administers, or makes room.
    pub(crate) async fn record_always(
        &self,
        handle: &ZoneHandle,
        event: Event,
    ) -> Result<Receipt, RecordError> {
        let entry = entry(handle, &event)?;
        self.append_one(entry).await
    }

    /// Records an event without making anybody wait. Several go to the ledger together, so that
    /// the ends of calls do not stand in the way of their beginnings. Closing the engine waits
    /// for all of them.
    pub(crate) fn record_later(&self, handle: &ZoneHandle, event: &Event) {
        let entry = match entry(handle, event) {
            Ok(entry) => entry,
            Err(error) => return lost(1, &error),
        };
        let mut later = self.0.later.lock().unwrap_or_else(PoisonError::into_inner);
        later.push(entry);
        let pause = match later.len() {
            1 => PAUSE,
            MANY => Duration::ZERO,
            _ => return,
        };
        drop(later);
        let engine = self.clone();
        self.0.tasks.spawn(async move {
            tokio::time::sleep(pause).await;
            engine.settle().await;
        });
    }

    /// Writes what [`Self::record_later`] holds, and waits for what it is writing.
    pub(crate) async fn settle(&self) {
        let _turn = self.0.later_turn.lock().await;
        let entries =
            std::mem::take(&mut *self.0.later.lock().unwrap_or_else(PoisonError::into_inner));
        let count = entries.len();
        if count > 0
            && let Err(error) = self.append(entries).await
        {
            lost(count, &error);
        }
    }
}

fn lost(count: usize, error: &dyn std::error::Error) {
    meters().lost_ends.increment(count as u64);
    tracing::warn!(count, %error, "ends of calls could not be recorded; their outcome stays unknown");
}

/// The leaf of a decision event.
fn entry(handle: &ZoneHandle, event: &Event) -> Result<Entry, RecordError> {
    // Every decision is recorded before it has an effect, so this stops them all.
    if handle.is_stuck() {
        let why = "the zone's stored state cannot be followed; see the server's log";
        return Err(RecordError(why.to_owned()));
    }
    let view = handle.view();
    let log = view
        .log()
        .ok_or_else(|| RecordError("the zone has no log".to_owned()))?;
    let draft = LeafDraft::new(event, log.id).map_err(|e| RecordError(e.to_string()))?;
    Ok(Entry {
        draft,
        revision: None,
    })
}
