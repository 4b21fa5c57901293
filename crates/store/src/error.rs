//! How a store fails.

use caracal_core::{Kind, Name};
use thiserror::Error;
use uuid::Uuid;

/// The store cannot do what was asked. Nothing was lost; what was asked may have happened
/// only where the variant says so.
#[derive(Debug, Clone, Error)]
pub enum StoreError {
    /// The file is not ours: no SQLite database, or one of another program.
    #[error("`{path}` is not a caracal database: {why}")]
    Foreign {
        /// The file.
        path: String,
        /// What was found.
        why: String,
    },
    /// The file was written by a newer release.
    #[error(
        "`{path}` was written by a newer caracal: it is of format {found}, and this release ({}) reads up to {known}; \
         use the release that wrote it, or restore a backup of this one",
        env!("CARGO_PKG_VERSION")
    )]
    Newer {
        /// The file.
        path: String,
        /// The format in the file.
        found: u32,
        /// The newest format that this release reads.
        known: u32,
    },
    /// The file could not be brought to this release's format. It is as it was: the release
    /// that wrote it can go on with it.
    #[error(
        "`{path}` cannot be brought from format {found} to {known}: {why}; it is as it was, and a copy is `{copy}`"
    )]
    Migration {
        /// The file.
        path: String,
        /// The format in the file.
        found: u32,
        /// This release's format.
        known: u32,
        /// The copy that was made before.
        copy: String,
        /// What failed.
        why: String,
    },
    /// The file cannot be opened or read.
    #[error("`{path}` cannot be used: {why}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system said.
        why: String,
    },
    /// Stored bytes are not what they must be.
    #[error("stored data is damaged: {0}")]
    Damaged(String),
    /// The disk is full. Nothing was written.
    #[error("the disk is full")]
    Full,
    /// What is searched is still being made from the ledger. Nothing is lost: ask again.
    #[error("the index is still being built: {done} of {newest} events")]
    IndexBehind {
        /// Events up to this sequence number can be found.
        done: u64,
        /// The sequence number of the newest event.
        newest: u64,
    },
    /// The store failed or was closed; whether the write happened is unknown.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
}

/// Why a commit was not made.
#[derive(Debug, Clone, Error)]
pub enum CommitError {
    /// Something of the read set, or of the written objects, has another version by now.
    /// Nothing was written: decide again on the newer view.
    #[error("`{kind:?}` `{id}` has changed since")]
    Conflict {
        /// The object's kind.
        kind: Kind,
        /// The UUID of its id.
        id: Uuid,
    },
    /// Another object of this kind has the name. Nothing was written.
    #[error("the name `{name}` is taken")]
    NameTaken {
        /// The kind.
        kind: Kind,
        /// The name.
        name: Name,
    },
    /// The commit itself is malformed: no event, or an object written twice. Nothing was written.
    #[error("malformed commit: {0}")]
    Malformed(&'static str),
    /// The store failed. With [`StoreError::Unavailable`] the outcome is unknown: look the id up.
    #[error(transparent)]
    Store(#[from] StoreError),
}
