//! What the index says of leaves that are gone.
//!
//! A block of leaves is written anew once some of them were pruned: with the terms of those that
//! are kept, or not at all.

use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::embedded::database;

/// How often is looked for such blocks.
const EACH: Duration = Duration::from_secs(60);
/// Terms are found by value and not by block, so that all of them are passed over to remove
/// some. With fewer blocks than this it is left for later, at most so long.
const FEW: usize = 16;
const LATER: Duration = Duration::from_secs(3600);
/// How many blocks are written anew in one transaction.
const MOST: usize = 64;
/// The most pages that are given back to the disk with them.
const FREED: u32 = 1024;

/// When the index is cleaned next.
#[derive(Default)]
pub(super) struct Cleaning {
    looked: Option<Instant>,
    cleaned: Option<Instant>,
}

impl Cleaning {
    pub(super) fn is_due(&mut self) -> bool {
        let is_due = self.looked.is_none_or(|at| at.elapsed() >= EACH);
        if is_due {
            self.looked = Some(Instant::now());
        }
        is_due
    }

    /// Which of the blocks go now, in parts for a transaction each.
    pub(super) fn choose<'a>(&mut self, blocks: &'a [i64]) -> std::slice::Chunks<'a, i64> {
        let waits = self.cleaned.is_some_and(|at| at.elapsed() < LATER);
        if blocks.len() < FEW && waits {
            return [].chunks(MOST);
        }
        self.cleaned = Some(Instant::now());
        blocks.chunks(MOST)
    }
}

/// The blocks in which some log had leaves that are gone, in order.
pub(super) fn find_dirty(index: &Connection, ledger: &Connection) -> rusqlite::Result<Vec<i64>> {
    let mut pruned = ledger.prepare_cached("SELECT log, size FROM pruned")?;
    let mut logs = pruned.query([])?;
    let mut ranges =
        index.prepare_cached("SELECT block FROM ranges WHERE log = $1 AND first < $2")?;
    let mut blocks = Vec::new();
    while let Some(row) = logs.next()? {
        let (log, size): (String, i64) = (row.get(0)?, row.get(1)?);
        for block in ranges.query_map((log, size), |row| row.get(0))? {
            blocks.push(block?);
        }
    }
    blocks.sort_unstable();
    blocks.dedup();
    Ok(blocks)
}

/// Removes everything that is said of these blocks. What is kept in them is written again.
pub(super) fn forget(index: &Connection, blocks: &[i64]) -> rusqlite::Result<()> {
    index.execute_batch("CREATE TEMP TABLE IF NOT EXISTS dirty (block INTEGER PRIMARY KEY)")?;
    index.execute("DELETE FROM dirty", [])?;
    let mut insert = index.prepare_cached("INSERT INTO dirty (block) VALUES ($1)")?;
    for block in blocks {
        insert.execute([block])?;
    }
    for table in ["terms", "ranges", "blocks"] {
        index.execute(
            &format!("DELETE FROM {table} WHERE block IN (SELECT block FROM dirty)"),
            [],
        )?;
    }
    database::give_back(index, FREED)
}
