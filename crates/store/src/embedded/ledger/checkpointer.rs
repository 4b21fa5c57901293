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
const PAUSE: Duration = Duration::from_millis(50);

/// When the WAL has grown to so many pages, 64 MiB, the writer is asked to start it anew.
const LARGE: i64 = 16 * 1024;

/// Runs until the writer ends. The flag asks the writer to truncate the WAL.
pub(super) fn start(
    path: &Path,
    written: Nudged,
    followers: &Followers,
) -> Result<Arc<AtomicBool>, StoreError> {
    let truncate = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&truncate);
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
    Ok(truncate)
}

/// The pages in the WAL.
pub(super) fn checkpoint(connection: &Connection, mode: &str) -> rusqlite::Result<i64> {
    connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| {
        row.get(1)
    })
}
