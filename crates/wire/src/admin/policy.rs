//! Policies and the sets they are activated in.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::PolicyTestBody;

/// One policy; its name is its id in decisions and events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyBody {
    /// The name.
    #[schema(pattern = "^[a-z0-9][a-z0-9-]{0,62}$")]
    pub name: String,
    /// The Cedar text; it may hold several statements.
    pub cedar: String,
}

/// Policies to check, or to store as an immutable bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BundleBody {
    /// The policies, at most 1 MiB together.
    pub policies: Vec<PolicyBody>,
    /// The tests that must pass before the policies decide, at most 1,000.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tests: Vec<PolicyTestBody>,
}

/// An immutable set of policies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BundleView {
    /// The id.
    pub id: String,
    /// The SHA-256 in hex; the `policy_version` of events.
    pub version: String,
    /// When it was first stored.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// True for the one that decides now.
    pub active: bool,
    /// The policies, ordered by name.
    pub policies: Vec<PolicyBody>,
    /// The tests that must pass before the policies decide, ordered by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tests: Vec<PolicyTestBody>,
}

/// What a check found: nothing wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BundleCheck {
    /// The version that these policies would have as a bundle.
    pub version: String,
}

/// The policies that decide now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ActivePolicies {
    /// The version of the active bundle; none while nothing is activated and every request denied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_version: Option<String>,
    /// The policies, ordered by name.
    pub items: Vec<PolicyBody>,
    /// Where to go on; absent at the end.
    pub next_cursor: Option<String>,
}
