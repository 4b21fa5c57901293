//! Opening a database file: is it ours, can we read it, is it of this format.

mod copy;
mod migrate;
mod shrink;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

pub(super) use copy::copy;
pub(super) use shrink::{enable as enable_shrinking, give_back};

use crate::StoreError;

/// How long a statement waits for another connection's lock.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// When a WAL that a long read kept from starting anew starts anew, it gives back what it has
/// beyond this, in bytes.
const WAL_KEEPS: i64 = 256 * 1024 * 1024;

/// What every SQLite file begins with.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// Why a readable SQLite file is not ours.
pub(super) const OTHER_PROGRAM: &str = "it is a database of another program";

/// What a database file is for.
pub(super) struct Design {
    /// Marks the file as ours, for `file(1)` and for us.
    pub application_id: u32,
    /// The newest format that this release reads.
    pub format: u32,
    /// True where much is let go: the file then gives its free pages back to the disk.
    pub shrinks: bool,
    /// (name, SQL) of the migrations up to that format, in refinery's naming.
    pub migrations: &'static [(&'static str, &'static str)],
}

/// `CRC` and a letter.
pub(super) const STATE: Design = Design {
    application_id: 0x4352_4353,
    format: 2,
    shrinks: false,
    migrations: &[
        (
            "V1__documents_and_commits",
            include_str!("../../migrations/state/V1__documents_and_commits.sql"),
        ),
        (
            "V2__claims",
            include_str!("../../migrations/state/V2__claims.sql"),
        ),
    ],
};

pub(super) const LEDGER: Design = Design {
    application_id: 0x4352_434c,
    format: 2,
    shrinks: true,
    migrations: &[
        (
            "V1__events_and_heads",
            include_str!("../../migrations/ledger/V1__events_and_heads.sql"),
        ),
        (
            "V2__pruned",
            include_str!("../../migrations/ledger/V2__pruned.sql"),
        ),
    ],
};

/// Opens the file for writing and brings it to this release's format, making it when there is
/// none. A file that is not ours, or newer, is left as it is.
pub(super) fn open(path: &Path, design: &Design) -> Result<Connection, StoreError> {
    inspect(path, design)?;
    let unreadable = |error: &dyn std::fmt::Display| StoreError::Unreadable {
        path: path.display().to_string(),
        why: error.to_string(),
    };
    let mut connection = Connection::open(path).map_err(|error| open_error(path, &error))?;
    prepare(&connection).map_err(|error| open_error(path, &error))?;
    match check(&connection, path, design) {
        Ok(()) => {}
        Err(Look::Refused(error)) => return Err(error),
        Err(Look::NeedsRecovery) => {
            return Err(unreadable(&"the file or its directory cannot be written"));
        }
    }
    let found: u32 =
        pragma(&connection, "user_version").map_err(|error| open_error(path, &error))?;
    if design.shrinks && found == 0 {
        shrink::enable(&connection).map_err(|error| open_error(path, &error))?;
    }
    if found < design.format {
        // Before the file becomes a WAL database, so that the marks stand in the file itself.
        connection
            .pragma_update(None, "application_id", design.application_id)
            .map_err(|error| open_error(path, &error))?;
        migrate::migrate(&mut connection, path, design, found)?;
    }
    if design.shrinks && found > 0 {
        shrink::convert(&connection, path).map_err(|error| open_error(path, &error))?;
    }
    connection
        .pragma_update(None, "journal_mode", "WAL")
        .map_err(|error| open_error(path, &error))?;
    connection
        .pragma_update(None, "synchronous", "FULL")
        .map_err(|error| open_error(path, &error))?;
    connection
        .pragma_update_and_check(None, "journal_size_limit", WAL_KEEPS, |_| Ok(()))
        .map_err(|error| open_error(path, &error))?;
    Ok(connection)
}

/// Opens an existing file of ours for reading.
pub(super) fn open_read_only(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection =
        Connection::open_with_flags(path, flags).map_err(|error| open_error(path, &error))?;
    prepare(&connection).map_err(|error| open_error(path, &error))?;
    Ok(connection)
}

