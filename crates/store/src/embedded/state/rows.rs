//! Reading the state file.

use caracal_core::{CommitId, Document, Epoch, Kind, LogId, Position, Revision, Version, ZoneId};
use rusqlite::{Connection, OptionalExtension, Row};
use uuid::Uuid;

use crate::embedded::number::{signed, unsigned};
use crate::{CommitRecord, Snapshot, StoreError};

/// The mark of this database's history.
fn epoch(connection: &Connection) -> Result<Epoch, StoreError> {
    let epoch: [u8; 16] = connection
        .prepare_cached("SELECT value FROM meta WHERE key = 'epoch'")?
        .query_row([], |row| row.get(0))?;
    Ok(Epoch(Uuid::from_bytes(epoch)))
}

/// Where a zone stands; at the start of this history when it has no commit.
pub(in crate::embedded) fn position(
    connection: &Connection,
    zone: ZoneId,
) -> Result<Position, StoreError> {
    let found = connection
        .prepare_cached("SELECT epoch, revision, hash FROM zones WHERE zone = $1")?
        .query_row([zone.uuid().as_bytes()], position_of)
        .optional()?;
    match found {
        Some(position) => position,
        None => Ok(Position::start(epoch(connection)?)),
    }
}

fn position_of(row: &Row<'_>) -> rusqlite::Result<Result<Position, StoreError>> {
    let (epoch, revision, hash): ([u8; 16], i64, [u8; 32]) =
        (row.get(0)?, row.get(1)?, row.get(2)?);
    Ok(unsigned(revision).map(|revision| Position {
        epoch: Epoch(Uuid::from_bytes(epoch)),
        revision: Revision(revision),
        hash,
    }))
}

/// The zone and the position of a commit.
pub(super) fn find_commit(
    connection: &Connection,
    id: CommitId,
) -> Result<Option<(ZoneId, Position)>, StoreError> {
    let found = connection
        .prepare_cached(
            "SELECT zones.epoch, commits.revision, commits.hash, commits.zone
             FROM commits JOIN zones ON zones.zone = commits.zone WHERE commits.id = $1",
        )?
        .query_row([id.uuid().as_bytes()], |row| {
            Ok((position_of(row)?, row.get::<_, [u8; 16]>(3)?))
        })
        .optional()?;
    match found {
        Some((position, zone)) => Ok(Some((ZoneId::from_uuid(Uuid::from_bytes(zone)), position?))),
        None => Ok(None),
    }
}

/// The stored version of an object; [`Version::ABSENT`] when there is none.
pub(super) fn version(
    connection: &Connection,
    zone: ZoneId,
    kind: Kind,
    id: Uuid,
) -> Result<Version, StoreError> {
    let found: Option<i64> = connection
        .prepare_cached("SELECT version FROM documents WHERE zone = $1 AND kind = $2 AND id = $3")?
        .query_row(
            (zone.uuid().as_bytes(), kind.as_str(), id.as_bytes()),
            |row| row.get(0),
        )
        .optional()?;
    found.map_or(Ok(Version::ABSENT), |version| {
        unsigned(version).map(Version)
    })
}

pub(in crate::embedded) fn list_zones(connection: &Connection) -> Result<Vec<ZoneId>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT zone FROM zones
         WHERE EXISTS (SELECT 1 FROM documents WHERE documents.zone = zones.zone) ORDER BY zone",
    )?;
    let zones = statement.query_map([], |row| row.get::<_, [u8; 16]>(0))?;
    zones
        .map(|zone| Ok(ZoneId::from_uuid(Uuid::from_bytes(zone?))))
        .collect()
}

pub(super) fn load(connection: &Connection, zone: ZoneId) -> Result<Snapshot, StoreError> {
    let position = position(connection, zone)?;
    let mut statement = connection
        .prepare_cached("SELECT kind, id, name, version, body FROM documents WHERE zone = $1")?;
    let mut rows = statement.query([zone.uuid().as_bytes()])?;
    let mut documents = Vec::new();
    while let Some(row) = rows.next()? {
        documents.push(document(zone, row)?);
    }
    Ok(Snapshot {
        position,
        documents,
    })
}

fn document(zone: ZoneId, row: &Row<'_>) -> Result<Document, StoreError> {
    let kind = row
        .get_ref(0)?
        .as_str()
        .map_err(|error| StoreError::Damaged(error.to_string()))?;
    let kind = Kind::parse(kind)
        .ok_or_else(|| StoreError::Damaged(format!("a document has the unknown kind {kind:?}")))?;
    let name = match row
        .get_ref(2)?
        .as_str_or_null()
        .map_err(|error| StoreError::Damaged(error.to_string()))?
    {
        None => None,
        Some(name) => Some(
            name.parse()
                .map_err(|error| StoreError::Damaged(format!("a document's name: {error}")))?,
        ),
    };
    Ok(Document {
        zone,
        kind,
        id: Uuid::from_bytes(row.get(1)?),
        name,
        version: Version(unsigned(row.get(3)?)?),
        body: row.get(4)?,
    })
}

pub(super) fn list_commits(
    connection: &Connection,
    zone: ZoneId,
    after: Revision,
    limit: usize,
) -> Result<Vec<CommitRecord>, StoreError> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let epoch = position(connection, zone)?.epoch;
    let mut statement = connection.prepare_cached(
        "SELECT revision, id, hash, writes, events FROM commits
         WHERE zone = $1 AND revision > $2 ORDER BY revision LIMIT $3",
    )?;
    let mut rows = statement.query((zone.uuid().as_bytes(), signed(after.0), limit))?;
    let mut commits = Vec::new();
    while let Some(row) = rows.next()? {
        let json = |column| -> Result<&str, StoreError> {
            row.get_ref(column)?
                .as_str()
                .map_err(|error| StoreError::Damaged(error.to_string()))
        };
        let damaged =
            |error: serde_json::Error| StoreError::Damaged(format!("a commit of {zone}: {error}"));
        commits.push(CommitRecord {
            id: CommitId::from_uuid(Uuid::from_bytes(row.get(1)?)),
            zone,
            position: Position {
                epoch,
                revision: Revision(unsigned(row.get(0)?)?),
                hash: row.get(2)?,
            },
            writes: serde_json::from_str(json(3)?).map_err(damaged)?,
            events: serde_json::from_str(json(4)?).map_err(damaged)?,
        });
    }
    Ok(commits)
}

pub(super) fn is_started(connection: &Connection, log: LogId) -> Result<bool, StoreError> {
    Ok(connection
        .prepare_cached("SELECT 1 FROM logs WHERE log = $1")?
        .exists([log.uuid().as_bytes()])?)
}
