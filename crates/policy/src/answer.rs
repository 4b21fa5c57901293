//! What policy answers.

use caracal_core::Name;

use crate::ApprovalBy;

/// Why it may not happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DenyReason {
    /// No policy permits it.
    NoPermit,
    /// A policy forbids it.
    Forbidden,
    /// A policy could not be evaluated.
    Fault,
}

impl DenyReason {
    /// The reason in events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoPermit => "no_permit",
            Self::Forbidden => "forbidden",
            Self::Fault => "policy_fault",
        }
    }
}

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// It may happen.
    Allow,
    /// It may not.
    Deny(DenyReason),
    /// A person decides; who, is in [`Obligations::approval`].
    Hold,
}

/// A policy that could not be evaluated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyFault {
    /// The policy.
    pub policy: Name,
    /// What went wrong.
    pub message: String,
}

/// What comes with an answer; of several matching policies the strictest applies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Obligations {
    /// The longest that the mandate may live, in seconds.
    pub ttl_seconds: Option<u32>,
    /// The rate that holds for the application, as `@rate` spells it; see [`crate::Rate`].
    pub rate: Option<String>,
    /// Who must decide, or, when the question carried an approval that the answer
    /// depends on, who must have given it.
    pub approval: Option<ApprovalBy>,
}

/// The answer to one question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// What was decided.
    pub effect: Effect,
    /// The policies that decided, in order: the permits of an allow, the forbids of a deny,
    /// what holds a hold, the faulty ones of a fault.
    pub determining: Vec<Name>,
    /// The policies that can only be evaluated with the request, in order.
    pub deferred: Vec<Name>,
    /// The policies that could not be evaluated.
    pub errors: Vec<PolicyFault>,
    /// What comes with it.
    pub obligations: Obligations,
}

impl Answer {
    /// True for [`Effect::Allow`].
    pub fn is_allowed(&self) -> bool {
        self.effect == Effect::Allow
    }
}
