//! Offline verification of one log.

use std::collections::BTreeMap;

use caracal_core::LogId;
use serde_json::Value;

use crate::checkpoint::open_with;
use crate::note_key::NoteVerifier;
use crate::{
    BadCheckpoint, BadLeaf, LeafHash, LedgerError, LogReport, MAX_LEAF_BYTES, Receipt, TreeState,
    leaf_hash,
};

mod hint_track;

use hint_track::HintTrack;

/// Verifies one log from its leaf bytes, in one pass and in constant memory apart from the
/// evidence itself. Give the evidence first, then every leaf in order, then finish.
///
/// It trusts no stored hash: hints serve to find an altered leaf only where the hints
/// themselves hash to the root of a signed checkpoint.
pub struct LogVerifier<'h> {
    log: LogId,
    verifier: Result<NoteVerifier, String>,
    heads: BTreeMap<u64, Vec<Head>>,
    receipts: BTreeMap<u64, Vec<LeafHash>>,
    bad_checkpoints: Vec<BadCheckpoint>,
    hints: HintTrack<'h>,
    events: u64,
    /// The tree over the leaves up to the first that is certainly bad.
    tree: TreeState,
    covered: u64,
    /// Certainly bad, at exactly this index.
    exact: Option<BadLeaf>,
    /// The first leaf that was stored under another index than the next one.
    displaced: Option<Displaced>,
    /// The smallest size at which a checkpoint has another root.
    mismatch: Option<Mismatch>,
}

/// A signed root.
struct Head {
    root: [u8; 32],
    label: String,
}

struct Mismatch {
    size: u64,
    covered: u64,
    label: String,
}

/// A leaf that is not the next of the log.
struct Displaced {
    /// The index that it is stored under.
    stored_as: u64,
    /// What is said when the right one does not come.
    bad: BadLeaf,
}

impl<'h> LogVerifier<'h> {
    /// A verifier of this log. Without the log's verifier key no checkpoint counts, and only
    /// the sequence and receipts are checked.
    pub fn new(log: LogId, vkey: Option<&str>) -> Self {
        let verifier = vkey
            .ok_or_else(|| "no verifier key of the log was given".to_owned())
            .and_then(|vkey| NoteVerifier::parse(vkey).map_err(|error| error.to_string()));
        Self {
            log,
            verifier,
            heads: BTreeMap::new(),
            receipts: BTreeMap::new(),
            bad_checkpoints: Vec::new(),
            hints: HintTrack::none(),
            events: 0,
            tree: TreeState::new(),
            covered: 0,
            exact: None,
            displaced: None,
            mismatch: None,
        }
    }

    /// Demands what a signed checkpoint says. The label tells people where it came from. One
    /// that does not verify is reported as bad, and the log is then not verified.
    pub fn expect_checkpoint(&mut self, note: &str, label: &str) -> &mut Self {
        if let Err(why) = self.add_checkpoint(note, label) {
            self.bad_checkpoints.push(BadCheckpoint {
                label: label.to_owned(),
                why,
            });
        }
        self
    }

    /// Demands the leaf that a receipt names.
    ///
    /// # Errors
    /// `OtherLog` when it is for another log, `TooLate` after the first leaf.
    pub fn expect_receipt(&mut self, receipt: Receipt) -> Result<&mut Self, LedgerError> {
        if receipt.log != self.log {
            return Err(LedgerError::OtherLog(receipt.log));
        }
        if self.events > 0 {
            return Err(LedgerError::TooLate);
        }
        self.receipts
            .entry(receipt.index)
            .or_default()
            .push(receipt.leaf);
        Ok(self)
    }

    /// Gives the hashes of the leaves from index 0 on, as they are stored beside the log.
    /// They help to find an altered leaf, once they hash to a signed checkpoint, and are
    /// otherwise ignored. They must be given before the first leaf.
    pub fn hint_leaf_hashes(&mut self, hashes: impl Iterator<Item = LeafHash> + 'h) -> &mut Self {
        if self.events == 0 {
            self.hints = HintTrack::new(Box::new(hashes));
        }
        self
    }

    /// Reads the next leaf, and the index it is stored under. One that is not the next of the log
    /// takes no place in it: whether the right one is missing or this one is too many, the end tells.
    pub fn leaf(&mut self, index: u64, bytes: &[u8]) {
        self.events += 1;
        if self.exact.is_some() {
            return;
        }
        let position = self.tree.size;
        if index != position {
            self.displaced.get_or_insert_with(|| Displaced {
                stored_as: index,
                bad: BadLeaf {
                    index: position,
                    why: format!("the leaf is missing: the next one is stored as {index}"),
                },
            });
            return;
        }
        let hash = leaf_hash(bytes);
        if let Some(why) = self.fault(position, bytes, &hash) {
            self.exact = Some(BadLeaf {
                index: position,
                why,
            });
            return;
        }
        self.hints.compare(&hash, &self.heads);
        self.tree.append(hash);
        self.check_heads();
    }

