//! Registered software.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{ApplicationId, ClientAuth, ClientSecretId, Label, Name};

/// How many client secrets of an application may be alive at a time: one, and the one that
/// takes its place.
pub const MAX_SECRETS: usize = 2;

/// How many labels an application may be registered for.
pub const MAX_LABELS: usize = 64;

/// A registered software identity. Agents are not registered one by one: they run as sessions of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Application {
    /// The id; the `client_id` of OAuth.
    pub id: ApplicationId,
    /// The name, unique in the zone.
    pub name: Name,
    /// When it was registered.
    pub created_at: Timestamp,
    /// The labels that its sessions may carry; at most [`MAX_LABELS`].
    #[serde(default)]
    pub labels: BTreeSet<Label>,
    /// How it proves to be itself.
    #[serde(default, skip_serializing_if = "ClientAuth::is_secret")]
    pub auth: ClientAuth,
    /// The client secrets that are accepted now; none with another [`ClientAuth`].
    #[serde(default)]
    pub secrets: Vec<ClientSecret>,
}

/// What is kept of a client secret. The secret has 256 random bits, so a plain
/// SHA-256 is as strong as the secret itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClientSecret {
    /// SHA-256 of the secret, in lower-case hex.
    pub sha256: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops being accepted; set on the older one when a secret is rotated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

impl ClientSecret {
    /// Its id: the first half of the digest. Of 256 random bits a digest tells nothing.
    pub fn id(&self) -> ClientSecretId {
        let half = self.sha256.get(..32).unwrap_or_default();
        ClientSecretId::from_uuid(Uuid::try_parse(half).unwrap_or_default())
    }

    /// True while it is accepted.
    pub fn is_alive(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|expiry| now < expiry)
    }
}
