//! A refused call.

use caracal_core::{ApprovalId, RefusalCode};
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
}

impl Refusal {
    /// A refusal without a hint.
    pub fn new(code: RefusalCode, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            hint: None,
            approval: None,
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
