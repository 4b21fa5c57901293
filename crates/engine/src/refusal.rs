//! A refused call.

use caracal_core::{ApprovalId, Event, EventId, Name, RefusalCode, ScopeSet};
use thiserror::Error;

/// Why a call is refused, and what the caller can do about it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{detail}")]
pub struct Refusal {
    /// The code on the wire.
    pub code: RefusalCode,
    /// What is wrong, in words that tell the caller nothing about others.
    pub detail: String,
    /// The next step.
    pub hint: Option<String>,
    /// What a person decides about, with `approval_required`.
    pub approval: Option<ApprovalId>,
    /// What stands in the ledger about it; none: it is only counted.
    pub evidence: Option<Box<DecisionEvidence>>,
}

/// What stands in the ledger about a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecisionEvidence {
    /// The event.
    pub id: EventId,
    /// The determining policies.
    pub policies: Vec<Name>,
    /// The scope that the operation needs, once that is known.
    pub scopes: ScopeSet,
}

impl DecisionEvidence {
    pub(crate) fn of(event: &Event) -> Self {
        Self {
            id: event.id,
            policies: event.policies.clone().unwrap_or_default(),
            scopes: event.scopes.clone().unwrap_or_default(),
        }
    }
}

impl Refusal {
    /// A refusal without a hint.
    pub fn new(code: RefusalCode, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            hint: None,
            approval: None,
            evidence: None,
        }
    }

    /// True for what says nothing about the mandate: the client tries again, and there is no
    /// event of it.
    pub fn is_passing(&self) -> bool {
        matches!(
            self.code,
            RefusalCode::UseDpopNonce | RefusalCode::RateLimited | RefusalCode::Overloaded
        )
    }

    /// Adds the next step.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}
