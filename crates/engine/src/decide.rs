//! What policy said, gathered over several questions.

use std::collections::BTreeSet;

use caracal_core::Name;
use caracal_policy::{Answer, DenyReason};

use crate::meters::meters;

/// The determining policies and the strictest obligations of the questions of one decision.
#[derive(Default)]
pub(crate) struct Asked {
    determining: BTreeSet<Name>,
    faulty: BTreeSet<Name>,
    pub(crate) ttl_seconds: Option<u32>,
}

impl Asked {
    pub(crate) fn add(&mut self, answer: Answer) {
        for fault in &answer.errors {
            meters().policy_faults.increment(1);
            self.faulty.insert(fault.policy.clone());
            self.determining.insert(fault.policy.clone());
        }
        self.determining.extend(answer.determining);
        self.determining.extend(answer.deferred);
        self.ttl_seconds = shorter(self.ttl_seconds, answer.obligations.ttl_seconds);
    }

    /// Logs the policies that could not be evaluated. What went wrong in them may quote the
    /// request, and is for `explain`, not for the log.
    pub(crate) fn tell_faults(&self, request_id: &str) {
        for policy in &self.faulty {
            tracing::warn!(request_id, %policy, "a policy failed; the request is denied");
        }
    }

    /// Adds everything that was gathered elsewhere.
    pub(crate) fn merge(&mut self, other: Self) {
        self.determining.extend(other.determining);
        self.ttl_seconds = shorter(self.ttl_seconds, other.ttl_seconds);
    }

    pub(crate) fn determining(&self) -> Vec<Name> {
        self.determining.iter().cloned().collect()
    }
}

fn shorter(a: Option<u32>, b: Option<u32>) -> Option<u32> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// The words for a denial.
pub(crate) fn reason_text(reason: DenyReason) -> &'static str {
    match reason {
        DenyReason::NoPermit => "no policy permits",
        DenyReason::Forbidden => "a policy forbids",
        DenyReason::Fault => "a policy failed",
    }
}
