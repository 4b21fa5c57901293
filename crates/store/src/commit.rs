//! What a commit is made of.

use caracal_core::{CommitId, Document, Event, Kind, Position, Version, ZoneId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// One object that a commit was decided on. When its stored version differs, the commit is
/// a conflict and nothing of it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Read {
    /// The object's kind.
    pub kind: Kind,
    /// The UUID of its id.
    pub id: Uuid,
    /// The version that was seen; [`Version::ABSENT`] when it was seen not to exist.
    pub version: Version,
}

/// One change of a document. The store checks that `version` of a put is the stored
/// version's successor (1 for a new object), and of a delete the stored version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Write {
    /// Creates or replaces the document.
    Put(Document),
    /// Removes the document.
    Delete {
        /// The object's kind.
        kind: Kind,
        /// The UUID of its id.
        id: Uuid,
        /// The version that is removed.
        version: Version,
    },
}

/// A change of a zone's state with the evidence of it: both are stored, or neither.
#[derive(Debug, Clone, PartialEq)]
pub struct Commit {
    /// Chosen by the caller, so that it can look up the outcome after an ambiguous failure.
    /// Committing the same id again answers with the position of the first time.
    pub id: CommitId,
    /// The partition.
    pub zone: ZoneId,
    /// Everything the change was decided on.
    pub reads: Vec<Read>,
    /// The changes; each object at most once.
    pub writes: Vec<Write>,
    /// At least one event. `revision`, `log` and `index` are filled in later.
    pub events: Vec<Event>,
}

/// A commit as the store keeps it and as watchers see it.
#[derive(Debug, Clone, PartialEq)]
pub struct CommitRecord {
    /// The commit's id.
    pub id: CommitId,
    /// The partition.
    pub zone: ZoneId,
    /// The position after it.
    pub position: Position,
    /// The changes.
    pub writes: Vec<Write>,
    /// The events, with `revision` filled in.
    pub events: Vec<Event>,
}
