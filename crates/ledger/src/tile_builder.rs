//! Builds hash tiles as leaves arrive.

use tlog_tiles::{HASH_SIZE, Hash, Tile};

use crate::tile_hashes::read_tile;
use crate::tile_source::{TILE_HEIGHT, TILE_WIDTH};
use crate::{LeafHash, LedgerError, MAX_LOG_SIZE, TileSource, TreeState};

/// One tile of hashes (C2SP tlog-tiles, height 8) as it is to be stored. A partial tile is
/// stored under the same level and `n` again as it grows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashTile {
    /// The level: 0 holds leaf hashes.
    pub level: u8,
    /// The index in its level.
    pub n: u64,
    /// 1 to 256 hashes of 32 bytes.
    pub bytes: Vec<u8>,
}

impl HashTile {
    /// The number of hashes.
    pub fn width(&self) -> usize {
        self.bytes.len() / HASH_SIZE
    }
}

/// The partial tiles on the right edge of a log: a stream of leaf hashes goes in, the
/// tiles that changed come out. It holds at most 8 KiB for each of its few levels.
#[derive(Debug, Clone, Default)]
pub struct TileBuilder {
    size: u64,
    /// The bytes of the partial tile of each level; never a full tile.
    rows: Vec<Vec<u8>>,
}

impl TileBuilder {
    /// The tiles of an empty log.
    pub fn new() -> Self {
        Self::default()
    }

    /// Goes on with a log of this size, whose partial tiles are read. They are taken as they
    /// are: compare [`TileBuilder::state`] with the state that the log is known to have.
    pub fn open(size: u64, tiles: &impl TileSource) -> Result<Self, LedgerError> {
        if size > MAX_LOG_SIZE {
            return Err(LedgerError::Full);
        }
        let mut rows = Vec::new();
        for level in 0u8.. {
            let count = size >> (TILE_HEIGHT * level);
            if count == 0 {
                break;
            }
            let (n, width) = (count / TILE_WIDTH, count % TILE_WIDTH);
            let width = u16::try_from(width).map_err(|_| LedgerError::BadTile { level, n })?;
            rows.push(if width == 0 {
                Vec::new()
            } else {
                read_tile(tiles, level, n, width)?
            });
        }
        Ok(Self { size, rows })
    }

    /// The bytes that [`TileBuilder::unpack`] reads: the partial tiles, from level 0 up. At most
    /// 8 KiB for each level.
    pub fn pack(&self) -> Vec<u8> {
        self.rows.concat()
    }

    /// Goes on with a log of this size from what [`TileBuilder::pack`] gave. The hashes are taken
    /// as they are.
    ///
    /// # Errors
    /// `Full` or `BadState` when the bytes do not fit the size.
    pub fn unpack(size: u64, mut bytes: &[u8]) -> Result<Self, LedgerError> {
        if size > MAX_LOG_SIZE {
            return Err(LedgerError::Full);
        }
        let misfit = || LedgerError::BadState("its partial tiles do not fit its size");
        let mut rows = Vec::new();
        for level in 0u8.. {
            let count = size >> (TILE_HEIGHT * level);
            if count == 0 {
                break;
            }
            let width = usize::try_from(count % TILE_WIDTH).map_err(|_| misfit())?;
            let (row, rest) = bytes
                .split_at_checked(width * HASH_SIZE)
                .ok_or_else(misfit)?;
            rows.push(row.to_vec());
            bytes = rest;
        }
        if bytes.is_empty() {
            Ok(Self { size, rows })
        } else {
            Err(misfit())
        }
    }

    /// The partial tiles, as they are to be stored when the log goes on from here.
    pub fn partial_tiles(&self) -> Vec<HashTile> {
        let rows = (0u8..).zip(&self.rows).filter(|(_, row)| !row.is_empty());
        rows.map(|(level, row)| HashTile {
            level,
            n: (self.size >> (TILE_HEIGHT * level)) / TILE_WIDTH,
            bytes: row.clone(),
        })
        .collect()
    }

    /// The number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The tree that the tiles describe.
    pub fn state(&self) -> TreeState {
        let mut edge = Vec::new();
        for row in self.rows.iter().rev() {
            let mut rest = row.as_slice();
            // A row falls into complete subtrees, one for each bit of its width.
            for bit in (0..TILE_HEIGHT).rev() {
                let len = HASH_SIZE << bit;
                if (row.len() & len) != 0
                    && let Some((subtree, right)) = rest.split_at_checked(len)
                {
                    edge.push(Tile::subtree_hash(subtree).0);
                    rest = right;
                }
            }
        }
        TreeState {
            size: self.size,
            edge,
        }
    }

    /// Adds leaves and gives every tile that changed, each once, with its latest bytes.
    pub fn append(&mut self, leaves: &[LeafHash]) -> Vec<HashTile> {
        let mut full = Vec::new();
        let before = self.size;
        for leaf in leaves {
            self.push(*leaf, &mut full);
        }
        for (level, row) in (0u8..).zip(&self.rows) {
            let shift = TILE_HEIGHT * level;
            if !row.is_empty() && before >> shift != self.size >> shift {
                full.push(HashTile {
                    level,
                    n: (self.size >> shift) / TILE_WIDTH,
                    bytes: row.clone(),
                });
            }
        }
        full
    }

    fn push(&mut self, leaf: LeafHash, full: &mut Vec<HashTile>) {
        self.size += 1;
        let mut hash = Hash(leaf.0);
        for level in 0u8.. {
            if self.rows.len() <= usize::from(level) {
                self.rows.push(Vec::new());
            }
            let Some(row) = self.rows.get_mut(usize::from(level)) else {
                return;
            };
            row.extend(hash.0);
            if (row.len() as u64) < TILE_WIDTH * HASH_SIZE as u64 {
                return;
            }
            // A full tile is one hash of the level above.
            let bytes = std::mem::take(row);
            hash = Tile::subtree_hash(&bytes);
            let n = (self.size >> (TILE_HEIGHT * level)) / TILE_WIDTH - 1;
            full.push(HashTile { level, n, bytes });
        }
    }
}

#[cfg(test)]
mod tests;
