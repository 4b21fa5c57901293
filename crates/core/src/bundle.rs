//! Policies and the immutable sets they are activated in.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{BundleId, Name, PolicyTest};

/// The most bytes that the policies of one bundle may have together: 1 MiB.
pub const MAX_POLICY_BYTES: usize = 1024 * 1024;

/// One policy as its author wrote it. It may hold several Cedar statements; they share the name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicySource {
    /// The policy's id in decisions and events.
    pub name: Name,
    /// The Cedar text.
    pub cedar: String,
}

/// Policies with what their author expects of them: what a bundle is made of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicySet {
    /// The policies.
    pub policies: Vec<PolicySource>,
    /// The tests.
    #[serde(default)]
    pub tests: Vec<PolicyTest>,
}

impl PolicySet {
    /// The same, ordered by name.
    #[must_use]
    pub fn sorted(mut self) -> Self {
        self.policies.sort_by(|a, b| a.name.cmp(&b.name));
        self.tests.sort_by(|a, b| a.name.cmp(&b.name));
        self
    }

    /// True when there is neither a policy nor a test.
    pub fn is_empty(&self) -> bool {
        self.policies.is_empty() && self.tests.is_empty()
    }
}

impl From<Vec<PolicySource>> for PolicySet {
    fn from(policies: Vec<PolicySource>) -> Self {
        Self {
            policies,
            tests: Vec::new(),
        }
    }
}

/// The SHA-256 of a bundle's canonical form, in lower-case hex; the `policy_version` of events.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BundleVersion(Box<str>);

impl BundleVersion {
    /// The version with this digest.
    pub fn from_digest(digest: &[u8; 32]) -> Self {
        use fmt::Write as _;
        let mut text = String::with_capacity(64);
        for byte in digest {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        Self(text.into())
    }

    /// The hex digest.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BundleVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The immutable set of policies that is checked and activated as one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bundle {
    /// The id of the stored object.
    pub id: BundleId,
    /// What it is known by.
    pub version: BundleVersion,
    /// When it was first stored.
    pub created_at: Timestamp,
    /// The policies, ordered by name.
    pub policies: Vec<PolicySource>,
    /// The tests that must pass before it decides, ordered by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tests: Vec<PolicyTest>,
}

impl Bundle {
    /// The policies and tests of it.
    pub fn set(&self) -> PolicySet {
        PolicySet {
            policies: self.policies.clone(),
            tests: self.tests.clone(),
        }
    }
}
