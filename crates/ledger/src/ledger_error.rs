//! Why something of the ledger cannot be made, read or proved.

use thiserror::Error;

/// Why something of the ledger cannot be made, read or proved.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LedgerError {
    /// The event has no exact canonical form.
    #[error("the event has no canonical form: {0}")]
    Uncanonical(String),
    /// The state of a tree contradicts itself.
    #[error("the state of the tree is damaged: {0}")]
    BadState(&'static str),
    /// The log has no room left.
    #[error("the log is full: open a new one")]
    Full,
    /// The text is not a checkpoint signed by the key.
    #[error("bad checkpoint: {0}")]
    BadCheckpoint(String),
    /// The text is not a note verifier key.
    #[error("not a verifier key of the form `origin+hash+key` for Ed25519: {0}")]
    BadVerifierKey(&'static str),
    /// An origin must be a valid name of a note key.
    #[error("`{0}` is not an origin: use 1 to 255 characters without spaces and `+`")]
    BadOrigin(String),
    /// The text is not a receipt.
    #[error("not a receipt of the form `log=\"log_…\"; index=N; leaf=BASE64`: {0}")]
    BadReceipt(&'static str),
    /// The evidence belongs to another log.
    #[error("the receipt is for log `{0}`")]
    OtherLog(caracal_core::LogId),
    /// Evidence came after the first leaf, when it could no longer be checked.
    #[error("give all evidence before the first leaf")]
    TooLate,
    /// The index or size does not exist in the tree.
    #[error("index or size {asked} is beyond the tree of size {size}")]
    OutOfRange {
        /// What was asked for.
        asked: u64,
        /// The size of the tree.
        size: u64,
    },
    /// A tile has the wrong length.
    #[error("tile {level}/{n} has the wrong length")]
    BadTile {
        /// The level of the tile.
        level: u8,
        /// The index of the tile in its level.
        n: u64,
    },
    /// A [`crate::TileSource`] could not read a tile.
    #[error("cannot read a tile: {0}")]
    Source(String),
    /// The proof does not prove what it claims.
    #[error("the proof does not hold")]
    BadProof,
}
