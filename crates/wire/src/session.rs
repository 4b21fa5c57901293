//! Sessions and delegations, as workloads and operators see them.

mod of_core;

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Scopes on one resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GrantBody {
    /// The resource, such as `resource://openai`.
    pub resource: String,
    /// The scopes.
    pub scopes: Vec<String>,
}

/// How much may be used, over a whole tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BudgetBody {
    /// How many calls.
    pub calls: u64,
}

/// The key that a session is bound to (RFC 7800, RFC 9449).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfirmationBody {
    /// The SHA-256 thumbprint of the public key (RFC 7638), in base64url.
    pub jkt: String,
}

/// A wanted session.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionBody {
    /// Labels that the application is registered for.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub labels: BTreeSet<String>,
    /// The wanted life in seconds; an hour if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_seconds: Option<u32>,
    /// After how many seconds without a heartbeat it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heartbeat_seconds: Option<u32>,
    /// The session that it is a part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_id: Option<String>,
    /// What it may do at most; all that its parent may if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authority: Option<Vec<GrantBody>>,
    /// The ID token of the user that it works for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject_token: Option<String>,
    /// The key that alone acts under it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cnf: Option<ConfirmationBody>,
    /// What it and everything below it may use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<BudgetBody>,
}

/// A session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SessionView {
    /// The id.
    pub id: String,
    /// The zone.
    pub zone: String,
    /// The application that runs.
    pub application: String,
    /// The session that it is a part of.
    pub parent_id: Option<String>,
    /// Its labels, with those of its parent.
    pub labels: BTreeSet<String>,
    /// The user that it works for.
    pub subject: Option<String>,
    /// `active` or `suspended`.
    pub status: String,
    /// `operator` or `workload`, while it is suspended: what an operator suspended, only operators
    /// resume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspended_by: Option<String>,
    /// How many sessions are above it.
    pub depth: u32,
    /// Counts its holders.
    pub generation: u64,
    /// When it was opened.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it ends by itself.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
    /// What it may do at most; null: all that its parent may, or what policy allows.
    pub authority: Option<Vec<GrantBody>>,
    /// After how many seconds without a heartbeat it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heartbeat_seconds: Option<u32>,
    /// What it and everything below it may use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<BudgetBody>,
    /// The key that alone acts under it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cnf: Option<ConfirmationBody>,
    /// The operator that opened it, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
    /// What its holder proves itself with at the STS; only in the answer to its opening.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_mandate: Option<String>,
    /// How long that lives, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_mandate_expires_in: Option<u32>,
}

/// A heartbeat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HeartbeatBody {
    /// The holder's generation; the next one takes the session over and fences the holder before.
    pub generation: u64,
}

/// What a session may effectively do by one of its paths.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SessionPathView {
    /// The delegation that the path ends with; absent for the session's own root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delegation: Option<String>,
    /// The sessions on the path, root first.
    pub sessions: Vec<String>,
    /// The delegations on the path, root first.
    pub delegations: Vec<String>,
    /// What it may do by this path, now or once a person approves.
    pub authority: Vec<GrantBody>,
}

/// What a session may effectively do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SessionAuthorityView {
    /// By each of its paths; a mandate is issued by one.
    pub paths: Vec<SessionPathView>,
}

/// A wanted delegation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DelegationBody {
    /// The session that lends.
    pub from_session: String,
    /// The session that it is for…
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_session: Option<String>,
    /// …or the application whose first session to accept it gets it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_application: Option<String>,
    /// The delegation that the lender has it by, where several would do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<String>,
    /// What is lent.
    pub authority: Vec<GrantBody>,
    /// The wanted life in seconds; an hour if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_seconds: Option<u32>,
    /// How many delegations may follow it; none if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_depth: Option<u32>,
    /// What may be used by it and everything below it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<BudgetBody>,
}

/// Which session accepts a delegation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AcceptBody {
    /// The session.
    pub session_id: String,
}

/// A delegation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DelegationView {
    /// The id.
    pub id: String,
    /// `offered` or `active`.
    pub status: String,
    /// The session that lends.
    pub from_session: String,
    /// Its application.
    pub from_application: String,
    /// The session that may use it; absent while it is offered to an application.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_session: Option<String>,
    /// The application that it is for.
    pub to_application: String,
    /// The delegation that the lender has it by; absent for its own root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<String>,
    /// What is lent.
    pub authority: Vec<GrantBody>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it ends by itself.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
    /// How many delegations its path has, with it.
    pub depth: u32,
    /// How many delegations may follow it.
    pub max_depth: u32,
    /// What may be used by it and everything below it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<BudgetBody>,
}

/// What would end with something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BlastRadiusView {
    /// The sessions.
    pub sessions: Vec<String>,
    /// The delegations.
    pub delegations: Vec<String>,
}
