//! Narrower authority from one session to another.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{ApplicationId, Authority, DelegationId, Revision, SessionId};

/// Whether a delegation can be used. One that was ended has no document any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DelegationStatus {
    /// Nobody has accepted it.
    Offered,
    /// Its receiver may use it.
    Active,
}

impl DelegationStatus {
    /// The status in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Offered => "offered",
            Self::Active => "active",
        }
    }
}

/// Whom a delegation is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Receiver {
    /// One session.
    Session(SessionId),
    /// Whichever session of an application accepts it first.
    Application(ApplicationId),
}

/// A slice of a session's authority that another session may use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Delegation {
    /// The id.
    pub id: DelegationId,
    /// The session that lends.
    pub from: SessionId,
    /// The application of that session.
    pub from_application: ApplicationId,
    /// The delegation that the lender has the authority by; none: by its own root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<DelegationId>,
    /// Whom it is for.
    pub to: Receiver,
    /// The application that it is for.
    pub to_application: ApplicationId,
    /// The session that may use it, once it is accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receiver: Option<SessionId>,
    /// What it lends.
    pub authority: Authority,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Timestamp,
    /// The revision that it was decided on.
    pub decided_on: Revision,
    /// How many delegations its path has, with it: 1 for one by a session's own root.
    pub depth: u32,
    /// How many delegations may follow it on a path.
    pub max_depth: u32,
    /// How many calls may be made by it and everything below it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls: Option<u64>,
    /// Whether it can be used.
    pub status: DelegationStatus,
}
