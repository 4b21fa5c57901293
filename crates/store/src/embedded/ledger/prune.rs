//! Letting go of old leaves, beside those who write and read.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use caracal_core::LogId;
use caracal_ledger::TreeState;
use jiff::Timestamp;
use tokio::sync::oneshot;

use super::prunable::Search;
use super::writer::Job;
use super::{Ledger, heads, pruned};
use crate::embedded::failure;
use crate::{Prunable, StoreError};

/// Up to which sequence number no kept leaf of a log was found. It saves looking there again
/// and is forgotten with the process; one entry for each log that has a retention.
#[derive(Clone, Default)]
pub(super) struct Seen(Arc<Mutex<HashMap<LogId, i64>>>);

impl Seen {
    fn get(&self, log: LogId) -> i64 {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(&log).copied().unwrap_or(0)
    }

    fn set(&self, log: LogId, seq: i64) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.insert(log, seq);
    }
}

impl Ledger {
    pub(super) async fn find_prunable(
        &self,
        log: LogId,
        before: Timestamp,
        limit: u64,
    ) -> Result<Option<Prunable>, StoreError> {
        let seen = self.seen.get(log);
        let mut search = self
            .readers
            .read(move |connection| Search::begin(connection, log, before, limit, seen))
            .await?;
        loop {
            // A transaction for each part: none is held for long.
            let (went_on, back) = self
                .readers
                .read(move |connection| {
                    let went_on = search.go_on(connection)?;
                    Ok((went_on, search))
                })
                .await?;
            search = back;
            if !went_on {
                break;
            }
        }
        self.seen.set(log, search.seen);
        Ok(search.found())
    }

    pub(super) async fn prune(
        &self,
        log: LogId,
        below: u64,
        verifier: &str,
    ) -> Result<u64, StoreError> {
        let head = self
            .readers
            .read(move |connection| heads::look(connection, log))
            .await?;
        let Some(note) = head.filter(|head| !head.damaged).and_then(|h| h.checkpoint) else {
            return Err(StoreError::Damaged(format!(
                "`{log}` has no checkpoint that its leaves could be compared with"
            )));
        };
        let checkpoint = caracal_ledger::open_checkpoint(&note, verifier)
            .map_err(|error| StoreError::Damaged(format!("the head of `{log}`: {error}")))?;
        let tail = *self.tail.borrow();
        let removal = self
            .projection
            .plan_removal(tail, log, below, checkpoint)
            .await?;
        let Some(removal) = removal else {
            return Ok(self.pruned(log).await?.size);
        };
        let (answer, answered) = oneshot::channel();
        self.writer.send(Job::Prune { removal, answer }).await?;
        answered.await.map_err(|_| failure::unanswered())?
    }

    pub(super) async fn pruned(&self, log: LogId) -> Result<TreeState, StoreError> {
        let pruned = self
            .readers
            .read(move |connection| pruned::read(connection, "main", log))
            .await?;
        Ok(pruned.tiles.state())
    }
}
