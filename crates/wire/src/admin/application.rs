//! Registered software.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A wanted application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApplicationBody {
    /// The name, unique in the zone and immutable.
    #[schema(pattern = "^[a-z0-9][a-z0-9-]{0,62}$", example = "anton")]
    pub name: String,
    /// The labels that its sessions may carry.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 64)]
    pub labels: Vec<String>,
    /// How it proves to be itself. Left out: by a client secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<ClientAuthBody>,
}

/// How an application proves to be itself: by `private_key_jwt`, or by tokens of an outside
/// `issuer` with a `subject`, `claims` or both.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientAuthBody {
    /// By assertions that it signs with its own key (RFC 7523). It gets no client secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private_key_jwt: Option<ClientKeysBody>,
    /// By tokens of this outside issuer of the zone. It gets no client secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// What the `sub` of the token is: the value, or its beginning and `*`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "system:serviceaccount:prod:bot")]
    pub subject: Option<String>,
    /// What other claims of the token are, by name or by JSON pointer: each the value, or its beginning
    /// and `*`. All must hold.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub claims: BTreeMap<String, String>,
}

/// The public keys of an application: `jwks` or `jwks_uri`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientKeysBody {
    /// A JWK set (RFC 7517) of 1 to 8 public keys for ES256, EdDSA (or Ed25519), RS256 or PS256.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub jwks: Option<serde_json::Value>,
    /// Where it publishes such a set, over `https`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<String>,
    /// True: `jwks_uri` may be at a loopback or private address, within what the instance allows.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_private: bool,
}

/// An application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ApplicationView {
    /// The id; the `client_id` of OAuth.
    pub id: String,
    /// The name.
    pub name: String,
    /// Counts its changes; `If-Match` speaks of it.
    pub version: u64,
    /// When it was registered.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// The labels that its sessions may carry.
    pub labels: Vec<String>,
    /// How it proves to be itself. Left out: by a client secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<ClientAuthBody>,
    /// The client secrets that are accepted, without the secrets.
    pub secrets: Vec<ClientSecretView>,
}

/// A client secret, without the secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClientSecretView {
    /// Its id.
    #[serde(default)]
    pub id: String,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it stops being accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
    /// When it was last used, to the minute; an hour older at most after a restart. Only in the
    /// list of an application's secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_used_at: Option<Timestamp>,
}

/// How a new client secret takes the place of the old one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateSecretBody {
    /// For how long the old secret is accepted beside the new one. Default 86400, a day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 2592000)]
    pub overlap_seconds: Option<u64>,
    /// True: every old secret ends at once. Not together with `overlap_seconds`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub revoke_old: bool,
}

/// A new client secret with its only copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RotatedSecret {
    /// The id of the application.
    pub application: String,
    /// The new secret.
    #[serde(flatten)]
    pub secret: ClientSecretView,
    /// The client secret; the server keeps only its digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<String>,
    /// The secrets that are accepted beside it until they expire.
    pub older: Vec<ClientSecretView>,
}

/// A newly registered application with the only copy of its client secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CreatedApplication {
    /// The application.
    #[serde(flatten)]
    pub application: ApplicationView,
    /// The client secret; the server keeps only its digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<String>,
}

impl From<ApplicationView> for ApplicationBody {
    fn from(view: ApplicationView) -> Self {
        Self {
            name: view.name,
            labels: view.labels,
            auth: view.auth,
        }
    }
}
