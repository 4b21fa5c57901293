//! A copy of a store at one moment, for a backup.

use std::path::Path;

use caracal_core::{Name, Position, ZoneId};
use rusqlite::{Connection, OptionalExtension};

use super::state::rows;
use super::{StoredHead, database, ledger};
use crate::StoreError;

/// The files that a copy consists of. What people search is not among them: it is rebuilt.
pub const DATABASES: [&str; 2] = ["state.db", "ledger.db"];

/// What a copy holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// The zones, the instance's partition included.
    pub zones: Vec<CopiedZone>,
    /// The head of every log.
    pub logs: Vec<StoredHead>,
}

/// Where a zone stood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopiedZone {
    /// The zone.
    pub id: ZoneId,
    /// Its name.
    pub name: Option<Name>,
    /// Its position.
    pub position: Position,
}

impl Copied {
    /// Copies the store in one directory to new files in another one; a server may be writing to
    /// it and is not held up. The ledger's moment is never after the state's, so that the copy is
    /// what a crash could have left: a commit whose leaves are not in the ledger brings them
    /// along. `progress` is told bytes copied and bytes in all, of both files together.
    ///
    /// # Errors
    ///
    /// As of [`crate::Embedded::open`]; what was copied so far is left for the caller to remove.
    pub fn make(
        from: &Path,
        to: &Path,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Self, StoreError> {
        let open = |name: &str, design| -> Result<Connection, StoreError> {
            let path = from.join(name);
            if !path.exists() {
                return Err(StoreError::Unreadable {
                    path: path.display().to_string(),
                    why: "there is no such file".to_owned(),
                });
            }
            database::inspect(&path, design)?;
            let begin = |connection: Connection| -> Result<Connection, StoreError> {
                // From here on it sees one moment.
                connection.execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema;")?;
                Ok(connection)
            };
            match database::open_read_only(&path).and_then(begin) {
                // In a directory that cannot be written SQLite cannot share the file.
                Err(error) => database::open_untouched(&path)
                    .and_then(begin)
                    .map_err(|_| error),
                Ok(connection) => Ok(connection),
            }
        };
        let [state_name, ledger_name] = DATABASES;
        // The order is what makes the copy consistent.
        let evidence = open(ledger_name, &database::LEDGER)?;
        let state = open(state_name, &database::STATE)?;
        let copied = Self {
            zones: zones(&state)?,
            logs: ledger::list_heads(&evidence)?,
        };
        let (first, second) = (size(&state)?, size(&evidence)?);
        let all = first.saturating_add(second);
        database::copy(&state, &to.join(state_name), &mut |done, _| {
            progress(done, all);
        })?;
        database::copy(&evidence, &to.join(ledger_name), &mut |done, _| {
            progress(first.saturating_add(done), all);
        })?;
        Ok(copied)
    }
}

fn zones(state: &Connection) -> Result<Vec<CopiedZone>, StoreError> {
    let mut zones = Vec::new();
    for id in rows::list_zones(state)? {
        let name: Option<Option<String>> = state
            .prepare_cached(
                "SELECT name FROM documents WHERE zone = $1 AND kind = 'zone' AND id = $1",
            )?
            .query_row([id.uuid().as_bytes()], |row| row.get(0))
            .optional()?;
        zones.push(CopiedZone {
            id,
            name: name.flatten().and_then(|name| name.parse().ok()),
            position: rows::position(state, id)?,
        });
    }
    Ok(zones)
}

fn size(connection: &Connection) -> Result<u64, StoreError> {
    let pragma = |name| -> rusqlite::Result<u32> {
        connection.pragma_query_value(None, name, |row| row.get(0))
    };
    Ok(u64::from(pragma("page_count")?) * u64::from(pragma("page_size")?))
}
