//! Follows stored leaf hashes beside the real ones.

use std::collections::BTreeMap;

use super::Head;
use crate::{LeafHash, TreeState};

/// Follows stored leaf hashes beside the real ones: where do the two first differ, and how
/// far do the stored ones hash to a signed checkpoint?
pub(super) struct HintTrack<'h> {
    /// The index of the first hash.
    first: u64,
    hashes: Box<dyn Iterator<Item = LeafHash> + 'h>,
    tree: TreeState,
    differs_at: Option<u64>,
    proven: u64,
    /// The hashes that were asked for, of pruned leaves.
    noted: BTreeMap<u64, LeafHash>,
    /// The tree over the pruned leaves, when the hints reach so far.
    start: Option<TreeState>,
    /// The first signed head whose root is another than that of the hints, with the size of
    /// the largest one before it that agrees.
    contradicted: Option<(u64, u64, String)>,
}

impl<'h> HintTrack<'h> {
    pub(super) fn none() -> Self {
        Self::new(0, Box::new(std::iter::empty()))
    }

    pub(super) fn new(first: u64, hashes: Box<dyn Iterator<Item = LeafHash> + 'h>) -> Self {
        Self {
            first,
            hashes,
            tree: TreeState::new(),
            differs_at: None,
            proven: 0,
            noted: BTreeMap::new(),
            start: None,
            contradicted: None,
        }
    }

    /// Takes the hashes of the pruned leaves, and notes those that are asked for. Where they
    /// begin later, the summary of the pruned leaves stands for those that there are not.
    pub(super) fn skip(
        &mut self,
        start: &TreeState,
        heads: &BTreeMap<u64, Vec<Head>>,
        asked: impl Fn(u64) -> bool,
    ) {
        if self.first > 0 {
            if self.first <= start.size {
                for _ in self.first..start.size {
                    self.hashes.next();
                }
                self.tree = start.clone();
            } else {
                self.hashes = Box::new(std::iter::empty());
            }
            return;
        }
        while self.tree.size < start.size {
            let Some(hint) = self.hashes.next() else {
                return;
            };
            let index = self.tree.size;
            if asked(index) {
                self.noted.insert(index, hint);
            }
            self.append(hint, heads);
        }
        self.start = Some(self.tree.clone());
    }

    /// Whether there was a hint for every pruned leaf.
    pub(super) fn is_whole(&self) -> bool {
        self.start.is_some()
    }

    /// Whether the hints of the pruned leaves are what signed checkpoints demand of this log:
    /// one that covers all of them agrees.
    pub(super) fn proves_start(&self, start: &TreeState) -> bool {
        self.start.is_some() && start.size <= self.proven
    }

    /// Whether the given summary of the pruned leaves is certainly another than the real one.
    pub(super) fn refutes_start(&self, start: &TreeState) -> bool {
        self.proves_start(start) && self.start.as_ref() != Some(start)
    }

    /// The hash of a pruned leaf that was asked for.
    pub(super) fn noted(&self, index: u64) -> Option<&LeafHash> {
        self.noted.get(&index)
    }

    /// The smallest signed head that contradicts the hints: its size, the size that was proven
    /// before, and its label.
    pub(super) fn contradicted(&self) -> Option<&(u64, u64, String)> {
        self.contradicted.as_ref()
    }

    /// Whether the stored hash at this index, which agreed with the leaf, is proven.
    pub(super) fn is_proven(&self, index: u64) -> bool {
        index < self.proven
    }

    /// Takes the next stored hash and compares it with the hash of the real leaf. What is
    /// stored may end a little before the log does; from there on the real leaves stand in:
    /// if all of it together hashes to a signed checkpoint, every part of it is proven.
    /// True when there is a stored hash, and it is that of the leaf.
    pub(super) fn compare(&mut self, actual: &LeafHash, heads: &BTreeMap<u64, Vec<Head>>) -> bool {
        let index = self.tree.size;
        match self.hashes.next() {
            Some(hint) => {
                self.append(hint, heads);
                if hint != *actual {
                    self.differs_at.get_or_insert(index);
                }
                hint == *actual
            }
            // Without a difference, and without pruned leaves, there is nothing to prove.
            None if self.differs_at.is_some() || self.start.is_some() => {
                self.append(*actual, heads);
                false
            }
            None => false,
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
            let other = heads.iter().find(|head| head.root != root);
            if let (Some(head), None) = (other, &self.contradicted) {
                self.contradicted = Some((self.tree.size, self.proven, head.label.clone()));
            }
            if heads.iter().any(|head| head.root == root) {
                self.proven = self.tree.size;
            }
        }
    }
}
