//! Outside issuers: whose tokens prove workloads or people.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{IssuerId, Name};

/// The algorithms that tokens of others may be signed with: none is symmetric.
pub const OUTSIDE_ALGORITHMS: [&str; 4] = ["ES256", "EdDSA", "PS256", "RS256"];
/// How old a token may be, in seconds, unless its issuer is registered with another age.
pub const DEFAULT_TOKEN_AGE_SECONDS: u32 = 3600;
/// The greatest age that an issuer can be registered with, in seconds.
pub const MAX_TOKEN_AGE_SECONDS: u32 = 86_400;
/// How many issuers a zone may have; each may be asked for its keys.
pub const MAX_ISSUERS: usize = 100;
/// How many audiences an issuer may be registered with.
pub const MAX_AUDIENCES: usize = 16;

/// How the keys of somebody else are found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PublishedKeys {
    /// By the issuer's OpenID Connect metadata.
    Discovery,
    /// At this URL, as a JWK set.
    JwksUri(String),
    /// Here: a JWK set.
    Jwks(Value),
}

/// Somebody whose tokens are believed, within limits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Issuer {
    /// The id.
    pub id: IssuerId,
    /// The name, unique in the zone.
    pub name: Name,
    /// When it was registered.
    pub created_at: Timestamp,
    /// Its `iss`, or `spiffe://` and a trust domain. Unique in the zone.
    pub url: String,
    /// How its keys are found.
    pub keys: PublishedKeys,
    /// What its tokens may be signed with, among [`OUTSIDE_ALGORITHMS`]; sorted.
    pub algorithms: Vec<String>,
    /// Whom its tokens are for. None: this zone's issuer or token endpoint.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub audiences: Vec<String>,
    /// Its tokens may prove applications.
    #[serde(default)]
    pub applications: bool,
    /// Its ID tokens may prove people.
    #[serde(default)]
    pub subjects: bool,
    /// How old its tokens may be, in seconds.
    pub max_age_seconds: u32,
    /// Each of its tokens is good once.
    #[serde(default)]
    pub single_use: bool,
    /// Its keys may be at a loopback or private address, within what the instance allows.
    #[serde(default)]
    pub allow_private: bool,
}

impl Issuer {
    /// The trust domain, where it is one of SPIFFE.
    pub fn trust_domain(&self) -> Option<&str> {
        self.url.strip_prefix("spiffe://")
    }
}

/// The trust domain of a SPIFFE id, as the URL that its issuer is registered with; none for
/// other texts.
pub fn trust_domain_of(id: &str) -> Option<&str> {
    let rest = id.strip_prefix("spiffe://")?;
    let end = rest.find('/').unwrap_or(rest.len());
    id.get(.."spiffe://".len() + end).filter(|_| end > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spiffe_id_is_of_one_trust_domain() {
        for (id, expected) in [
            (
                "spiffe://acme.example/ns/prod",
                Some("spiffe://acme.example"),
            ),
            ("spiffe://acme.example", Some("spiffe://acme.example")),
            ("spiffe:///ns", None),
            ("spiffe://", None),
            ("https://acme.example/x", None),
        ] {
            assert_eq!(trust_domain_of(id), expected, "{id}");
        }
    }
}
