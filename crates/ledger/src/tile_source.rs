//! Where hash tiles are read.

use crate::LedgerError;

/// The height of a tile: it holds up to 2^8 hashes.
pub(crate) const TILE_HEIGHT: u8 = 8;

/// The number of hashes in a full tile.
pub(crate) const TILE_WIDTH: u64 = 1 << TILE_HEIGHT;

/// Where hash tiles (C2SP tlog-tiles, height 8) are read.
pub trait TileSource {
    /// The first `width` (1 to 256) hashes of the `n`th tile of a level: exactly
    /// `32 * width` bytes. The tile may be stored wider. At level 0 the hashes are those of
    /// the leaves, above they are the roots of the full tiles below.
    ///
    /// # Errors
    /// `Source` when the tile cannot be read or is not there.
    fn tile(&self, level: u8, n: u64, width: u16) -> Result<Vec<u8>, LedgerError>;
}

impl<T: TileSource + ?Sized> TileSource for &T {
    fn tile(&self, level: u8, n: u64, width: u16) -> Result<Vec<u8>, LedgerError> {
        (**self).tile(level, n, width)
    }
}
