//! Where real credentials come from.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Name, ProviderId};

/// A secret sealed under the instance's master key. Its text is safe to store and useless
/// without that key and the exact context it was sealed for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SealedSecret(pub String);

/// How a provider's credential is put into a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ProviderKind {
    /// No credential.
    None,
    /// `Authorization: Bearer SECRET`.
    Bearer,
    /// The secret in a header or a query parameter. Exactly one of the two is set.
    ApiKey {
        /// The header that carries it, lower case.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        header: Option<String>,
        /// The query parameter that carries it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        query: Option<String>,
        /// Text before the secret in the header, such as `Token `.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        prefix: Option<String>,
    },
    /// `Authorization: Basic` with this user name and the secret as password.
    Basic {
        /// The user name; it has no colon.
        username: String,
    },
}

impl ProviderKind {
    /// The name of the kind in files and answers.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Bearer => "bearer",
            Self::ApiKey { .. } => "api_key",
            Self::Basic { .. } => "basic",
        }
    }

    /// True when the kind carries a secret.
    pub const fn needs_secret(&self) -> bool {
        !matches!(self, Self::None)
    }
}

/// A host and port that a credential may be sent to, written `host:port`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AllowedHost {
    /// The host: a lower-case name, or an address (IPv6 in brackets).
    pub host: Box<str>,
    /// The port.
    pub port: u16,
}

impl fmt::Display for AllowedHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl FromStr for AllowedHost {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refuse = || format!("`{text}` is not of the form `host:port`");
        let (host, port) = text.rsplit_once(':').ok_or_else(refuse)?;
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
        let bracketed = host.starts_with('[') && host.ends_with(']');
        if host.is_empty() || host.len() > 253 || !(bracketed || host.bytes().all(plain)) {
            return Err(refuse());
        }
        let port = port.parse().map_err(|_| refuse())?;
        Ok(Self {
            host: host.to_ascii_lowercase().into(),
            port,
        })
    }
}

impl Serialize for AllowedHost {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for AllowedHost {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Where a real credential comes from. The secret is write-only and bound, by its seal,
/// to the zone, this provider and exactly these hosts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Provider {
    /// The id.
    pub id: ProviderId,
    /// The name, unique in the zone.
    pub name: Name,
    /// When it was connected.
    pub created_at: Timestamp,
    /// How the credential is put into a request.
    #[serde(flatten)]
    pub kind: ProviderKind,
    /// The sealed secret, for kinds that have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SealedSecret>,
    /// Where the secret may be sent, sorted.
    #[serde(default)]
    pub allowed_hosts: Vec<AllowedHost>,
}
