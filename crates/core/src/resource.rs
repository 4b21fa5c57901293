//! Protected APIs, tools and services.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Name, NameError, Operation, ResourceId, Scope, UpstreamProtocol};

/// The identifier of a resource in mandates and policies: `resource://NAME`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResourceIdentifier(Name);

impl ResourceIdentifier {
    /// The identifier of the resource with this name.
    pub const fn new(name: Name) -> Self {
        Self(name)
    }

    /// The resource's name.
    pub const fn name(&self) -> &Name {
        &self.0
    }
}

impl fmt::Display for ResourceIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "resource://{}", self.0)
    }
}

impl FromStr for ResourceIdentifier {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        text.strip_prefix("resource://")
            .unwrap_or("")
            .parse()
            .map(Self)
    }
}

impl Serialize for ResourceIdentifier {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ResourceIdentifier {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Who enforces the second phase of policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Enforcement {
    /// The Gateway asks policy again with every request.
    #[default]
    Gateway,
    /// The service verifies mandates itself, so a deferred permit does not count at mint.
    Service,
}

/// A further place where clients of a resource put the mandate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum MandateSlot {
    /// A header, lower case, such as `x-api-key`.
    Header(String),
    /// A query parameter.
    Query(String),
    /// The password of HTTP Basic.
    BasicPassword,
}

/// What becomes of an operation that no rule names.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UndeclaredOperation {
    /// It is refused.
    #[default]
    Deny,
    /// It needs this scope.
    Scope(Scope),
}

/// A protected API, tool or service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Resource {
    /// The id.
    pub id: ResourceId,
    /// The name, unique in the zone.
    pub name: Name,
    /// When it was registered.
    pub created_at: Timestamp,
    /// Where requests go: `http` or `https`, with an optional path before every request's path.
    /// Empty: its service takes calls itself, and the Gateway forwards none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub upstream: String,
    /// The provider whose credential is injected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<Name>,
    /// What the resource lets callers do.
    pub scopes: Vec<Scope>,
    /// Which requests a scope covers.
    #[serde(default)]
    pub operations: Vec<Operation>,
    /// What becomes of requests that no operation names.
    #[serde(default)]
    pub undeclared: UndeclaredOperation,
    /// Who enforces the second phase of policy.
    #[serde(default)]
    pub enforcement: Enforcement,
    /// The applications that verify mandates for it, and may ask and report about its calls.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub verified_by: Vec<Name>,
    /// True: they ask policy about every call, so that mandates are issued as for the Gateway.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub asks_decide: bool,
    /// True: the upstream may have a loopback or private address, within what the instance allows.
    #[serde(default)]
    pub allow_private: bool,
    /// PEM certificates that are trusted for this upstream, in place of the system's roots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_ca: Option<String>,
    /// The HTTP version that is spoken to the upstream.
    #[serde(default, skip_serializing_if = "UpstreamProtocol::is_auto")]
    pub upstream_protocol: UpstreamProtocol,
    /// Further places where clients put the mandate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mandate_in: Vec<MandateSlot>,
    /// True: only mandates that are bound to a key are accepted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub requires_dpop: bool,
    /// True: what a call goes by is good once: the proof of a bound mandate, else the mandate.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub single_use: bool,
    /// True: `Cookie` and `Set-Cookie` pass.
    #[serde(default)]
    pub pass_cookies: bool,
    /// True: an encoded slash or backslash inside a segment is accepted.
    #[serde(default)]
    pub literal_encoded_slashes: bool,
    /// How long the upstream may take until its answer begins, in seconds.
    #[serde(default = "default_response_seconds")]
    pub response_timeout_seconds: u32,
    /// How long an answer may go on, in seconds.
    #[serde(default = "default_stream_seconds")]
    pub max_stream_seconds: u32,
    /// The largest request body, in bytes.
    #[serde(default = "default_body_bytes")]
    pub max_body_bytes: u64,
}

const fn default_response_seconds() -> u32 {
    120
}

const fn default_stream_seconds() -> u32 {
    3600
}

const fn default_body_bytes() -> u64 {
    4 * 1024 * 1024 * 1024
}

impl Resource {
    /// The default of [`Self::response_timeout_seconds`].
    pub const RESPONSE_TIMEOUT_SECONDS: u32 = default_response_seconds();
    /// The default of [`Self::max_stream_seconds`].
    pub const MAX_STREAM_SECONDS: u32 = default_stream_seconds();
    /// The default of [`Self::max_body_bytes`].
    pub const MAX_BODY_BYTES: u64 = default_body_bytes();

    /// The identifier in mandates and policies.
    pub fn identifier(&self) -> ResourceIdentifier {
        ResourceIdentifier::new(self.name.clone())
    }

    /// True when this application verifies mandates for it.
    pub fn is_verified_by(&self, application: &Name) -> bool {
        self.verified_by.contains(application)
    }

    /// Who asks the second phase of policy, as far as issuing a mandate goes: where the service
    /// asks about every call, what is deferred is asked later, as at the Gateway.
    pub const fn enforcement_at_mint(&self) -> Enforcement {
        match self.asks_decide {
            true => Enforcement::Gateway,
            false => self.enforcement,
        }
    }

    /// True when the resource declares the scope.
    pub fn declares(&self, scope: &str) -> bool {
        self.scopes.iter().any(|own| own.as_str() == scope)
    }
}
