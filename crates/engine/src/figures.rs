//! How much there is of everything, for monitoring.

use std::sync::atomic::Ordering;
use std::time::Duration;

use caracal_core::ZoneId;
use jiff::Timestamp;

use crate::Engine;

/// How much there is, of all zones together. Counting costs a little per zone and nothing per
/// object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the number of what its name says")]
pub struct Figures {
    /// True when state can be read and evidence can be written.
    pub is_ready: bool,
    pub zones: usize,
    /// Zones whose stored state could not be followed: everything in them is denied.
    pub stuck_zones: usize,
    pub applications: usize,
    pub resources: usize,
    pub providers: usize,
    /// Sessions that are alive, or that have just ended.
    pub sessions: usize,
    /// Delegations that are offered or in use, or that have just ended.
    pub delegations: usize,
    /// Active and lifted revocations that are still remembered.
    pub revocations: usize,
    pub api_tokens: usize,
    /// How often policy was asked for mandates, sessions and delegations since the start.
    pub policy_questions: u64,
    /// Sessions whose last heartbeat is remembered.
    pub heartbeats: usize,
    /// Budgets of which this process may give out a part.
    pub purses: usize,
    /// Calls that are going on.
    pub live_calls: usize,
    /// Mandates in the cache of verified ones.
    pub cached_mandates: u64,
    /// The age of the oldest key that signs mandates.
    pub oldest_signing_key: Duration,
    /// Events in the ledger, of all logs.
    pub leaves: u64,
    /// Events that searches do not find yet.
    pub projection_lag: u64,
}

impl Engine {
    /// How much there is of everything.
    pub fn figures(&self) -> Figures {
        let now = self.now();
        let mut figures = Figures {
            is_ready: self.is_ready(),
            policy_questions: self.0.questions.load(Ordering::Relaxed),
            cached_mandates: self.0.verified.entry_count(),
            ..Figures::default()
        };
        for (zone, handle) in &self.0.zones.pin() {
            let view = handle.view();
            figures.stuck_zones += usize::from(handle.is_stuck());
            figures.api_tokens += view.tokens.len();
            if *zone == ZoneId::INSTANCE {
                continue;
            }
            figures.zones += 1;
            figures.applications += view.applications.len();
            figures.resources += view.resources.len();
            figures.providers += view.providers.len();
            figures.sessions += view.sessions.len();
            figures.delegations += view.delegations.len();
            figures.revocations += view.revocations.len();
            figures.heartbeats += handle.leases.len();
            figures.purses += handle.purses.len();
            figures.live_calls += handle.live.len();
            let signing = view
                .zone
                .value
                .mandate_keys
                .iter()
                .find(|key| key.signs_from <= now)
                .map_or(Duration::ZERO, |key| since(key.created_at, now));
            figures.oldest_signing_key = figures.oldest_signing_key.max(signing);
        }
        let evidence = self.evidence().figures();
        figures.leaves = evidence.tail;
        figures.projection_lag = evidence.tail.saturating_sub(evidence.projected);
        figures
    }
}

fn since(then: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(then)).unwrap_or_default()
}
