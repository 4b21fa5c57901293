//! The right edge of a growing tree.

use serde::{Deserialize, Serialize};
use tlog_tiles::{EMPTY_HASH, Hash, node_hash};

use crate::{LeafHash, LedgerError};

/// The largest number of leaves of one log. Below it every index is exact in JSON, and no
/// arithmetic on tiles overflows.
pub const MAX_LOG_SIZE: u64 = 1 << 48;

/// All that is needed to append to a tree and to know its root: the roots of its complete
/// subtrees, the largest first. There is one for each bit of the size.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreeState {
    /// The number of leaves.
    pub size: u64,
    /// The roots of the complete subtrees, from the left.
    pub edge: Vec<[u8; 32]>,
}

impl TreeState {
    /// The tree without leaves.
    pub fn new() -> Self {
        Self::default()
    }

    /// The RFC 6962 root.
    pub fn root(&self) -> [u8; 32] {
        let mut subtrees = self.edge.iter().rev();
        let Some(last) = subtrees.next() else {
            return EMPTY_HASH.0;
        };
        subtrees
            .fold(Hash(*last), |right, left| node_hash(Hash(*left), right))
            .0
    }

    /// Adds a leaf on the right.
    pub fn append(&mut self, leaf: LeafHash) {
        let mut node = Hash(leaf.0);
        // Every trailing one of the size is a subtree that this leaf completes.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.edge.pop() {
                node = node_hash(Hash(left), node);
            }
        }
        self.edge.push(node.0);
        self.size += 1;
    }

    /// Refuses a state whose edge does not fit its size.
    pub fn check(&self) -> Result<(), LedgerError> {
        if self.size > MAX_LOG_SIZE {
            return Err(LedgerError::BadState("its size is beyond 2^48"));
        }
        if self.edge.len() != self.size.count_ones() as usize {
            return Err(LedgerError::BadState("its edge does not fit its size"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
