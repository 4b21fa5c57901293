//! What the ledger file says of each log.

use caracal_core::{LogId, Revision};
use caracal_ledger::{LeafHash, TreeState, leaf_hash};
use rusqlite::{Connection, OptionalExtension};

use crate::embedded::ledger_file::StoredHead;
use crate::embedded::number::{signed, unsigned};
use crate::{LogHead, StoreError};

/// A log on its way to the file.
#[derive(Debug, Clone)]
pub(super) struct Head {
    pub(super) state: TreeState,
    pub(super) revision: Revision,
    pub(super) last_seq: u64,
    pub(super) last_leaf: Option<[u8; 32]>,
}

pub(super) fn empty() -> LogHead {
    LogHead {
        size: 0,
        edge: Vec::new(),
        revision: Revision(0),
        checkpoint: None,
        damaged: false,
    }
}

/// What a row holds, before anything of it is believed.
struct Row {
    size: i64,
    edge: Vec<u8>,
    revision: i64,
    checkpoint: Option<String>,
    last_seq: i64,
    last_leaf: Option<Vec<u8>>,
}

/// The head of a log, or nothing when it has none. One that contradicts the leaves, or itself,
/// is said to be damaged.
pub(super) fn look(connection: &Connection, log: LogId) -> Result<Option<LogHead>, StoreError> {
    Ok(read(connection, log)?.map(|(head, _)| head))
}

/// The head, and how to go on from it when it is not damaged.
pub(super) fn read(
    connection: &Connection,
    log: LogId,
) -> Result<Option<(LogHead, Option<Head>)>, StoreError> {
    let row = connection
        .prepare_cached("SELECT size, edge, revision, checkpoint, last_seq, last_leaf FROM heads WHERE log = $1")?
        .query_row([log.to_string()], |row| {
            Ok(Row {
                size: row.get(0)?,
                edge: row.get(1)?,
                revision: row.get(2)?,
                checkpoint: row.get(3)?,
                last_seq: row.get(4)?,
                last_leaf: row.get(5)?,
            })
        })
        .optional();
    let row = match row {
        Ok(None) => return Ok(None),
        Ok(Some(row)) => row,
        Err(error) => {
            return match StoreError::from(error) {
                StoreError::Damaged(_) => Ok(Some((
                    LogHead {
                        damaged: true,
                        ..empty()
                    },
                    None,
                ))),
                other => Err(other),
            };
        }
    };
    let head = believe(connection, &row)?;
    let head = match head {
        Some(_) if is_added_to(connection, log)? => None,
        head => head,
    };
    let known = LogHead {
        size: unsigned(row.size).unwrap_or(0),
        edge: edge_of(&row.edge).unwrap_or_default(),
        revision: Revision(unsigned(row.revision).unwrap_or(0)),
        checkpoint: row.checkpoint,
        damaged: head.is_none(),
    };
    Ok(Some((known, head)))
}

/// The row as a head, unless something contradicts it.
fn believe(connection: &Connection, row: &Row) -> Result<Option<Head>, StoreError> {
    let (Ok(size), Ok(revision), Ok(last_seq), Some(edge)) = (
        unsigned(row.size),
        unsigned(row.revision),
        unsigned(row.last_seq),
        edge_of(&row.edge),
    ) else {
        return Ok(None);
    };
    let state = TreeState { size, edge };
    if state.check().is_err() {
        return Ok(None);
    }
    let mut last_leaf = None;
    if size > 0 {
        let Some(hash) = row
            .last_leaf
            .as_deref()
            .and_then(|hash| <[u8; 32]>::try_from(hash).ok())
        else {
            return Ok(None);
        };
        last_leaf = Some(hash);
        if !checkpoint_names(row.checkpoint.as_deref(), &state) {
            return Ok(None);
        }
        let stored = connection
            .prepare_cached("SELECT body FROM events WHERE seq = $1")?
            .query_row([row.last_seq], |found| {
                Ok(found.get_ref(0)?.as_blob().map(leaf_hash).ok())
            })
            .optional();
        match stored.map_err(StoreError::from) {
            Ok(Some(Some(LeafHash(stored)))) if stored == hash => {}
            Ok(_) | Err(StoreError::Damaged(_)) => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    Ok(Some(Head {
        state,
        revision: Revision(revision),
        last_seq,
        last_leaf,
    }))
}

/// Whether somebody has put leaves of the log behind everything that was ever appended. They are
/// not in its tree, and would stand where its next leaves go.
fn is_added_to(connection: &Connection, log: LogId) -> Result<bool, StoreError> {
    // One statement: leaves and heads of one moment, though the writer goes on.
    let added = connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM events
             WHERE seq > (SELECT max(last_seq) FROM heads WHERE typeof(last_seq) = 'integer')
                 AND instr(CAST(body AS BLOB), CAST($1 AS BLOB)))",
        )?
        .query_row([log.to_string()], |row| row.get(0));
    match added.map_err(StoreError::from) {
        // A part that cannot be read is not what was appended.
        Err(StoreError::Damaged(_)) => Ok(true),
        other => other,
    }
}

