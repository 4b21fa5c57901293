//! The index file. Whatever is wrong with it, it is made anew.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension};

use crate::StoreError;
use crate::embedded::database;
use crate::embedded::number::unsigned;

/// Marks the file as ours: `CRCI`.
const APPLICATION_ID: u32 = 0x4352_4349;

/// Of the schema and of what the projection makes of a leaf. Another number: rebuild.
const FORMAT: u32 = 2;

const SCHEMA: &str = include_str!("schema.sql");

/// Opens the file for writing, and says up to which sequence number it is filled.
pub(super) fn open(
    path: &Path,
    ledger: [u8; 16],
    newest: u64,
) -> Result<(Connection, u64), StoreError> {
    if path.exists() {
        match open_existing(path, ledger, newest) {
            Ok(opened) => return Ok(opened),
            Err(why) => tracing::info!(path = %path.display(), why, "the index is built anew"),
        }
    }
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let mut file = path.as_os_str().to_owned();
        file.push(suffix);
        match std::fs::remove_file(&file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(StoreError::Unreadable {
                    path: path.display().to_string(),
                    why: error.to_string(),
                });
            }
            _ => {}
        }
    }
    let connection = Connection::open(path)?;
    database::enable_shrinking(&connection)?;
    configure(&connection)?;
    connection.execute_batch("BEGIN")?;
    connection.execute_batch(SCHEMA)?;
    connection.execute(
        "INSERT INTO meta (key, value) VALUES ('ledger', $1), ('seq', 0)",
        [ledger],
    )?;
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    connection.pragma_update(None, "user_version", FORMAT)?;
    connection.execute_batch("COMMIT")?;
    Ok((connection, 0))
}

/// Empties an index that turned out to be damaged.
pub(super) fn reset(connection: &mut Connection) -> Result<(), StoreError> {
    let transaction = connection.transaction()?;
    let ledger: [u8; 16] =
        transaction.query_row("SELECT value FROM meta WHERE key = 'ledger'", [], |row| {
            row.get(0)
        })?;
    transaction.execute_batch("DROP TABLE meta; DROP TABLE blocks; DROP TABLE terms; DROP TABLE ranges; DROP TABLE trees; DROP TABLE tiles;")?;
    transaction.execute_batch(SCHEMA)?;
    transaction.execute(
        "INSERT INTO meta (key, value) VALUES ('ledger', $1), ('seq', 0)",
        [ledger],
    )?;
    transaction.commit()?;
    Ok(())
}

fn open_existing(path: &Path, ledger: [u8; 16], newest: u64) -> Result<(Connection, u64), String> {
    let connection = Connection::open(path).map_err(|error| error.to_string())?;
    let look = || -> rusqlite::Result<Result<i64, &str>> {
        let application_id: u32 =
            connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
        let format: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if application_id != APPLICATION_ID || format != FORMAT {
            return Ok(Err("it is of another format"));
        }
        let meta = "SELECT value FROM meta WHERE key = $1";
        let of: Option<[u8; 16]> = connection
            .query_row(meta, ["ledger"], |row| row.get(0))
            .optional()?;
        if of != Some(ledger) {
            return Ok(Err("it belongs to another ledger"));
        }
        for table in ["blocks", "terms", "ranges", "trees", "tiles"] {
            connection
                .prepare(&format!("SELECT * FROM {table} ORDER BY 1 DESC LIMIT 1"))?
                .exists([])?;
        }
        configure(&connection)?;
        connection
            .query_row(meta, ["seq"], |row| row.get(0))
            .map(Ok)
    };
    let seq = look().map_err(|error| error.to_string())??;
    let seq = unsigned(seq).map_err(|error| error.to_string())?;
    if seq > newest {
        return Err("it is ahead of the ledger".to_owned());
    }
    Ok((connection, seq))
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(database::BUSY_TIMEOUT)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // The last transactions may be lost with the power: they are made again.
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    // Fewer checkpoints, which compete with the ledger for the disk: about every 64 MiB.
    connection.pragma_update(None, "wal_autocheckpoint", 16 * 1024)?;
    connection.set_prepared_statement_cache_capacity(64);
    // The newest terms stay in memory; about 16 MiB.
    connection.execute_batch(
        "PRAGMA cache_size = -16384; PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF;",
    )
}

/// Opens the index for reading, with the ledger as `ledger` beside it.
pub(super) fn open_beside_ledger(index: &Path, ledger: &Path) -> Result<Connection, StoreError> {
    let connection = database::open_read_only(index)?;
    let ledger = ledger.to_str().ok_or_else(|| StoreError::Unreadable {
        path: ledger.display().to_string(),
        why: "its path is not UTF-8".to_owned(),
    })?;
    connection.execute("ATTACH $1 AS ledger", [ledger])?;
    Ok(connection)
}
