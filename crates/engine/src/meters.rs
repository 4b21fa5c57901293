//! What the engine counts and measures. Handles are looked up once.

use std::sync::OnceLock;
use std::time::Duration;

use caracal_store::CommitError;
use metrics::{Counter, Gauge, Histogram};

use crate::RefusedAt;

const PROOFS: &str = "caracal_dpop_proofs_total";

/// The handles of what many requests touch.
pub(crate) struct Meters {
    /// Mandates that were verified before.
    pub(crate) cache_hits: Counter,
    /// Mandates whose signature had to be verified.
    pub(crate) cache_misses: Counter,
    /// Proofs that the Gateway accepted.
    proofs_at_gateway: Counter,
    /// One question to policy for a mandate.
    pub(crate) policy_mint: Histogram,
    /// One question to policy for a call.
    pub(crate) policy_call: Histogram,
    /// Questions to policy for mandates, sessions and delegations.
    pub(crate) policy_questions: Counter,
    /// Policies that could not be evaluated.
    pub(crate) policy_faults: Counter,
    /// How long evidence took to become durable, as those who waited saw it.
    ledger_wait: Histogram,
    ledger_waiting: Gauge,
    ledger_failures: Counter,
    /// Ends of calls that could not be recorded.
    pub(crate) lost_ends: Counter,
    revoke: Histogram,
    revocations: Counter,
    cut: Counter,
    /// Calls that policy was asked about again while they went on.
    pub(crate) decided_again: Counter,
    /// Those of them that it did not let go on.
    pub(crate) cut_by_policy: Counter,
}

/// The handles. The binary sets the recorder up before an engine starts.
pub(crate) fn meters() -> &'static Meters {
    static METERS: OnceLock<Meters> = OnceLock::new();
    METERS.get_or_init(|| Meters {
        cache_hits: metrics::counter!("caracal_mandate_cache_total", "result" => "hit"),
        cache_misses: metrics::counter!("caracal_mandate_cache_total", "result" => "miss"),
        proofs_at_gateway: metrics::counter!(PROOFS, "door" => "gateway", "result" => "accepted"),
        policy_mint: metrics::histogram!("caracal_policy_decision_seconds", "phase" => "mint"),
        policy_call: metrics::histogram!("caracal_policy_decision_seconds", "phase" => "call"),
        policy_questions: metrics::counter!("caracal_policy_questions_total"),
        policy_faults: metrics::counter!("caracal_policy_faults_total"),
        ledger_wait: metrics::histogram!("caracal_ledger_wait_seconds"),
        ledger_waiting: metrics::gauge!("caracal_ledger_appends_waiting"),
        ledger_failures: metrics::counter!("caracal_ledger_failures_total"),
        lost_ends: metrics::counter!("caracal_ledger_lost_ends_total"),
        revoke: metrics::histogram!("caracal_revocation_seconds"),
        revocations: metrics::counter!("caracal_revocations_total"),
        cut: metrics::counter!("caracal_calls_cut_total"),
        decided_again: metrics::counter!("caracal_calls_decided_again_total"),
        cut_by_policy: metrics::counter!("caracal_calls_cut_by_policy_total"),
    })
}

impl Meters {
    /// Notes that somebody waits for evidence, until the answer is dropped.
    pub(crate) fn waits_for_ledger(&'static self) -> Waiting {
        self.ledger_waiting.increment(1);
        Waiting(self)
    }

    /// Notes whether evidence became durable, and after how long.
    pub(crate) fn appended(&self, is_done: bool, took: Duration) {
        self.ledger_wait.record(took);
        if !is_done {
            self.ledger_failures.increment(1);
        }
    }

    /// Notes a revocation, when it was confirmed and what it cut.
    pub(crate) fn revoked(&self, took: Duration, cut: u64) {
        self.revocations.increment(1);
        self.revoke.record(took);
        self.cut.increment(cut);
    }
}

/// Somebody who waits for the ledger.
pub(crate) struct Waiting(&'static Meters);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.ledger_waiting.decrement(1);
    }
}

/// Notes what became of a proof of a key.
pub(crate) fn proof_checked(door: RefusedAt, result: &'static str) {
    if door == RefusedAt::Gateway && result == "accepted" {
        meters().proofs_at_gateway.increment(1);
    } else {
        metrics::counter!(PROOFS, "door" => door.as_str(), "result" => result).increment(1);
    }
}

/// Notes what became of a commit.
pub(crate) fn committed<T>(result: &Result<T, CommitError>) {
    let outcome = match result {
        Ok(_) => "made",
        Err(CommitError::Conflict { .. }) => "conflict",
        Err(_) => "failed",
    };
    metrics::counter!("caracal_state_commits_total", "outcome" => outcome).increment(1);
}