    /// Checks what can only be known at the end, and reports.
    pub fn finish(mut self) -> LogReport {
        let largest = self.heads.keys().next_back().copied().unwrap_or(0);
        self.hints.drain(largest, &self.heads);
        let missing = self.missing_tail(largest);
        let located = self.hints.located().map(|index| BadLeaf {
            index,
            why: "the leaf differs from the one that a signed checkpoint demands".to_owned(),
        });
        // The log went on where a leaf was displaced, or had ended before it: that one was too many.
        let (extra, gap) = match self.displaced {
            Some(Displaced { bad, .. }) if bad.index < self.tree.size => (Some(bad), None),
            Some(Displaced { bad, stored_as }) if stored_as < bad.index && bad.index >= largest => {
                (Some(bad), None)
            }
            displaced => (None, displaced.map(|displaced| displaced.bad)),
        };
        let certain = [self.exact, gap, missing, located]
            .into_iter()
            .flatten()
            .min_by_key(|bad| bad.index);
        // A leaf that is certainly bad below the size of the checkpoint explains its mismatch.
        let unexplained = self
            .mismatch
            .filter(|mismatch| {
                certain
                    .as_ref()
                    .is_none_or(|bad| bad.index >= mismatch.size)
            })
            .map(|mismatch| mismatch.into_bad_leaf());
        let wrong = unexplained.or(certain);
        let is_whole = wrong.is_none();
        let extra = extra.map(|bad| BadLeaf {
            why: "a leaf that is not the next of the log stands here".to_owned(),
            ..bad
        });
        LogReport {
            events: self.events,
            first_bad: [wrong, extra]
                .into_iter()
                .flatten()
                .min_by_key(|bad| bad.index),
            is_whole,
            bad_checkpoints: self.bad_checkpoints,
            covered: self.covered,
        }
    }

    fn add_checkpoint(&mut self, note: &str, label: &str) -> Result<(), String> {
        if self.events > 0 {
            return Err(LedgerError::TooLate.to_string());
        }
        let checkpoint =
            open_with(note, self.verifier.clone()?).map_err(|error| error.to_string())?;
        if checkpoint.size == 0 && checkpoint.root != TreeState::new().root() {
            return Err("the root of its empty tree is wrong".to_owned());
        }
        let head = Head {
            root: checkpoint.root,
            label: label.to_owned(),
        };
        self.heads.entry(checkpoint.size).or_default().push(head);
        Ok(())
    }

    /// What is wrong with a leaf in itself, for its place, or for a receipt.
    fn fault(&self, position: u64, bytes: &[u8], hash: &LeafHash) -> Option<String> {
        if bytes.len() > MAX_LEAF_BYTES {
            return Some("the leaf is longer than 1 MiB".to_owned());
        }
        let Ok(value) = serde_json::from_slice::<Value>(bytes) else {
            return Some("the leaf is not JSON".to_owned());
        };
        if serde_json_canonicalizer::to_vec(&value).ok().as_deref() != Some(bytes) {
            return Some("the leaf is not canonical JSON (RFC 8785)".to_owned());
        }
        if value.get("index").and_then(Value::as_u64) != Some(position) {
            return Some("the leaf says that it has another index".to_owned());
        }
        if value.get("log").and_then(Value::as_str) != Some(self.log.to_string().as_str()) {
            return Some("the leaf says that it belongs to another log".to_owned());
        }
        let receipts = self
            .receipts
            .get(&position)
            .map(Vec::as_slice)
            .unwrap_or_default();
        if receipts.iter().any(|receipt| receipt != hash) {
            return Some("the leaf differs from the one that a receipt names".to_owned());
        }
        None
    }

    /// Compares the tree with the checkpoints of exactly its size.
    fn check_heads(&mut self) {
        let Some(heads) = self.heads.get(&self.tree.size) else {
            return;
        };
        let root = self.tree.root();
        let other = heads.iter().find(|head| head.root != root);
        if let (Some(head), None) = (other, &self.mismatch) {
            self.mismatch = Some(Mismatch {
                size: self.tree.size,
                covered: self.covered,
                label: head.label.clone(),
            });
        }
        // Behind a mismatch nothing is proven, whoever signed it anew.
        if self.mismatch.is_none() {
            self.covered = self.tree.size;
        }
    }

    /// The first leaf that evidence demands and that never came.
    fn missing_tail(&self, largest: u64) -> Option<BadLeaf> {
        let next = self.tree.size;
        let receipt = self.receipts.keys().next_back();
        let why = if self.exact.is_some() {
            return None;
        } else if largest > next {
            format!("the leaf is missing: a signed checkpoint has {largest} leaves")
        } else if let Some(index) = receipt.filter(|index| **index >= next) {
            format!("the leaf is missing: a receipt names index {index}")
        } else {
            return None;
        };
        Some(BadLeaf { index: next, why })
    }
}

impl Mismatch {
    fn into_bad_leaf(self) -> BadLeaf {
        BadLeaf {
            index: self.covered,
            why: format!(
                "the first {} leaves do not hash to the root of checkpoint `{}`; which of them \
                 was altered is not known, and this is the lowest that no smaller checkpoint proves",
                self.size, self.label
            ),
        }
    }
}

#[cfg(test)]
mod tests;
