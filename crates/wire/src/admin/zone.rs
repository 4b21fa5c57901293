//! The tenant and trust boundary.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::RetentionBody;

/// A wanted zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ZoneBody {
    /// The name, unique in the instance and immutable.
    #[schema(pattern = "^[a-z0-9][a-z0-9-]{0,62}$", example = "acme-prod")]
    pub name: String,
}

/// A zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ZoneView {
    /// The id.
    pub id: String,
    /// The name.
    pub name: String,
    /// Counts its changes; `If-Match` speaks of it.
    pub version: u64,
    /// When it was created.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// The `iss` of its mandates.
    pub issuer: String,
    /// The active bundle; while there is none, every request is denied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_version: Option<String>,
    /// True while the whole zone is revoked.
    #[serde(default)]
    pub frozen: bool,
    /// How long its events are kept; absent for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<RetentionBody>,
    /// True while operators may decide about approvals of their own sessions.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub self_approval: bool,
}
