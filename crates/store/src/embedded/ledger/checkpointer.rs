//! Moves what was written from the WAL into the database file, beside the writer.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rusqlite::Connection;

use super::followers::{Followers, Nudged};
use crate::StoreError;
use crate::embedded::database;

/// In-line checkpoints were the whole of the tail latency; this often they are never long.
/// Two runs each on a busy machine: 50 ms gave 29 and 32 thousand leaves a second, 250 ms 41
/// and 33, 1000 ms 39 and 34. Measure again on a quiet one before it is changed.
const PAUSE: Duration = Duration::from_millis(200);

/// When so many pages, 16 MiB, are in the WAL, the writer is asked to start it anew.
const LARGE: i64 = 4 * 1024;

/// When so many pages, 256 MiB, were in it, because a reader was in the way, the file gets its
/// size back as well.
pub(super) const HUGE: i64 = 64 * 1024;

/// Runs until the writer ends. The flag asks the writer to start the WAL anew.
pub(super) fn start(
    path: &Path,
    written: Nudged,
    followers: &Followers,
) -> Result<Arc<AtomicBool>, StoreError> {
    let restart = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&restart);
    let connection = database::open(path, &database::LEDGER)?;
    followers.start("caracal-checkpoint", move || {
        while written.wait() && written.pause(PAUSE) {
            match checkpoint(&connection, "PASSIVE") {
                Ok(pages) if pages > LARGE => flag.store(true, Ordering::Relaxed),
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "the ledger's WAL cannot be checkpointed"),
            }
        }
    })?;
    Ok(restart)
}

/// The pages in the WAL.
pub(super) fn checkpoint(connection: &Connection, mode: &str) -> rusqlite::Result<i64> {
    connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| {
        row.get(1)
    })
}
