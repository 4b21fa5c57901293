//! The ledger: canonical event bytes, Merkle trees, signed checkpoints, receipts, proofs and
//! offline verification.
//!
//! It is pure: no I/O, no clock, no randomness; bytes come in as arguments and through
//! [`TileSource`]. It must never invent a Merkle or note format: trees are RFC 6962, tiles
//! are C2SP tlog-tiles, checkpoints are C2SP signed notes, leaves are RFC 8785 JSON. And it
//! must never take a stored hash for evidence before it hashes to a signed checkpoint.

mod chain;
mod checkpoint;
mod consistency;
mod inclusion;
mod leaf;
mod leaf_draft;
mod ledger_error;
mod log;
mod log_report;
mod log_verifier;
mod note_key;
mod receipt;
mod tile_builder;
mod tile_hashes;
mod tile_source;
mod tree_state;

#[cfg(test)]
mod fixture;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzz;

pub use chain::chain_hash;
pub use checkpoint::{Checkpoint, open_checkpoint};
pub use consistency::{ConsistencyProof, prove_consistency, verify_consistency};
pub use inclusion::{InclusionProof, prove_inclusion, verify_inclusion};
pub use leaf::{LeafHash, MAX_LEAF_BYTES, leaf_hash};
pub use leaf_draft::LeafDraft;
pub use ledger_error::LedgerError;
pub use log::Log;
pub use log_report::{BadCheckpoint, BadLeaf, LogReport};
pub use log_verifier::LogVerifier;
pub use note_key::{origin_of, verifier_key};
pub use receipt::Receipt;
pub use tile_builder::{HashTile, TileBuilder};
pub use tile_source::TileSource;
pub use tree_state::{MAX_LOG_SIZE, TreeState};
