//! The hash tiles of the logs' trees.

use std::collections::HashMap;

use caracal_core::LogId;
use caracal_ledger::{HashTile, LeafHash, LedgerError, TileBuilder, TileSource};
use rusqlite::{Connection, OptionalExtension};

use crate::StoreError;
use crate::embedded::ledger::read_pruned;
use crate::embedded::number::{signed, unsigned};

/// How many logs' right edges are kept in memory.
const MOST: usize = 1024;

/// The growing trees.
#[derive(Default)]
pub(super) struct Trees {
    builders: HashMap<String, TileBuilder>,
}

impl Trees {
    /// Forgets what may not have been committed.
    pub(super) fn forget(&mut self) {
        self.builders.clear();
    }

    /// Adds leaves of a log. One that is not the next of its log is not in the tree: somebody
    /// tampered with the ledger, and verification will say where.
    pub(super) fn append(
        &mut self,
        connection: &Connection,
        ledger: &Connection,
        log: &str,
        leaves: &[(u64, LeafHash)],
    ) -> Result<(), StoreError> {
        if self.builders.len() >= MOST && !self.builders.contains_key(log) {
            self.builders.clear();
        }
        let builder = match self.builders.entry(log.to_owned()) {
            std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::hash_map::Entry::Vacant(entry) => {
                entry.insert(open(connection, log)?)
            }
        };
        // What was pruned cannot be hashed any more: the ledger keeps what stands for it.
        if leaves
            .first()
            .is_some_and(|(index, _)| *index > builder.size())
        {
            skip_pruned(connection, ledger, log, builder)?;
        }
        let mut next = Vec::with_capacity(leaves.len());
        let mut size = builder.size();
        for (index, leaf) in leaves {
            if *index == size {
                next.push(*leaf);
                size += 1;
            }
        }
        if next.is_empty() {
            return Ok(());
        }
        store(connection, log, builder.append(&next))?;
        connection
            .prepare_cached(
                "INSERT INTO trees (log, size) VALUES ($1, $2) ON CONFLICT (log) DO UPDATE SET size = excluded.size",
            )?
            .execute((log, signed(size)))?;
        Ok(())
    }
}

/// Goes on behind the pruned leaves, where they are more than the tree has.
fn skip_pruned(
    connection: &Connection,
    ledger: &Connection,
    log: &str,
    builder: &mut TileBuilder,
) -> Result<(), StoreError> {
    // A damaged log is verified without its tiles.
    let Ok(id) = log.parse() else { return Ok(()) };
    match read_pruned(ledger, "main", id) {
        Ok(pruned) if pruned.tiles.size() > builder.size() => {
            store(connection, log, pruned.tiles.partial_tiles())?;
            *builder = pruned.tiles;
        }
        Ok(_) => {}
        Err(error) => tracing::warn!(%error, log, "the tiles of a log begin later"),
    }
    Ok(())
}

fn store(connection: &Connection, log: &str, tiles: Vec<HashTile>) -> Result<(), StoreError> {
    for tile in tiles {
        connection
            .prepare_cached(
                "INSERT INTO tiles (log, level, n, data) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (log, level, n) DO UPDATE SET data = excluded.data",
            )?
            .execute((log, tile.level, signed(tile.n), tile.bytes))?;
    }
    Ok(())
}

fn open(connection: &Connection, log: &str) -> Result<TileBuilder, StoreError> {
    let size: Option<i64> = connection
        .prepare_cached("SELECT size FROM trees WHERE log = $1")?
        .query_row([log], |row| row.get(0))
        .optional()?;
    let size = unsigned(size.unwrap_or(0))?;
    TileBuilder::open(size, &Stored { connection, log })
        .map_err(|error| StoreError::Damaged(format!("the tiles of `{log}`: {error}")))
}

/// The tiles of a log in the index.
pub(super) struct Stored<'a> {
    connection: &'a Connection,
    log: &'a str,
}

impl<'a> Stored<'a> {
    pub(super) fn new(connection: &'a Connection, log: &'a str) -> Self {
        Self { connection, log }
    }
}

impl TileSource for Stored<'_> {
    fn tile(&self, level: u8, n: u64, width: u16) -> Result<Vec<u8>, LedgerError> {
        find(self.connection, self.log, level, n, width)
            .ok()
            .flatten()
            .ok_or(LedgerError::BadTile { level, n })
    }
}

fn find(
    connection: &Connection,
    log: &str,
    level: u8,
    n: u64,
    width: u16,
) -> Result<Option<Vec<u8>>, StoreError> {
    let data: Option<Vec<u8>> = connection
        .prepare_cached("SELECT data FROM tiles WHERE log = $1 AND level = $2 AND n = $3")?
        .query_row((log, level, signed(n)), |row| row.get(0))
        .optional()?;
    let length = usize::from(width) * 32;
    Ok(data.filter(|data| data.len() >= length).map(|mut data| {
        data.truncate(length);
        data
    }))
}

/// The first `width` hashes of a tile.
pub(super) fn tile(
    connection: &Connection,
    log: LogId,
    level: u8,
    n: u64,
    width: u16,
) -> Result<Vec<u8>, StoreError> {
    find(connection, &log.to_string(), level, n, width)?.ok_or_else(|| {
        StoreError::Damaged(format!("`{log}` has no tile {level}/{n} of width {width}"))
    })
}

/// The leaf hashes of a log from the first that is stored to where they end, and its index.
pub(in crate::embedded) fn leaf_hashes(
    connection: &Connection,
    log: LogId,
) -> Result<(u64, Vec<LeafHash>), StoreError> {
    let mut statement =
        connection.prepare("SELECT n, data FROM tiles WHERE log = $1 AND level = 0 ORDER BY n")?;
    let mut rows = statement.query([log.to_string()])?;
    let (mut begin, mut hashes) = (0, Vec::new());
    while let Some(row) = rows.next()? {
        let first = unsigned(row.get(0)?)?.saturating_mul(256);
        if hashes.is_empty() {
            begin = first;
        }
        if u64::try_from(hashes.len()).ok() != first.checked_sub(begin) {
            break;
        }
        let data: Vec<u8> = row.get(1)?;
        hashes.extend(data.as_chunks::<32>().0.iter().map(|hash| LeafHash(*hash)));
    }
    Ok((begin, hashes))
}
