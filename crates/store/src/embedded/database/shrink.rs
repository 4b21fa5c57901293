//! Files that become smaller again.
//!
//! SQLite keeps the pages of what was deleted for what comes next, and the file its size: letting
//! go of old leaves would never make room on the disk. With incremental vacuuming pages from the
//! end of the file move into free ones, a few at a time, and the file ends earlier.

use std::path::Path;

use rusqlite::Connection;

use super::pragma;

/// The value of `auto_vacuum` for this.
const INCREMENTAL: u32 = 2;
/// Free pages that stay, so that what is written next finds some: 1 MiB.
const KEEP: u32 = 256;
/// A larger file is not made anew at a start, in bytes.
const MOST: u64 = 4 * 1024 * 1024 * 1024;

/// Makes a new file one that can become smaller. Nothing may be in it yet.
pub(in crate::embedded) fn enable(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "auto_vacuum", INCREMENTAL)
}

/// Makes a file of an older release one that can become smaller, which writes it anew. Where the
/// disk has no room for that it stays as it is, and works.
pub(super) fn convert(connection: &Connection, path: &Path) -> rusqlite::Result<()> {
    if pragma(connection, "auto_vacuum")? == INCREMENTAL {
        return Ok(());
    }
    let pages = u64::from(pragma(connection, "page_count")?);
    let size = pages * u64::from(pragma(connection, "page_size")?);
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    let free = rustix::fs::statvfs(dir.unwrap_or(Path::new(".")))
        .map_or(0, |space| space.f_bavail.saturating_mul(space.f_frsize));
    // Once in a temporary file, once in the WAL.
    if size > MOST || free / 3 < size {
        tracing::warn!(path = %path.display(), size, free, "the file cannot give room back to the disk; to change that, stop the server and run `PRAGMA auto_vacuum = 2; VACUUM;` on it with sqlite3");
        return Ok(());
    }
    tracing::info!(path = %path.display(), size, "the file is written anew, so that it can become smaller");
    enable(connection)?;
    connection.execute_batch("VACUUM")
}

/// Gives at most `most` free pages back, within the transaction that the connection is in. The
/// file becomes smaller with the next checkpoint.
pub(in crate::embedded) fn give_back(connection: &Connection, most: u32) -> rusqlite::Result<()> {
    let free = pragma(connection, "freelist_count")?.saturating_sub(KEEP);
    if free == 0 {
        return Ok(());
    }
    let pages = free.min(most);
    let mut statement = connection.prepare(&format!("PRAGMA incremental_vacuum({pages})"))?;
    let mut rows = statement.query([])?;
    // Each row is a page.
    while rows.next()?.is_some() {}
    Ok(())
}
