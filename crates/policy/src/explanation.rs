//! Why policy answers as it does.

use caracal_core::Name;

use crate::Answer;

/// How one statement stands to a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// It matches and permits.
    Permits,
    /// It matches and forbids.
    Forbids,
    /// Its head matches, a condition does not hold.
    ConditionNotMet,
    /// It could not be evaluated, for this reason.
    Fault(String),
    /// It needs the request, which is not known at mint.
    Deferred,
}

/// One statement of the slice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementStatus {
    /// The policy that the statement belongs to.
    pub policy: Name,
    /// The line where the statement begins in the policy's text, from 1.
    pub line: usize,
    /// How it stands.
    pub status: Status,
}

/// The one part of a head that does not match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum HeadPart {
    /// The policy is for another application or session.
    Principal,
    /// The policy is for other actions.
    Action,
    /// The policy is for another resource.
    Resource,
}

/// A statement outside of the slice of which one head part differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NearMiss {
    /// The policy that the statement belongs to.
    pub policy: Name,
    /// The line where the statement begins in the policy's text, from 1.
    pub line: usize,
    /// True when it forbids, false when it permits.
    pub forbids: bool,
    /// The part that differs.
    pub part: HeadPart,
    /// What the statement names there, as policies spell it.
    pub wanted: String,
}

/// The answer with its reasons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The answer.
    pub answer: Answer,
    /// Every statement whose head matches, in the order of the policies.
    pub statements: Vec<StatementStatus>,
    /// At most [`Explanation::MAX_NEAR_MISSES`] statements that nearly match, permits first.
    pub near_misses: Vec<NearMiss>,
}

impl Explanation {
    /// How many near misses are listed at most.
    pub const MAX_NEAR_MISSES: usize = 20;
}
