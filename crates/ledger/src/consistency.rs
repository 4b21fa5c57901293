//! Proofs that a log only grew.

use tlog_tiles::{EMPTY_HASH, Hash, check_tree, prove_tree};

use crate::inclusion::MAX_PROOF;
use crate::tile_hashes::TileHashes;
use crate::{LedgerError, MAX_LOG_SIZE, TileSource};

/// The RFC 6962 proof that an older tree is the beginning of a newer one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsistencyProof {
    /// The size of the older tree.
    pub old_size: u64,
    /// The size of the newer tree.
    pub new_size: u64,
    /// The nodes that lead from one root to the other.
    pub hashes: Vec<[u8; 32]>,
}

/// Proves from stored tiles that the tree of `old_size` is the beginning of the tree of
/// `new_size`. The tiles are taken as they are: check the proof against signed roots.
pub fn prove_consistency(
    tiles: &impl TileSource,
    old_size: u64,
    new_size: u64,
) -> Result<ConsistencyProof, LedgerError> {
    check_range(old_size, new_size)?;
    if old_size == 0 {
        return Ok(ConsistencyProof {
            old_size,
            new_size,
            hashes: Vec::new(),
        });
    }
    let reader = TileHashes::new(tiles, new_size);
    let proof = prove_tree(new_size, old_size, &reader).map_err(|_| reader.failure())?;
    Ok(ConsistencyProof {
        old_size,
        new_size,
        hashes: proof.into_iter().map(|hash| hash.0).collect(),
    })
}

/// Checks a proof against the roots of two checkpoints of the proof's sizes. The empty
/// tree is the beginning of every tree.
pub fn verify_consistency(
    proof: &ConsistencyProof,
    old_root: &[u8; 32],
    new_root: &[u8; 32],
) -> Result<(), LedgerError> {
    check_range(proof.old_size, proof.new_size)?;
    if proof.old_size == 0 {
        let empty = proof.hashes.is_empty() && *old_root == EMPTY_HASH.0;
        let same = proof.new_size > 0 || *new_root == EMPTY_HASH.0;
        return if empty && same {
            Ok(())
        } else {
            Err(LedgerError::BadProof)
        };
    }
    if proof.hashes.len() > MAX_PROOF {
        return Err(LedgerError::BadProof);
    }
    let nodes = proof.hashes.iter().map(|hash| Hash(*hash)).collect();
    check_tree(
        &nodes,
        proof.new_size,
        Hash(*new_root),
        proof.old_size,
        Hash(*old_root),
    )
    .map_err(|_| LedgerError::BadProof)
}

fn check_range(old_size: u64, new_size: u64) -> Result<(), LedgerError> {
    if old_size > new_size || new_size > MAX_LOG_SIZE {
        return Err(LedgerError::OutOfRange {
            asked: old_size.max(new_size),
            size: new_size.min(MAX_LOG_SIZE),
        });
    }
    Ok(())
}
