//! How every object is kept: as a document with a version.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Name, ZoneId};

/// The kinds of documents. The text form is part of the stored format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A [`crate::Zone`]; its name is unique in the instance.
    Zone,
    /// A [`crate::Application`].
    Application,
    /// A [`crate::Resource`].
    Resource,
    /// A [`crate::Provider`].
    Provider,
    /// A [`crate::Bundle`].
    Bundle,
    /// An [`crate::ApiToken`].
    Token,
    /// A [`crate::Revocation`].
    Revocation,
    /// The remembered answer of a write that carried an `Idempotency-Key`.
    Idempotency,
    /// When the client secrets of an application were last used.
    SecretUse,
    /// A [`crate::Session`].
    Session,
    /// A [`crate::Delegation`].
    Delegation,
    /// How many calls of a budget are given out; see [`crate::Budget`].
    Budget,
    /// An [`crate::Approval`].
    Approval,
    /// An [`crate::Issuer`].
    Issuer,
    /// A [`crate::Sink`].
    Sink,
    /// A [`crate::Delivery`].
    Delivery,
}

impl Kind {
    /// The stored text of the kind.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Zone => "zone",
            Self::Application => "application",
            Self::Resource => "resource",
            Self::Provider => "provider",
            Self::Bundle => "bundle",
            Self::Token => "token",
            Self::Revocation => "revocation",
            Self::Idempotency => "idempotency",
            Self::SecretUse => "secret_use",
            Self::Session => "session",
            Self::Delegation => "delegation",
            Self::Budget => "budget",
            Self::Approval => "approval",
            Self::Issuer => "issuer",
            Self::Sink => "sink",
            Self::Delivery => "delivery",
        }
    }

    /// The kind with this stored text.
    pub fn parse(text: &str) -> Option<Self> {
        [
            Self::Zone,
            Self::Application,
            Self::Resource,
            Self::Provider,
            Self::Bundle,
            Self::Token,
            Self::Revocation,
            Self::Idempotency,
            Self::SecretUse,
            Self::Session,
            Self::Delegation,
            Self::Budget,
            Self::Approval,
            Self::Issuer,
            Self::Sink,
            Self::Delivery,
        ]
        .into_iter()
        .find(|kind| kind.as_str() == text)
    }
}

/// Counts the changes of one document, starting at 1. Zero stands for "does not exist".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(pub u64);

impl Version {
    /// The version of a document that does not exist.
    pub const ABSENT: Self = Self(0);

    /// The version after this one.
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// A stored object. `(zone, kind, id)` is its identity, and `(zone, kind, name)` is unique
/// among the documents that have a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// The partition.
    pub zone: ZoneId,
    /// What the body holds.
    pub kind: Kind,
    /// The UUID of the object's id.
    pub id: Uuid,
    /// The name, where the noun has one.
    pub name: Option<Name>,
    /// How often it was written.
    pub version: Version,
    /// The object as JSON text.
    pub body: Box<str>,
}
