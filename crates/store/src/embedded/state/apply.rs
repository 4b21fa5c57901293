//! One commit, inside the transaction of its batch.

use std::collections::HashSet;

use caracal_core::{Document, Event, Kind, Position, Version, ZoneId};
use rusqlite::{Connection, OptionalExtension};
use uuid::Uuid;

use super::rows;
use crate::embedded::number::signed;
use crate::{Commit, CommitError, CommitRecord, StoreError, Write, next_position};

/// What became of a commit, once its batch is durable.
pub(super) enum Made {
    Now(CommitRecord),
    /// The same id was committed before.
    Before(Position),
}

impl Made {
    pub(super) fn position(&self) -> Position {
        match self {
            Self::Now(record) => record.position,
            Self::Before(position) => *position,
        }
    }
}

/// Writes the commit. After an error the caller rolls back to where it was before.
pub(super) fn apply(connection: &Connection, commit: Commit) -> Result<Made, CommitError> {
    if let Some((zone, position)) = rows::find_commit(connection, commit.id)? {
        return if zone == commit.zone {
            Ok(Made::Before(position))
        } else {
            Err(CommitError::Malformed(
                "its id belongs to a commit of another zone",
            ))
        };
    }
    check_form(&commit)?;
    let Commit {
        id,
        zone,
        reads,
        writes,
        mut events,
    } = commit;
    for read in &reads {
        expect_version(connection, zone, read.kind, read.id, Some(read.version))?;
    }
    for write in &writes {
        match write {
            Write::Put(document) => {
                let stored = document.version.0.checked_sub(1).map(Version);
                expect_version(connection, zone, document.kind, document.id, stored)?;
            }
            Write::Delete { kind, id, version } => {
                let stored = Some(*version).filter(|version| *version != Version::ABSENT);
                expect_version(connection, zone, *kind, *id, stored)?;
            }
        }
    }
    // A name that one write gives up can be taken by another of the same commit.
    for write in &writes {
        if let Write::Delete { kind, id, .. } = write {
            connection
                .prepare_cached("DELETE FROM documents WHERE zone = $1 AND kind = $2 AND id = $3")?
                .execute((zone.uuid().as_bytes(), kind.as_str(), id.as_bytes()))?;
        }
    }
    for write in &writes {
        if let Write::Put(document) = write {
            put(connection, document)?;
        }
    }
    let previous = rows::position(connection, zone)?;
    let revision = previous.revision.next();
    for event in &mut events {
        event.revision = Some(revision.0);
    }
    let position = record(connection, &previous, id, zone, &writes, &events)?;
    Ok(Made::Now(CommitRecord {
        id,
        zone,
        position,
        writes,
        events,
    }))
}

fn check_form(commit: &Commit) -> Result<(), CommitError> {
    if commit.events.is_empty() {
        return Err(CommitError::Malformed("it has no event"));
    }
    let mut objects = HashSet::new();
    for write in &commit.writes {
        let object = match write {
            Write::Put(document) => {
                if document.zone != commit.zone {
                    return Err(CommitError::Malformed("a document belongs to another zone"));
                }
                (document.kind, document.id)
            }
            Write::Delete { kind, id, .. } => (*kind, *id),
        };
        if !objects.insert(object) {
            return Err(CommitError::Malformed("an object is written twice"));
        }
    }
    Ok(())
}

/// A conflict unless the stored version is this one; `None` is no version that can be stored.
fn expect_version(
    connection: &Connection,
    zone: ZoneId,
    kind: Kind,
    id: Uuid,
    expected: Option<Version>,
) -> Result<(), CommitError> {
    if Some(rows::version(connection, zone, kind, id)?) == expected {
        Ok(())
    } else {
        Err(CommitError::Conflict { kind, id })
    }
}

fn put(connection: &Connection, document: &Document) -> Result<(), CommitError> {
    let zone = document.zone.uuid();
    let (zone, kind, id) = (
        zone.as_bytes(),
        document.kind.as_str(),
        document.id.as_bytes(),
    );
    if let Some(name) = &document.name {
        // A zone's name is unique in the instance, any other in its zone.
        let sql = if document.kind == Kind::Zone {
            "SELECT 1 FROM documents WHERE kind = 'zone' AND kind = $1 AND name IS NOT NULL AND name = $2
             AND (zone, id) <> ($3, $4)"
        } else {
            "SELECT 1 FROM documents WHERE kind = $1 AND name IS NOT NULL AND name = $2 AND zone = $3 AND id <> $4"
        };
        let taken: Option<i64> = connection
            .prepare_cached(sql)?
            .query_row((kind, name.as_str(), zone, id), |row| row.get(0))
            .optional()?;
        if taken.is_some() {
            return Err(CommitError::NameTaken {
                kind: document.kind,
                name: name.clone(),
            });
        }
    }
    connection
        .prepare_cached(
            "INSERT INTO documents (zone, kind, id, name, version, body) VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (zone, kind, id) DO UPDATE
             SET name = excluded.name, version = excluded.version, body = excluded.body",
        )?
        .execute((
            zone,
            kind,
            id,
            document.name.as_ref().map(caracal_core::Name::as_str),
            signed(document.version.0),
            &*document.body,
        ))?;
    Ok(())
}

/// Adds the commit to its zone's chain.
fn record(
    connection: &Connection,
    previous: &Position,
    id: caracal_core::CommitId,
    zone: ZoneId,
    writes: &[Write],
    events: &[Event],
) -> Result<Position, CommitError> {
    let text = |result: serde_json::Result<String>| {
        result.map_err(|error| {
            StoreError::Damaged(format!("the commit cannot be written as JSON: {error}"))
        })
    };
    let writes = text(serde_json::to_string(writes))?;
    let events = text(serde_json::to_string(events))?;
    let position = next_position(previous, zone, id, &writes, &events);
    let revision = signed(position.revision.0);
    connection
        .prepare_cached(
            "INSERT INTO commits (zone, revision, id, hash, writes, events) VALUES ($1, $2, $3, $4, $5, $6)",
        )?
        .execute((zone.uuid().as_bytes(), revision, id.uuid().as_bytes(), position.hash, writes, events))?;
    connection
        .prepare_cached(
            "INSERT INTO zones (zone, epoch, revision, hash) VALUES ($1, $2, $3, $4)
             ON CONFLICT (zone) DO UPDATE SET revision = excluded.revision, hash = excluded.hash",
        )?
        .execute((
            zone.uuid().as_bytes(),
            position.epoch.0.as_bytes(),
            revision,
            position.hash,
        ))?;
    Ok(position)
}
