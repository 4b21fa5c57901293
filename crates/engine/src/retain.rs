//! Keeping what has to be kept, and no more: events beyond their zone's retention, and commits
//! whose events are evidence by now.
//!
//! Leaves go only after an event of their own log has said so, a few at a time, and never the
//! newest. A log that was left behind, since it was damaged, stays as it is.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use caracal_core::{Event, EventType, LogKey, PrunedRange, Retention, Revision, Role, ZoneId};
use caracal_store::{EvidenceFigures, Query, StoreError};
use jiff::Timestamp;

use crate::{Admin, AdminError, Engine};

/// How often zones are looked at.
const PAUSE: Duration = Duration::from_secs(60);
/// Between two batches, so that those who write and sync wait little.
const SPACING: Duration = Duration::from_millis(20);
/// The most leaves that one event announces.
const MOST: u64 = 64 * 1024;
/// The most leaves of a zone that go before it is another zone's turn.
const TURN: u64 = 1024;
/// With fewer the announcement waits, at most a day: it is an event itself.
const FEW: u64 = 256;
const DAY_SECONDS: i64 = 24 * 60 * 60;
/// The newest commits of a zone that stay, whatever their age.
const KEPT_COMMITS: u64 = 4096;
/// How many commits are forgotten in one transaction.
const COMMIT_BATCH: usize = 1000;

impl Engine {
    /// Looks at every zone each minute until the engine closes.
    pub(crate) fn spawn_retainer(&self) {
        let engine = self.clone();
        self.spawn(async move {
            let mut recorded = HashMap::new();
            let round = async {
                loop {
                    engine.retain_all(&mut recorded).await;
                    tokio::time::sleep(PAUSE).await;
                }
            };
            engine.while_open(round).await;
        });
    }

    /// `recorded` holds how far the logs had come a round ago.
    async fn retain_all(&self, recorded: &mut HashMap<ZoneId, Revision>) {
        let mut zones: Vec<ZoneId> = self.0.zones.pin().keys().copied().collect();
        zones.sort_unstable();
        let mut now = HashMap::with_capacity(zones.len());
        for &zone in &zones {
            let Some(handle) = self.zone_handle(zone) else {
                continue;
            };
            if let Some(before) = recorded.get(&zone) {
                let below = Revision(before.0.saturating_sub(KEPT_COMMITS));
                if let Err(error) = self.forget_commits(zone, below).await {
                    tracing::warn!(%zone, %error, "old commits cannot be forgotten");
                }
            }
            now.insert(zone, handle.recorded());
        }
        *recorded = now;
        // In turns, so that a zone with much to let go does not hold up the others.
        let mut turns = VecDeque::from(zones);
        while let Some(zone) = turns.pop_front() {
            match self.prune_some(zone).await {
                Ok(0) => {}
                Ok(_) => turns.push_back(zone),
                // What was announced is looked up in the index: without it everything stays.
                Err(AdminError::IndexBehind { .. }) => {}
                Err(error) => {
                    metrics::counter!("caracal_engine_prune_failures_total").increment(1);
                    tracing::error!(%zone, %error, "old events cannot be let go");
                }
            }
        }
    }

    /// Forgets a zone's commits below a revision. Their events are in its log.
    async fn forget_commits(&self, zone: ZoneId, below: Revision) -> Result<(), StoreError> {
        while self
            .state()
            .forget_commits(zone, below, COMMIT_BATCH)
            .await?
            == COMMIT_BATCH
        {
            tokio::time::sleep(SPACING).await;
        }
        Ok(())
    }

    /// Lets go of the events of a zone that are older than it keeps them, and answers how many
    /// there were. The engine does it by itself, each minute.
    ///
    /// # Errors
    /// When the leaves are not what was signed, which `audit verify` then names, or when they
    /// cannot be read or written. Nothing more is let go.
    pub async fn prune_zone(&self, zone: ZoneId) -> Result<u64, AdminError> {
        let mut count = 0;
        loop {
            match self.prune_some(zone).await? {
                0 => return Ok(count),
                gone => count += gone,
            }
        }
    }

