//! What a backup says of itself; the first file in it.

use caracal_core::{BackupId, Name, ZoneId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::failure::{Failure, Outcome};

/// What a backup says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// The format of backups, see [`Manifest::FORMAT`].
    pub(crate) format: u32,
    /// The backup.
    pub(crate) id: BackupId,
    /// The release that made it.
    pub(crate) version: String,
    /// When.
    pub(crate) taken_at: Timestamp,
    /// The epoch of the instance's own history.
    pub(crate) instance: String,
    /// Every zone, the instance's partition included.
    pub(crate) zones: Vec<ManifestZone>,
    /// Every log.
    pub(crate) logs: Vec<ManifestLog>,
    /// The files that follow, in their order.
    pub(crate) files: Vec<ManifestFile>,
}

/// A zone and where it stood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ManifestZone {
    pub(crate) id: ZoneId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<Name>,
    /// The mark of its history.
    pub(crate) epoch: String,
    /// The number of its last commit.
    pub(crate) revision: u64,
    /// The hash over its commits, in hex.
    pub(crate) hash: String,
}

/// A log and how far it had come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ManifestLog {
    pub(crate) id: String,
    /// The number of leaves.
    pub(crate) size: u64,
    /// The newest signed checkpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) checkpoint: Option<String>,
}

/// A file of the backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ManifestFile {
    pub(crate) name: String,
    pub(crate) bytes: u64,
    /// Of its content, in hex.
    pub(crate) sha256: String,
}

/// What every format begins with.
#[derive(Deserialize)]
struct Head {
    format: u32,
    #[serde(default)]
    version: String,
}

impl Manifest {
    /// The format that this release writes, and the newest that it reads.
    pub(crate) const FORMAT: u32 = 1;
    /// The manifest's name in the archive.
    pub(crate) const NAME: &'static str = "manifest.json";
    /// The longest manifest, in bytes.
    pub(crate) const MAX_BYTES: u64 = 64 * 1024 * 1024;

    /// Reads a manifest.
    ///
    /// # Errors
    /// A newer format is refused by name.
    pub(crate) fn parse(bytes: &[u8], shown: &str) -> Outcome<Self> {
        let damaged = |error: serde_json::Error| {
            Failure::new(format!("{shown} is no backup of caracal: {error}"))
        };
        let head: Head = serde_json::from_slice(bytes).map_err(damaged)?;
        if head.format > Self::FORMAT {
            return Err(Failure::new(format!(
                "{shown} was made by a newer caracal ({}): it is of format {}, and this release ({}) reads up to {}",
                head.version,
                head.format,
                env!("CARGO_PKG_VERSION"),
                Self::FORMAT
            ))
            .hint("restore it with the release that made it, or a newer one"));
        }
        serde_json::from_slice(bytes).map_err(damaged)
    }

    /// The number of leaves in all logs.
    pub(crate) fn events(&self) -> u64 {
        sum(self.logs.iter().map(|log| log.size))
    }

    /// The bytes of all files.
    pub(crate) fn bytes(&self) -> u64 {
        sum(self.files.iter().map(|file| file.bytes))
    }
}

/// What a manifest says may be anything.
fn sum(sizes: impl Iterator<Item = u64>) -> u64 {
    sizes.fold(0, u64::saturating_add)
}
