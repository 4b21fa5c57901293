//! Copying a database with what stands in its WAL, while others write to it.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use crate::StoreError;

/// How many pages are copied between two reports of progress: 4 MiB.
const STEP: i32 = 1024;

/// Copies what the connection sees into a new file of this user alone, which is synced when this
/// returns. When the connection is in a read transaction, that is one moment, and nobody who
/// writes has to wait. `progress` is told the bytes copied so far and in all.
pub(in crate::embedded) fn copy(
    source: &Connection,
    to: &Path,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(), StoreError> {
    let failed = |error: &dyn std::fmt::Display| StoreError::Unreadable {
        path: to.display().to_string(),
        why: error.to_string(),
    };
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(to)
        .map_err(|error| failed(&error))?;
    let page: u32 = source.pragma_query_value(None, "page_size", |row| row.get(0))?;
    let mut target = Connection::open(to)?;
    // One sync at the end is enough: an unfinished copy is thrown away.
    target.execute_batch("PRAGMA synchronous = OFF;")?;
    {
        let backup = Backup::new(source, &mut target)?;
        loop {
            let step = backup.step(STEP)?;
            let now = backup.progress();
            let bytes = |pages: i32| u64::try_from(pages).unwrap_or(0) * u64::from(page);
            let all = bytes(now.pagecount);
            progress(all.saturating_sub(bytes(now.remaining)), all);
            match step {
                StepResult::Done => break,
                StepResult::More => {}
                // Only somebody who changes the schema locks so much; that is rare and short.
                _ => std::thread::sleep(std::time::Duration::from_millis(10)),
            }
        }
    }
    target.close().map_err(|(_, error)| failed(&error))?;
    file.sync_all().map_err(|error| failed(&error))
}
