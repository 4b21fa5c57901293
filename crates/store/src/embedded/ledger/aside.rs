//! A ledger file that is no readable database must not stop the server.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use crate::StoreError;
use crate::embedded::database;

/// How many set-aside ledgers may lie beside the new one.
const MOST: u32 = 1000;

/// Moves the ledger file aside when SQLite cannot read it. A readable one of another program
/// or of a newer release is an error: nothing is touched.
pub(in crate::embedded) fn set_aside_unreadable(
    path: &Path,
) -> Result<Option<PathBuf>, StoreError> {
    if !path.exists() {
        return Ok(None);
    }
    let why = match database::inspect(path, &database::LEDGER).and_then(|()| look_inside(path)) {
        Ok(()) => return Ok(None),
        Err(StoreError::Foreign { why, .. }) if why != database::OTHER_PROGRAM => why,
        Err(StoreError::Damaged(why)) => why,
        Err(error) => return Err(error),
    };
    let aside = (1..MOST)
        .map(|n| with_suffix(path, &format!(".damaged-{n}")))
        .find(|candidate| !candidate.exists())
        .ok_or_else(|| {
            failed(
                path,
                "too many damaged ledgers lie beside it; move them away",
            )
        })?;
    tracing::error!(path = %path.display(), aside = %aside.display(), why, "the ledger cannot be read and is set aside");
    // The log files first: without them the new ledger cannot pick up pages of the old one.
    for suffix in ["-wal", "-shm"] {
        let from = with_suffix(path, suffix);
        if from.exists() {
            std::fs::rename(&from, with_suffix(&aside, suffix))
                .map_err(|error| failed(path, &error.to_string()))?;
        }
    }
    std::fs::rename(path, &aside).map_err(|error| failed(path, &error.to_string()))?;
    Ok(Some(aside))
}

/// Opens it as the server will, and looks at what the server needs first.
fn look_inside(path: &Path) -> Result<(), StoreError> {
    let connection = database::open(path, &database::LEDGER)?;
    let look = || -> rusqlite::Result<()> {
        for table in ["identity", "heads", "events"] {
            let sql = format!("SELECT * FROM {table} ORDER BY 1 DESC LIMIT 1");
            connection.prepare(&sql)?.exists([])?;
        }
        Ok(())
    };
    look().map_err(|error| match error.sqlite_error_code() {
        // Also a table that is missing.
        Some(ErrorCode::Unknown) => StoreError::Damaged(error.to_string()),
        _ => error.into(),
    })
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn failed(path: &Path, why: &str) -> StoreError {
    StoreError::Unreadable {
        path: path.display().to_string(),
        why: why.to_owned(),
    }
}
