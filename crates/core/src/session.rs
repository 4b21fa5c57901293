//! One governed run of work.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{ApplicationId, Authority, Confirmation, Label, Revision, SessionId, SubjectId};

/// Whether a session may be used. One that was closed or has expired has no document any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SessionStatus {
    /// It may.
    #[default]
    Active,
    /// Not until it is resumed.
    Suspended,
}

impl SessionStatus {
    /// The status in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
        }
    }
}

/// Who suspended a session: what an operator suspends, no workload resumes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SuspendedBy {
    /// An operator.
    Operator,
    /// Its application, or a session above it.
    Workload,
}

impl SuspendedBy {
    /// The word in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Workload => "workload",
        }
    }
}

/// One governed run of work of an application.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// The id.
    pub id: SessionId,
    /// The application that runs.
    pub application: ApplicationId,
    /// The session that it is a part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<SessionId>,
    /// How many sessions are above it.
    #[serde(default)]
    pub depth: u32,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When it ends by itself; never after its parent.
    pub expires_at: Timestamp,
    /// The revision that its opening was decided on.
    pub decided_on: Revision,
    /// What it says about itself, among what its application is registered for; a child has
    /// its parent's too.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub labels: BTreeSet<Label>,
    /// The user that it works for; a child's is its parent's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<SubjectId>,
    /// What it may do at most; none: what its parent may, or what policy allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authority: Option<Authority>,
    /// After how many seconds without a heartbeat it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heartbeat_seconds: Option<u32>,
    /// How many calls it and everything below it may make.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls: Option<u64>,
    /// Counts its holders; a new one fences the one before.
    pub generation: u64,
    /// A revision before the last change of holder, for mandates that do not say their
    /// generation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fenced: Option<Revision>,
    /// Whether it may be used.
    #[serde(default)]
    pub status: SessionStatus,
    /// Who suspended it. None although it is suspended: it is not known, so an operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspended_by: Option<SuspendedBy>,
    /// The key that alone may act under it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cnf: Option<Confirmation>,
    /// The operator that opened it, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
}

impl Session {
    /// True when it is in its time.
    pub fn is_alive(&self, now: Timestamp) -> bool {
        now < self.expires_at
    }
}
