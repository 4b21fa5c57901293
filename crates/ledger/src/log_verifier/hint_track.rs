//! Follows stored leaf hashes beside the real ones.

use std::collections::BTreeMap;

use super::Head;
use crate::{LeafHash, TreeState};

/// Follows stored leaf hashes beside the real ones: where do the two first differ, and how
/// far do the stored ones hash to a signed checkpoint?
pub(super) struct HintTrack<'h> {
    hashes: Box<dyn Iterator<Item = LeafHash> + 'h>,
    tree: TreeState,
    differs_at: Option<u64>,
    proven: u64,
}

impl<'h> HintTrack<'h> {
    pub(super) fn none() -> Self {
        Self::new(Box::new(std::iter::empty()))
    }

    pub(super) fn new(hashes: Box<dyn Iterator<Item = LeafHash> + 'h>) -> Self {
        Self {
            hashes,
            tree: TreeState::new(),
            differs_at: None,
            proven: 0,
        }
    }

    /// Takes the next stored hash and compares it with the hash of the real leaf. What is
    /// stored may end a little before the log does; from there on the real leaves stand in:
    /// if all of it together hashes to a signed checkpoint, every part of it is proven.
    pub(super) fn compare(&mut self, actual: &LeafHash, heads: &BTreeMap<u64, Vec<Head>>) {
        let index = self.tree.size;
        match self.hashes.next() {
            Some(hint) => {
                self.append(hint, heads);
                if hint != *actual {
                    self.differs_at.get_or_insert(index);
                }
            }
            // Without a difference there is nothing to prove.
            None if self.differs_at.is_some() => self.append(*actual, heads),
            None => {}
        }
    }

    /// Takes what is left, up to the size of the largest checkpoint.
    pub(super) fn drain(&mut self, largest: u64, heads: &BTreeMap<u64, Vec<Head>>) {
        while self.tree.size < largest
            && let Some(hint) = self.hashes.next()
        {
            self.append(hint, heads);
        }
    }

    /// The first difference, if the stored hash there is proven.
    pub(super) fn located(&self) -> Option<u64> {
        self.differs_at.filter(|index| *index < self.proven)
    }

    fn append(&mut self, hash: LeafHash, heads: &BTreeMap<u64, Vec<Head>>) {
        self.tree.append(hash);
        if let Some(heads) = heads.get(&self.tree.size) {
            let root = self.tree.root();
            if heads.iter().any(|head| head.root == root) {
                self.proven = self.tree.size;
            }
        }
    }
}
