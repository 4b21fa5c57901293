//! Outside issuers.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A wanted outside issuer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct IssuerBody {
    /// The name, unique in the zone and immutable.
    #[schema(pattern = "^[a-z0-9][a-z0-9-]{0,62}$", example = "github")]
    pub name: String,
    /// The `iss` of its tokens, or `spiffe://` and a trust domain. Unique in the zone.
    #[schema(example = "https://token.actions.githubusercontent.com")]
    pub issuer: String,
    /// Where it publishes its keys, over `https`. Without this and `jwks` they are found by
    /// `{issuer}/.well-known/openid-configuration`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<String>,
    /// Its keys: a JWK set (RFC 7517) of 1 to 8 public keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub jwks: Option<serde_json::Value>,
    /// What its tokens may be signed with: `ES256`, `EdDSA`, `PS256`, `RS256`. All if left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub algorithms: Vec<String>,
    /// Whom its tokens are for. Left out: this zone's issuer or the token endpoint.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 16)]
    pub audiences: Vec<String>,
    /// What its tokens may prove: `applications`, `subjects` or both.
    pub proves: Vec<String>,
    /// How old its tokens may be. 3600 if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 60, maximum = 86400)]
    pub max_age_seconds: Option<u32>,
    /// True: each of its tokens is good once.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub single_use: bool,
    /// True: its keys may be at a loopback or private address, within what the instance allows.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_private: bool,
}

/// An outside issuer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IssuerView {
    /// The id.
    pub id: String,
    /// Counts its changes; `If-Match` speaks of it.
    pub version: u64,
    /// When it was registered.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// What it is.
    #[serde(flatten)]
    pub issuer: IssuerBody,
}

/// What a person is called by an outside issuer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SubjectBody {
    /// The `sub` of their ID tokens.
    pub sub: String,
}

/// A Subject. Nothing is stored of the person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SubjectView {
    /// The id that mandates, events and approvals name, and that can be revoked.
    pub id: String,
}
