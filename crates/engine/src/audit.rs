//! Reading the ledger.

mod explain;
mod prove;

use caracal_core::{Event, EventId, LogId, Role, ZoneId};
use caracal_ledger::TreeState;
use caracal_store::{Page, Query, StoreError};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

pub use explain::{EventExplanation, Gate};
pub use prove::EventProof;

use crate::{Admin, AdminError, Engine};

/// A log of a zone.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LogInfo {
    /// The log.
    pub id: LogId,
    /// The origin line of its checkpoints.
    pub origin: String,
    /// Its note verifier key.
    pub verifier: String,
    /// When it was opened.
    pub created_at: Timestamp,
}

impl Engine {
    /// Searches the events of a zone.
    ///
    /// # Errors
    /// Needs the role auditor.
    pub async fn search_events(
        &self,
        zone: ZoneId,
        admin: &Admin,
        mut query: Query,
    ) -> Result<Page, AdminError> {
        admin.operator.require(Role::Auditor, zone)?;
        query.zone = Some(zone);
        // Ends of calls that wait for others belong to what has happened.
        self.settle().await;
        query.limit = query.limit.clamp(1, 1000);
        self.evidence().search(query).await.map_err(unavailable)
    }

    /// The leaf of an event by its id; for a request id, the leaf that decided it.
    ///
    /// # Errors
    /// Needs the role auditor.
    pub async fn get_event(
        &self,
        zone: ZoneId,
        admin: &Admin,
        id: &str,
    ) -> Result<Vec<u8>, AdminError> {
        let mut query = Query {
            ascending: true,
            limit: 10,
            ..Query::default()
        };
        if id.parse::<EventId>().is_ok() {
            query.id = Some(id.to_owned());
        } else {
            query.request_id = Some(id.to_owned());
        }
        loop {
            let page = self.search_events(zone, admin, query.clone()).await?;
            if let Some((_, leaf)) = page.leaves.into_iter().next() {
                return Ok(leaf);
            }
            match page.next {
                Some(next) => query.cursor = Some(next),
                None => return Err(AdminError::not_found("event", id)),
            }
        }
    }

    /// The logs of a zone, oldest first.
    ///
    /// # Errors
    /// Needs the role auditor.
    pub fn list_logs(&self, zone: ZoneId, admin: &Admin) -> Result<Vec<LogInfo>, AdminError> {
        admin.operator.require(Role::Auditor, zone)?;
        let view = self.readable(admin, zone)?;
        let logs = view.zone.value.logs.iter();
        Ok(logs
            .map(|log| LogInfo {
                id: log.id,
                origin: log.origin.clone(),
                verifier: log.verifier.clone(),
                created_at: log.created_at,
            })
            .collect())
    }

    fn find_log(&self, zone: ZoneId, admin: &Admin, log: LogId) -> Result<LogInfo, AdminError> {
        self.list_logs(zone, admin)?
            .into_iter()
            .find(|info| info.id == log)
            .ok_or_else(|| AdminError::not_found("log", log))
    }

    /// The newest signed checkpoint of a log; none while it is empty.
    ///
    /// # Errors
    /// Needs the role auditor.
    pub async fn get_checkpoint(
        &self,
        zone: ZoneId,
        admin: &Admin,
        log: LogId,
    ) -> Result<Option<String>, AdminError> {
        self.find_log(zone, admin, log)?;
        Ok(self
            .evidence()
            .head(log)
            .await
            .map_err(unavailable)?
            .checkpoint)
    }

    /// A tile of a log.
    ///
    /// # Errors
    /// Needs the role auditor; the log must be large enough.
    pub async fn get_tile(
        &self,
        zone: ZoneId,
        admin: &Admin,
        log: LogId,
        level: u8,
        n: u64,
        width: u16,
    ) -> Result<Vec<u8>, AdminError> {
        self.find_log(zone, admin, log)?;
        let size = self.evidence().head(log).await.map_err(unavailable)?.size;
        // The tile's last hash must be of a complete subtree.
        let per_hash = 1_u64
            .checked_shl(8 * u32::from(level))
            .filter(|_| level < 8);
        let end = n
            .checked_mul(256)
            .and_then(|first| first.checked_add(u64::from(width)))
            .zip(per_hash)
            .and_then(|(hashes, leaves)| hashes.checked_mul(leaves));
        if width == 0 || width > 256 || end.is_none_or(|end| end > size) {
            return Err(AdminError::not_found(
                "tile",
                format!("{level}/{n}.p/{width}"),
            ));
        }
        self.evidence()
            .tile(log, level, n, width)
            .await
            .map_err(unavailable)
    }

    /// Leaves of a log in order, from index `first`, at most 1000.
    ///
    /// # Errors
    /// Needs the role auditor.
    pub async fn read_log(
        &self,
        zone: ZoneId,
        admin: &Admin,
        log: LogId,
        first: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Vec<u8>)>, AdminError> {
        self.find_log(zone, admin, log)?;
        self.evidence()
            .read(log, first, limit.clamp(1, 1000))
            .await
            .map_err(unavailable)
    }

    /// The tree over the leaves of a log that are not kept any more: whoever verifies the rest
    /// begins with it.
    ///
    /// # Errors
    /// Needs the role auditor.
    pub async fn get_pruned(
        &self,
        zone: ZoneId,
        admin: &Admin,
        log: LogId,
    ) -> Result<TreeState, AdminError> {
        self.find_log(zone, admin, log)?;
        self.evidence().pruned(log).await.map_err(unavailable)
    }

    /// Rises with every append to any log.
    pub fn tail(&self) -> watch::Receiver<u64> {
        self.evidence().tail()
    }

    /// The newest signed checkpoints of the logs of all zones, for a place outside.
    pub async fn checkpoints(&self) -> Vec<String> {
        let handles: Vec<_> = self.0.zones.pin().values().cloned().collect();
        let mut logs: Vec<LogId> = handles
            .iter()
            .flat_map(|handle| {
                handle
                    .view()
                    .zone
                    .value
                    .logs
                    .iter()
                    .map(|log| log.id)
                    .collect::<Vec<_>>()
            })
            .collect();
        logs.sort();
        let mut notes = Vec::with_capacity(logs.len());
        for log in logs {
            if let Ok(head) = self.evidence().head(log).await {
                notes.extend(head.checkpoint);
            }
        }
        notes
    }
}

fn parse(leaf: &[u8]) -> Result<Event, AdminError> {
    serde_json::from_slice(leaf).map_err(|e| damaged(format!("a leaf is not an event: {e}")))
}

fn unavailable(error: StoreError) -> AdminError {
    error.into()
}

fn damaged(why: String) -> AdminError {
    AdminError::Unavailable { why, done: false }
}