/// Whether the note's second and third line are the size and the root. Its signature is for
/// others to check; this finds a head whose parts do not belong together.
fn checkpoint_names(checkpoint: Option<&str>, state: &TreeState) -> bool {
    let Some(checkpoint) = checkpoint else {
        return false;
    };
    let mut lines = checkpoint.lines().skip(1);
    lines.next() == Some(state.size.to_string().as_str())
        && lines.next() == Some(LeafHash(state.root()).to_base64().as_str())
}

fn edge_of(bytes: &[u8]) -> Option<Vec<[u8; 32]>> {
    let (hashes, rest) = bytes.as_chunks::<32>();
    rest.is_empty().then(|| hashes.to_vec())
}

/// Writes the head with its newest checkpoint.
pub(super) fn write(
    connection: &Connection,
    log: LogId,
    head: &Head,
    checkpoint: Option<&str>,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO heads (log, size, edge, revision, checkpoint, last_seq, last_leaf)
             VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (log) DO UPDATE SET size = excluded.size, edge = excluded.edge,
                 revision = excluded.revision, checkpoint = excluded.checkpoint,
                 last_seq = excluded.last_seq, last_leaf = excluded.last_leaf",
        )?
        .execute((
            log.to_string(),
            signed(head.state.size),
            head.state.edge.concat(),
            signed(head.revision.0),
            checkpoint,
            signed(head.last_seq),
            head.last_leaf,
        ))?;
    Ok(())
}

/// Every head that can be read, in no order.
pub(in crate::embedded) fn list_heads(
    connection: &Connection,
) -> Result<Vec<StoredHead>, StoreError> {
    let mut statement = connection.prepare("SELECT log, size, checkpoint FROM heads")?;
    let mut rows = statement.query([])?;
    let mut heads = Vec::new();
    while let Some(row) = rows.next()? {
        let log = row
            .get::<_, String>(0)
            .ok()
            .and_then(|log| log.parse().ok());
        let size = row
            .get::<_, i64>(1)
            .ok()
            .and_then(|size| unsigned(size).ok());
        if let Some(log) = log {
            heads.push(StoredHead {
                log,
                size: size.unwrap_or(0),
                checkpoint: row.get(2).ok().flatten(),
            });
        }
    }
    Ok(heads)
}

/// The highest sequence number that was ever given out.
pub(in crate::embedded) fn newest_seq(connection: &Connection) -> Result<u64, StoreError> {
    // Also that of a leaf that somebody removed: no number is used twice.
    let newest: i64 = connection.query_row(
        "SELECT max(coalesce((SELECT max(seq) FROM events), 0),
                    coalesce((SELECT max(last_seq) FROM heads WHERE typeof(last_seq) = 'integer'), 0), 0)",
        [],
        |row| row.get(0),
    )?;
    unsigned(newest)
}

/// Which ledger this is.
pub(super) fn identity(connection: &Connection) -> Result<[u8; 16], StoreError> {
    let find = || -> rusqlite::Result<Option<[u8; 16]>> {
        connection
            .query_row(
                "SELECT id FROM identity ORDER BY rowid LIMIT 1",
                [],
                |row| row.get(0),
            )
            .optional()
    };
    if let Ok(Some(id)) = find() {
        return Ok(id);
    }
    connection.execute_batch(
        "DELETE FROM identity; INSERT INTO identity (id) VALUES (randomblob(16));",
    )?;
    find()?.ok_or_else(|| StoreError::Damaged("the ledger has no identity".to_owned()))
}