/// Opens an existing file without as much as making a file beside it, where that is possible:
/// when there is no log beside it, nobody has it open.
pub(super) fn open_untouched(path: &Path) -> Result<Connection, StoreError> {
    let held = |suffix| beside(path, suffix).exists();
    let Some(name) = path.to_str().filter(|_| !held("-wal") && !held("-journal")) else {
        return open_read_only(path);
    };
    let mut uri = String::from("file:");
    for c in name.chars() {
        match c {
            '%' => uri.push_str("%25"),
            '?' => uri.push_str("%3f"),
            '#' => uri.push_str("%23"),
            c => uri.push(c),
        }
    }
    uri.push_str("?immutable=1");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_URI;
    let connection =
        Connection::open_with_flags(&uri, flags).map_err(|error| open_error(path, &error))?;
    prepare(&connection).map_err(|error| open_error(path, &error))?;
    Ok(connection)
}

/// The name of a file of SQLite's beside a database.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Limits the file; a database larger than that only refuses to grow.
pub(super) fn limit(connection: &Connection, max_bytes: Option<u64>) -> Result<(), StoreError> {
    if let Some(max_bytes) = max_bytes {
        let page: u32 = pragma(connection, "page_size")?;
        let pages = u32::try_from(max_bytes / u64::from(page.max(1))).unwrap_or(u32::MAX - 2);
        connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
    }
    Ok(())
}

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(64);
    connection.execute_batch(
        "PRAGMA cache_size = -8192; PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF;",
    )
}

fn pragma(connection: &Connection, name: &str) -> rusqlite::Result<u32> {
    connection.pragma_query_value(None, name, |row| row.get(0))
}

/// Says whether the file can be opened by us, without writing to it.
pub(super) fn inspect(path: &Path, design: &Design) -> Result<(), StoreError> {
    let foreign = |why: String| StoreError::Foreign {
        path: path.display().to_string(),
        why,
    };
    let unreadable = |error: &dyn std::fmt::Display| StoreError::Unreadable {
        path: path.display().to_string(),
        why: error.to_string(),
    };
    if beside(path, "-journal").exists() {
        // A transaction was cut off, perhaps while the file was made, and has to be rolled back
        // before anything in it means something; who opens looks again.
        return Ok(());
    }
    let mut start = Vec::with_capacity(MAGIC.len());
    match File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(unreadable(&error)),
        Ok(file) => file
            .take(16)
            .read_to_end(&mut start)
            .map_err(|error| unreadable(&error))?,
    };
    if start.is_empty() {
        return Ok(());
    }
    if start.as_slice() != MAGIC {
        return Err(foreign("it is no SQLite database".to_owned()));
    }
    let connection = open_untouched(path)?;
    match check(&connection, path, design) {
        // A transaction was cut off and has to be rolled back first; who opens looks again.
        Err(Look::NeedsRecovery) => Ok(()),
        Err(Look::Refused(error)) => Err(error),
        Ok(()) => Ok(()),
    }
}

enum Look {
    NeedsRecovery,
    Refused(StoreError),
}

fn check(connection: &Connection, path: &Path, design: &Design) -> Result<(), Look> {
    let look = || -> rusqlite::Result<(u32, u32, u32)> {
        Ok((
            pragma(connection, "application_id")?,
            pragma(connection, "user_version")?,
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?,
        ))
    };
    let (application_id, user_version, objects) =
        look().map_err(|error| match error.sqlite_error_code() {
            Some(ErrorCode::ReadOnly) => Look::NeedsRecovery,
            _ => Look::Refused(open_error(path, &error)),
        })?;
    if application_id != design.application_id
        && (application_id != 0 || user_version != 0 || objects != 0)
    {
        return Err(Look::Refused(StoreError::Foreign {
            path: path.display().to_string(),
            why: OTHER_PROGRAM.to_owned(),
        }));
    }
    if user_version > design.format {
        return Err(Look::Refused(StoreError::Newer {
            path: path.display().to_string(),
            found: user_version,
            known: design.format,
        }));
    }
    Ok(())
}

fn open_error(path: &Path, error: &rusqlite::Error) -> StoreError {
    let path = path.display().to_string();
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt) => StoreError::Damaged(format!("`{path}`: {error}")),
        Some(ErrorCode::NotADatabase) => StoreError::Foreign {
            path,
            why: error.to_string(),
        },
        Some(ErrorCode::DiskFull) => StoreError::Full,
        _ => StoreError::Unreadable {
            path,
            why: error.to_string(),
        },
    }
}