    /// A zone's turn: a part of what can go. 0 when there is no more.
    async fn prune_some(&self, zone: ZoneId) -> Result<u64, AdminError> {
        let Some(handle) = self.zone_handle(zone) else {
            return Ok(0);
        };
        let view = handle.view();
        let (Some(retention), Some(log)) = (view.zone.value.retention, view.log()) else {
            return Ok(0);
        };
        let now = self.now();
        let before = retention.cutoff(now);
        let find = |limit| self.evidence().find_prunable(log.id, before, limit);
        let Some(mut found) = find(TURN).await? else {
            return Ok(0);
        };
        let mut announced = self.announced(zone, log).await?;
        if announced <= found.start {
            // As many as one event announces.
            found = find(MOST).await?.unwrap_or(found);
            let waited = now.duration_since(found.oldest).as_secs();
            let is_due = waited > (i64::from(retention.events_days) + 1) * DAY_SECONDS;
            if found.below - found.start < FEW && (found.is_idle || !is_due) {
                return Ok(0);
            }
            let range = PrunedRange {
                before,
                below: found.below,
                days: retention.events_days,
            };
            self.announce(&handle, log, now, range).await?;
            announced = found.below;
        }
        let below = announced.min(found.below);
        let (mut start, end) = (found.start, below.min(found.start + TURN));
        while start < end && !self.0.closing.is_cancelled() {
            let next = self.evidence().prune(log.id, end, &log.verifier).await?;
            metrics::counter!("caracal_engine_pruned_events_total")
                .increment(next.saturating_sub(start));
            start = next.max(start);
            tokio::time::sleep(SPACING).await;
        }
        Ok(start - found.start)
    }

    async fn announce(
        &self,
        handle: &crate::zone_handle::ZoneHandle,
        log: &LogKey,
        now: Timestamp,
        range: PrunedRange,
    ) -> Result<(), AdminError> {
        let mut event = self.event(handle.id, EventType::LogPruned, &self.new_request_id());
        event.time = now;
        event.target = Some(log.id.to_string());
        let kept = Retention {
            events_days: range.days,
        };
        event.reason = Some(in_words(Some(kept)));
        event.pruned = Some(range);
        // Also in the reserve of the disk: it makes room.
        let receipt = self.record_always(handle, event).await;
        let receipt = receipt.map_err(|error| AdminError::Unavailable {
            why: error.to_string(),
            done: false,
        })?;
        // Only an event of the same log, behind the leaves, lets them go.
        if receipt.log != log.id || receipt.index < range.below {
            let why = "the zone writes to another log by now".to_owned();
            return Err(AdminError::Unavailable { why, done: false });
        }
        Ok(())
    }

    /// Up to which index the newest announcement of a log lets leaves go.
    async fn announced(&self, zone: ZoneId, log: &LogKey) -> Result<u64, AdminError> {
        let mut query = Query {
            zone: Some(zone),
            event_type: Some(EventType::LogPruned.as_str().to_owned()),
            limit: 1,
            ..Query::default()
        };
        let mut found = None;
        // A page may be empty and yet not the last.
        while found.is_none() {
            let page = self.evidence().search(query.clone()).await?;
            found = page.leaves.into_iter().next();
            match page.next {
                Some(next) => query.cursor = Some(next),
                None => break,
            }
        }
        let event = found.and_then(|(_, leaf)| serde_json::from_slice::<Event>(&leaf).ok());
        let range = event
            .filter(|event| event.log == Some(log.id))
            .and_then(|event| event.pruned);
        Ok(range.map_or(0, |range| range.below))
    }

    /// Makes what people search anew from the ledger, in the background.
    ///
    /// # Errors
    /// Needs the role admin for all zones.
    pub async fn rebuild_index(&self, admin: &Admin) -> Result<EvidenceFigures, AdminError> {
        admin.operator.require_instance(Role::Admin)?;
        if !admin.dry_run {
            if let Some(handle) = self.zone_handle(ZoneId::INSTANCE) {
                let event = self.admin_event(handle.id, admin, EventType::IndexRebuilt);
                let recorded = self.record_always(&handle, event).await;
                recorded.map_err(|error| AdminError::Unavailable {
                    why: error.to_string(),
                    done: false,
                })?;
            }
            self.evidence().rebuild_index().await?;
        }
        Ok(self.evidence().figures())
    }

    /// How far what people search has come.
    pub fn index_progress(&self) -> EvidenceFigures {
        self.evidence().figures()
    }
}

/// A retention in words.
pub(crate) fn in_words(retention: Option<Retention>) -> String {
    match retention {
        None => "events are kept for ever".to_owned(),
        Some(Retention { events_days: 1 }) => "events are kept for 1 day".to_owned(),
        Some(Retention { events_days }) => format!("events are kept for {events_days} days"),
    }
}
