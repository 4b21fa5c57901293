//! Refusals that leave no event of their own.
//!
//! Whoever has not proved who they are must not be able to fill the ledger, and neither must
//! whoever is told to come back later. Such refusals are counted, and each minute one event per
//! zone says how many there were.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use caracal_core::{ApplicationId, Decision, EventType, ZoneId};
use jiff::Timestamp;

use crate::Engine;

/// How often they are summarized.
const EVERY: Duration = Duration::from_secs(60);

/// Where somebody was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RefusedAt {
    /// The STS.
    Sts,
    /// The Gateway.
    Gateway,
    /// The control API.
    Console,
    /// A service that verifies mandates itself, and asked about one.
    Service,
}

impl RefusedAt {
    /// The door's name in counts and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sts => "sts",
            Self::Gateway => "gateway",
            Self::Console => "console",
            Self::Service => "service",
        }
    }
}

/// Where, with which code, and how often.
type Counted = (RefusedAt, &'static str, u64);

/// What was refused since the last summary. It has at most as many entries as there are zones
/// times codes.
#[derive(Default)]
pub(crate) struct RefusalCounts {
    counts: papaya::HashMap<(ZoneId, RefusedAt, &'static str), AtomicU64>,
    /// When the last summary was made, in milliseconds since the epoch; 0: at the start.
    since: AtomicI64,
    turn: tokio::sync::Mutex<()>,
}

impl RefusalCounts {
    fn add(&self, zone: ZoneId, at: RefusedAt, code: &'static str, count: u64) {
        let counts = self.counts.pin();
        let held = counts.get_or_insert_with((zone, at, code), || AtomicU64::new(0));
        held.fetch_add(count, Ordering::Relaxed);
    }

    /// What was counted since the last time.
    fn take(&self) -> BTreeMap<ZoneId, Vec<Counted>> {
        let mut zones: BTreeMap<ZoneId, Vec<Counted>> = BTreeMap::new();
        for ((zone, at, code), count) in self.counts.pin().iter() {
            let count = count.swap(0, Ordering::Relaxed);
            if count > 0 {
                zones.entry(*zone).or_default().push((*at, *code, count));
            }
        }
        zones
    }
}

impl Engine {
    /// Counts a refusal that gets no event of its own. Without a zone, or with one that does not
    /// exist, it counts for the instance. `code` is what the client was told.
    pub fn count_refusal(&self, zone: Option<ZoneId>, at: RefusedAt, code: &'static str) {
        let zone = zone.filter(|zone| self.0.zones.pin().contains_key(zone));
        let zone = zone.unwrap_or(ZoneId::INSTANCE);
        self.0.refusals.add(zone, at, code, 1);
    }

    /// The zone of an application, if there is one with this id.
    pub fn find_zone_of_application(&self, client_id: &str) -> Option<ZoneId> {
        let id: ApplicationId = client_id.parse().ok()?;
        self.0.applications.pin().get(&id).copied()
    }

    /// Writes what was counted since the last time, one event per zone. The engine does it each
    /// minute and when it is closed. What cannot be written is counted again.
    pub async fn summarize_refusals(&self) {
        let refusals = &self.0.refusals;
        let _turn = refusals.turn.lock().await;
        let now = self.now();
        let since = refusals.since.swap(now.as_millisecond(), Ordering::Relaxed);
        let mut first_unwritten = None;
        for (zone, counts) in refusals.take() {
            if let Err(why) = self.summarize(zone, &counts, since).await {
                tracing::warn!(%zone, why, "refusals could not be summarized; they are counted again");
                for (at, code, count) in counts {
                    refusals.add(zone, at, code, count);
                }
                first_unwritten = Some(since);
            }
        }
        if let Some(since) = first_unwritten {
            refusals.since.store(since, Ordering::Relaxed);
        }
    }

    async fn summarize(&self, zone: ZoneId, counts: &[Counted], since: i64) -> Result<(), String> {
        let handle = self.zone_handle(zone).ok_or("there is no such zone")?;
        let total: u64 = counts.iter().map(|(.., count)| count).sum();
        let counts = counts
            .iter()
            .map(|(at, code, count)| (format!("{}.{code}", at.as_str()), *count));
        let request_id = self.new_request_id();
        let mut event = self.event(zone, EventType::RefusalsSummarized, &request_id);
        event.decision = Some(Decision::Deny);
        event.since = Timestamp::from_millisecond(since).ok();
        event.reason = Some(format!("{total} requests refused without an event each"));
        event.counts = Some(counts.collect());
        self.record(&handle, &event)
            .await
            .map(|_| ())
            .map_err(|error| error.to_string())
    }

    /// Summarizes until the engine closes.
    pub(crate) fn spawn_summaries(&self) {
        let started = self.now().as_millisecond();
        self.0.refusals.since.store(started, Ordering::Relaxed);
        let engine = self.clone();
        self.spawn(async move {
            while engine.pause(EVERY).await {
                engine.summarize_refusals().await;
            }
        });
    }
}
