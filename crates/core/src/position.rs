//! Where in the history of a zone something stands.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The number of a commit in its zone; the first commit has revision 1.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Revision(pub u64);

impl Revision {
    /// The revision after this one.
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl std::fmt::Display for Revision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// A random mark of one uninterrupted history; replaced on restore or detected loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub Uuid);

/// (epoch, revision, hash): two nodes that hold the same position hold the same history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Position {
    /// The history this position belongs to.
    pub epoch: Epoch,
    /// The number of the last commit.
    pub revision: Revision,
    /// SHA-256 over the predecessor's hash and the commit's own bytes; zeros before the first.
    pub hash: [u8; 32],
}

impl Position {
    /// The position before the first commit of a history.
    pub const fn start(epoch: Epoch) -> Self {
        Self {
            epoch,
            revision: Revision(0),
            hash: [0; 32],
        }
    }
}

impl std::fmt::Display for Position {
    /// The short form that mandates carry as `rev`: the first 8 bytes of epoch and hash, in hex.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for byte in self.epoch.0.as_bytes().iter().take(8) {
            write!(f, "{byte:02x}")?;
        }
        write!(f, ".{}.", self.revision)?;
        for byte in self.hash.iter().take(8) {
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}
