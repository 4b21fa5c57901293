//! API tokens of operators.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A wanted API token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenBody {
    /// What people call it.
    #[schema(pattern = "^[a-z0-9][a-z0-9-]{0,62}$", example = "ci")]
    pub name: String,
    /// What it may do.
    #[schema(
        pattern = "^(owner|admin|approver|auditor|viewer)$",
        example = "viewer"
    )]
    pub role: String,
    /// How long it is accepted. Default 30 days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_seconds: Option<u64>,
}

impl TokenBody {
    /// The default of [`Self::ttl_seconds`].
    pub const TTL_SECONDS: u64 = 30 * 24 * 3600;
}

/// An API token, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenView {
    /// The id.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// The one zone it is good for; absent: all zones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// What it may do.
    pub role: String,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it stops being accepted.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
}

/// A new API token with the only copy of its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CreatedToken {
    /// The token's description.
    #[serde(flatten)]
    pub view: TokenView,
    /// What goes after `Authorization: Bearer`; the server keeps only a digest of it.
    pub token: String,
}
