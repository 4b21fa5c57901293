//! How many calls may be made, over a whole tree.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{ApplicationId, DelegationId, SessionId};

/// What a budget is for; it counts the calls of everything below.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BudgetAnchor {
    /// An application.
    Application(ApplicationId),
    /// A session.
    Session(SessionId),
    /// A delegation.
    Delegation(DelegationId),
}

impl BudgetAnchor {
    /// The UUID of what it is for.
    pub const fn uuid(&self) -> Uuid {
        match self {
            Self::Application(id) => id.uuid(),
            Self::Session(id) => id.uuid(),
            Self::Delegation(id) => id.uuid(),
        }
    }
}

impl fmt::Display for BudgetAnchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Application(id) => id.fmt(f),
            Self::Session(id) => id.fmt(f),
            Self::Delegation(id) => id.fmt(f),
        }
    }
}

/// How much of a budget nodes have taken to give out. What a node has taken and not given out
/// when it dies is lost, so that a budget is never exceeded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// What it is for.
    pub anchor: BudgetAnchor,
    /// How many calls nodes have taken.
    pub taken: u64,
}
