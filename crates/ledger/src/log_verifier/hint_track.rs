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

    /// Takes the next stored hash and compares it with the hash of the real leaf.
    pub(super) fn compare(&mut self, actual: &LeafHash, heads: &BTreeMap<u64, Vec<Head>>) {
        let index = self.tree.size;
        if let Some(hint) = self.advance(heads)
            && hint != *actual
        {
            self.differs_at.get_or_insert(index);
        }
    }

    /// Takes what is left, up to the size of the largest checkpoint.
    pub(super) fn drain(&mut self, largest: u64, heads: &BTreeMap<u64, Vec<Head>>) {
        while self.tree.size < largest && self.advance(heads).is_some() {}
    }

    /// The first difference, if the stored hash there is proven.
    pub(super) fn located(&self) -> Option<u64> {
        self.differs_at.filter(|index| *index < self.proven)
    }

    fn advance(&mut self, heads: &BTreeMap<u64, Vec<Head>>) -> Option<LeafHash> {
        let hint = self.hashes.next()?;
        self.tree.append(hint);
        if let Some(heads) = heads.get(&self.tree.size) {
            let root = self.tree.root();
            if heads.iter().any(|head| head.root == root) {
                self.proven = self.tree.size;
            }
        }
        Some(hint)
    }
}
