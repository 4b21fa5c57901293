//! Policies and the immutable sets they are activated in.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{BundleId, Name};

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
}
