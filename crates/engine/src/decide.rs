//! What policy said, gathered over several questions.

use std::collections::BTreeSet;

use caracal_core::{ApprovalId, Enforcement, Name, ResourceIdentifier};
use caracal_policy::{
    Actor, Answer, CompiledPolicy, DelegationView, DenyReason, Effect, Phase, Question, RequestView,
};
use jiff::Timestamp;

use crate::meters::meters;
use crate::path::{AuthorityPath, Link, Stretch};

/// A question about a whole path.
pub(crate) struct PathQuestion<'q> {
    pub(crate) phase: Phase,
    /// A scope, or `caracal:lend`.
    pub(crate) action: &'q str,
    pub(crate) resource: &'q ResourceIdentifier,
    pub(crate) now: Timestamp,
    pub(crate) enforcement: Enforcement,
    pub(crate) request: Option<RequestView<'q>>,
    pub(crate) approval: Option<ApprovalId>,
    /// Who is to act, where it is not the last on the path.
    pub(crate) actor: Option<Actor<'q>>,
}

/// Asks for a path: permits as its root, forbids as everyone on it.
pub(crate) fn ask_path(
    policy: &CompiledPolicy,
    path: &AuthorityPath,
    question: &PathQuestion<'_>,
) -> Answer {
    ask_stretch(policy, path.whole(), question).0
}

/// The same for a part of a path; with how many questions it took.
pub(crate) fn ask_stretch(
    policy: &CompiledPolicy,
    path: Stretch<'_>,
    question: &PathQuestion<'_>,
) -> (Answer, u64) {
    let mut asked = 1;
    let mut answer = policy.ask(&question.about(path, path.root()));
    if matches!(answer.effect, Effect::Deny(_)) {
        return (answer, asked);
    }
    let mut on_path = policy.forbids_on_path();
    for link in path.below() {
        asked += 1;
        let forbids = on_path.ask(&question.about(path, link));
        match forbids.effect {
            Effect::Deny(_) => return (forbids, asked),
            Effect::Hold => answer.effect = Effect::Hold,
            Effect::Allow => {}
        }
        answer.determining.extend(forbids.determining);
        answer.deferred.extend(forbids.deferred);
        let approval = &mut answer.obligations.approval;
        *approval = (*approval).max(forbids.obligations.approval);
    }
    (answer, asked)
}

impl<'q> PathQuestion<'q> {
    fn about<'a>(&self, path: Stretch<'a>, link: &'a Link) -> Question<'a>
    where
        'q: 'a,
    {
        let last = path.last();
        let acts = self.actor.or_else(|| {
            (!path.below().is_empty()).then(|| Actor {
                application: &last.application.value.name,
                labels: last.labels(),
            })
        });
        let delegation = path.last_delegation().map(|held| DelegationView {
            id: held.id,
            depth: held.depth,
        });
        Question {
            phase: self.phase,
            application: &link.application.value.name,
            session: link.session,
            labels: link.labels(),
            depth: link.depth(),
            subject: link.subject(),
            action: self.action,
            resource: self.resource,
            now: self.now,
            actor: acts,
            delegation,
            approval: self.approval,
            enforcement: self.enforcement,
            request: self.request,
        }
    }
}

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
