//! Proofs that a leaf stands in a tree.

use tlog_tiles::{Hash, check_record, prove_record};

use crate::tile_hashes::TileHashes;
use crate::{LeafHash, LedgerError, MAX_LOG_SIZE, TileSource};

/// No proof in a tree of less than 2^64 leaves is longer.
pub(crate) const MAX_PROOF: usize = 64;

/// The RFC 6962 audit path of a leaf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InclusionProof {
    /// The index of the leaf.
    pub index: u64,
    /// The size of the tree.
    pub size: u64,
    /// The hash of the leaf.
    pub leaf: LeafHash,
    /// The path from the leaf to the root.
    pub hashes: Vec<[u8; 32]>,
}

/// Proves from stored tiles that the leaf at `index` stands in the tree of this size. The
/// tiles are taken as they are: check the proof against a signed root.
pub fn prove_inclusion(
    tiles: &impl TileSource,
    index: u64,
    size: u64,
) -> Result<InclusionProof, LedgerError> {
    check_range(index, size)?;
    let reader = TileHashes::new(tiles, size);
    let leaf = LeafHash(reader.leaf(index)?.0);
    let proof = prove_record(size, index, &reader).map_err(|_| reader.failure())?;
    Ok(InclusionProof {
        index,
        size,
        leaf,
        hashes: proof.into_iter().map(|hash| hash.0).collect(),
    })
}

/// Checks a proof against the root of a checkpoint of the proof's size.
pub fn verify_inclusion(proof: &InclusionProof, root: &[u8; 32]) -> Result<(), LedgerError> {
    check_range(proof.index, proof.size)?;
    if proof.hashes.len() > MAX_PROOF {
        return Err(LedgerError::BadProof);
    }
    let path = proof.hashes.iter().map(|hash| Hash(*hash)).collect();
    check_record(
        &path,
        proof.size,
        Hash(*root),
        proof.index,
        Hash(proof.leaf.0),
    )
    .map_err(|_| LedgerError::BadProof)
}

fn check_range(index: u64, size: u64) -> Result<(), LedgerError> {
    if index >= size || size > MAX_LOG_SIZE {
        return Err(LedgerError::OutOfRange {
            asked: index.max(size),
            size: size.min(MAX_LOG_SIZE),
        });
    }
    Ok(())
}
