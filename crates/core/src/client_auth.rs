//! How an application proves to be itself.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::WorkloadRule;

/// How an application proves to be itself at the STS.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuth {
    /// By a client secret, which is made with the application.
    #[default]
    Secret,
    /// By assertions that it signs with its own key (RFC 7523, 2.2). It has no secret.
    PrivateKeyJwt {
        /// Its public keys as a JWK set (RFC 7517).
        jwks: Value,
    },
    /// The same with keys that it publishes.
    PublishedKeyJwt {
        /// Where its JWK set is.
        jwks_uri: String,
        /// It may be at a loopback or private address, within what the instance allows.
        #[serde(default)]
        allow_private: bool,
    },
    /// By tokens of an outside issuer. It has no secret and no key.
    Workload(WorkloadRule),
}

impl ClientAuth {
    /// True when client secrets are accepted.
    pub const fn is_secret(&self) -> bool {
        matches!(self, Self::Secret)
    }
}
