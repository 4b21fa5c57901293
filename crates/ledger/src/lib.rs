//! Canonical event bytes, Merkle tree, checkpoints, proofs and offline verification.
