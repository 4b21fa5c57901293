//! A hold that awaits a person.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    Anchor, ApplicationId, ApprovalId, BundleVersion, DelegationId, Name, ResourceIdentifier,
    Revision, ScopeSet, SealedSecret, SessionId, SubjectId,
};

/// Who decides about an approval; the later is the stricter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Approver {
    /// The user that the session works for.
    Subject,
    /// An operator with the role to approve.
    Operator,
}

impl Approver {
    /// The word in answers and policies.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Subject => "subject",
            Self::Operator => "operator",
        }
    }
}

/// Where an approval stands. Only a pending one can be decided, and only an approved one used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ApprovalStatus {
    /// Nobody has decided.
    Pending,
    /// A person said yes; it can be used once.
    Approved,
    /// A person said no.
    Rejected,
    /// Its time ended before it was used.
    Expired,
    /// It was used.
    Consumed,
}

impl ApprovalStatus {
    /// The word in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Consumed => "consumed",
        }
    }
}

/// What is asked for, as far as the log may know it. All of it is in the sealed rendering.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalSubject {
    /// A mandate: it covers every call under these scopes until the approval ends.
    Mandate {
        /// The resources.
        resources: Vec<ResourceIdentifier>,
        /// The scopes.
        scopes: ScopeSet,
    },
    /// One call, exactly as it was sent.
    Call {
        /// The resource.
        resource: ResourceIdentifier,
        /// The scope that the call needs.
        scope: ScopeSet,
        /// The HTTP method.
        method: String,
        /// The template of the rule that matched.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        path: Option<String>,
    },
}

/// A request that policy holds for a person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Approval {
    /// The id.
    pub id: ApprovalId,
    /// The keyed digest of everything that is asked for and of who asks, in hex.
    pub digest: String,
    /// Who asks.
    pub application: ApplicationId,
    /// The session that asks; none for a mandate that brings its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// The user that it is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<SubjectId>,
    /// The delegations of the path, root first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub delegations: Vec<DelegationId>,
    /// Whatever ends one of these ends the approval.
    pub anchors: Vec<Anchor>,
    /// The operators that opened sessions on the path, who may not decide.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub opened_by: Vec<String>,
    /// What is asked for.
    pub asked: ApprovalSubject,
    /// What the approver sees, sealed.
    pub shown: SealedSecret,
    /// Who decides.
    pub by: Approver,
    /// The policies that hold it.
    pub policies: Vec<Name>,
    /// The bundle that was asked.
    pub policy_version: Option<BundleVersion>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// Until when it can be decided; once approved, until when it can be used.
    pub expires_at: Timestamp,
    /// The revision that it was asked for on.
    pub decided_on: Revision,
    /// Where it stands.
    pub status: ApprovalStatus,
    /// Who decided: an operator's or a subject's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<String>,
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_at: Option<Timestamp>,
    /// Why, in the approver's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Approval {
    /// How long one waits for a person, and then for its use, in seconds.
    pub const SECONDS: i64 = 600;

    /// Where it stands now: what was not used in its time has expired.
    pub fn status_at(&self, now: Timestamp) -> ApprovalStatus {
        match self.status {
            ApprovalStatus::Pending | ApprovalStatus::Approved if now >= self.expires_at => {
                ApprovalStatus::Expired
            }
            status => status,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stricter_approver_is_the_later() {
        assert!(Approver::Operator > Approver::Subject);
        assert_eq!(serde_json::to_value(Approver::Subject).unwrap(), "subject");
    }
}
