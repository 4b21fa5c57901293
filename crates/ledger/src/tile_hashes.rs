//! Reads the nodes of a tree out of its tiles.

use std::cell::RefCell;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

use tlog_tiles::{Error, HASH_SIZE, Hash, HashReader, Tile, split_stored_hash_index};

use crate::tile_source::{TILE_HEIGHT, TILE_WIDTH};
use crate::{LedgerError, TileSource};

/// The nodes of a tree of a fixed size, read from tiles. Each tile is read once.
pub(crate) struct TileHashes<'a, T> {
    source: &'a T,
    size: u64,
    cache: RefCell<HashMap<(u8, u64), Vec<u8>>>,
    failure: RefCell<Option<LedgerError>>,
}

impl<'a, T: TileSource> TileHashes<'a, T> {
    pub(crate) fn new(source: &'a T, size: u64) -> Self {
        Self {
            source,
            size,
            cache: RefCell::default(),
            failure: RefCell::default(),
        }
    }

    /// Why the last read failed, which the error type of the library cannot carry.
    pub(crate) fn failure(&self) -> LedgerError {
        self.failure.take().unwrap_or(LedgerError::BadProof)
    }

    pub(crate) fn leaf(&self, index: u64) -> Result<Hash, LedgerError> {
        self.hash(tlog_tiles::stored_hash_index(0, index))
    }

    fn hash(&self, index: u64) -> Result<Hash, LedgerError> {
        let (level, n) = split_stored_hash_index(index);
        let tile_level = level / TILE_HEIGHT;
        let tile_n = (n << (level % TILE_HEIGHT)) >> TILE_HEIGHT;
        let bad = || LedgerError::BadTile {
            level: tile_level,
            n: tile_n,
        };
        let filled = (self.size >> (TILE_HEIGHT * tile_level)).saturating_sub(tile_n * TILE_WIDTH);
        let width = u16::try_from(filled.min(TILE_WIDTH)).map_err(|_| bad())?;
        if width == 0 {
            return Err(LedgerError::OutOfRange {
                asked: n << level,
                size: self.size,
            });
        }
        let mut cache = self.cache.borrow_mut();
        let bytes = match cache.entry((tile_level, tile_n)) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(free) => free.insert(read_tile(self.source, tile_level, tile_n, width)?),
        };
        let tile = Tile::new(TILE_HEIGHT, tile_level, tile_n, width.into(), false);
        tile.hash_at_index(bytes, index).map_err(|_| bad())
    }
}

impl<T: TileSource> HashReader for TileHashes<'_, T> {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, Error> {
        let hashes: Result<_, _> = indexes.iter().map(|&index| self.hash(index)).collect();
        hashes.map_err(|failure| {
            self.failure.replace(Some(failure));
            Error::InvalidTile
        })
    }
}

/// Reads a tile and checks its length.
pub(crate) fn read_tile(
    source: &impl TileSource,
    level: u8,
    n: u64,
    width: u16,
) -> Result<Vec<u8>, LedgerError> {
    let bytes = source.tile(level, n, width)?;
    if bytes.len() != usize::from(width) * HASH_SIZE {
        return Err(LedgerError::BadTile { level, n });
    }
    Ok(bytes)
}
