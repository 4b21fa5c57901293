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

mod announced;
mod hint_track;

use announced::Announced;
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
    /// The tree over the leaves that are pruned, as it is stored. It is believed only because
    /// together with the leaves that are kept it hashes to signed checkpoints.
    start: TreeState,
    /// Why the stored tree over the pruned leaves cannot be one.
    bad_start: Option<String>,
    begun: bool,
    announced: Announced,
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
            start: TreeState::new(),
            bad_start: None,
            begun: false,
            announced: Announced::default(),
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
        self.hint_leaf_hashes_from(0, hashes)
    }

    /// The same where the stored hashes begin with that of the leaf at `first`: those of pruned
    /// leaves need not be kept.
    pub fn hint_leaf_hashes_from(
        &mut self,
        first: u64,
        hashes: impl Iterator<Item = LeafHash> + 'h,
    ) -> &mut Self {
        if self.events == 0 {
            self.hints = HintTrack::new(first, Box::new(hashes));
        }
        self
    }

    /// Says that the first leaves are not kept any more, and what the tree over them is. It is
    /// taken from wherever it is stored and proves itself: with the leaves that are kept it
    /// must hash to the signed checkpoints. Whether the leaves may be missing is for the log's
    /// own events to say. It must be given before the first leaf.
    pub fn start_after(&mut self, pruned: TreeState) -> &mut Self {
        if self.events > 0 {
            return self;
        }
        match pruned.check() {
            Ok(()) => {
                self.tree = pruned.clone();
                self.start = pruned;
            }
            Err(error) => self.bad_start = Some(error.to_string()),
        }
        self
    }

    /// Reads the next leaf, and the index it is stored under. One that is not the next of the log
    /// takes no place in it: whether the right one is missing or this one is too many, the end tells.
    pub fn leaf(&mut self, index: u64, bytes: &[u8]) {
        self.begin();
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
        let value = match self.open(position, bytes, &hash) {
            Ok(value) => value,
            Err(why) => {
                self.exact = Some(BadLeaf {
                    index: position,
                    why,
                });
                return;
            }
        };
        let is_hinted = self.hints.compare(&hash, &self.heads);
        self.announced
            .read(self.start.size, position, &value, is_hinted);
        self.tree.append(hash);
        self.check_heads();
    }

    /// What can be known of the pruned leaves, before the first that is kept.
    fn begin(&mut self) {
        if std::mem::replace(&mut self.begun, true) || self.start.size == 0 {
            return;
        }
        let receipts = &self.receipts;
        let asked = |index| receipts.contains_key(&index);
        self.hints.skip(&self.start, &self.heads, asked);
        self.check_heads();
    }

    /// Checks what can only be known at the end, and reports.
    pub fn finish(mut self) -> LogReport {
        self.begin();
        let largest = self.heads.keys().next_back().copied().unwrap_or(0);
        self.hints.drain(largest, &self.heads);
        let missing = self.missing_tail(largest);
        let located = self.hints.located().map(|index| BadLeaf {
            index,
            why: "the leaf differs from the one that a signed checkpoint demands".to_owned(),
        });
        let is_torn = self.exact.is_some() || self.displaced.is_some() || missing.is_some();
        let pruned = self.pruned(is_torn);
        // The log went on where a leaf was displaced, or had ended before it: that one was too many.
        let (extra, gap) = match self.displaced {
            Some(Displaced { bad, .. }) if bad.index < self.tree.size => (Some(bad), None),
            Some(Displaced { bad, stored_as }) if stored_as < bad.index && bad.index >= largest => {
                (Some(bad), None)
            }
            displaced => (None, displaced.map(|displaced| displaced.bad)),
        };
        let certain = [self.exact, gap, missing, located, pruned.bad]
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
            .map(|mismatch| mismatch.into_bad_leaf(pruned.is_refuted));
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
            pruned: self.start.size,
            unchecked: pruned.unchecked,
        }
    }

    /// What is to be said of the pruned leaves.
    fn pruned(&mut self, is_torn: bool) -> Pruned {
        let mut found = Pruned::default();
        if let Some(why) = self.bad_start.take() {
            found.blame(
                0,
                format!("the stored summary of the pruned leaves is none: {why}"),
            );
        }
        let start = self.start.size;
        if start == 0 {
            return found;
        }
        let hints = &self.hints;
        let allowed = self
            .announced
            .allowed(self.covered, |index| hints.is_proven(index));
        // Where the announcement may be behind what is damaged, that is what is wrong.
        let is_unknown = allowed == 0 && (is_torn || self.mismatch.is_some());
        if allowed < start && !is_unknown {
            let why = "the leaf is missing: no event of the log says that its time was over";
            found.blame(allowed, why.to_owned());
        }
        found.is_refuted = hints.refutes_start(&self.start);
        let is_whole = hints.is_whole() && hints.proves_start(&self.start) && !found.is_refuted;
        for (index, receipts) in self.receipts.range(..start) {
            match hints.noted(*index).filter(|_| is_whole) {
                Some(leaf) if receipts.iter().any(|receipt| receipt != leaf) => {
                    let why = "the pruned leaf differs from the one that a receipt names";
                    found.blame(*index, why.to_owned());
                }
                Some(_) => {}
                None => found.unchecked += receipts.len() as u64,
            }
        }
        if is_whole {
            if let Some((size, proven, label)) = hints.contradicted()
                && *size < start
            {
                let why = format!(
                    "the first {size} leaves, which are pruned, do not hash to the root of checkpoint `{label}`"
                );
                found.blame(*proven, why);
            }
        } else {
            let heads = self.heads.range(1..start);
            found.unchecked += heads.map(|(_, heads)| heads.len() as u64).sum::<u64>();
        }
        found
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

    /// Reads a leaf, or says what is wrong with it in itself, for its place, or for a receipt.
    fn open(&self, position: u64, bytes: &[u8], hash: &LeafHash) -> Result<Value, String> {
        let refuse = |why: &str| Err(why.to_owned());
        if bytes.len() > MAX_LEAF_BYTES {
            return refuse("the leaf is longer than 1 MiB");
        }
        let Ok(value) = serde_json::from_slice::<Value>(bytes) else {
            return refuse("the leaf is not JSON");
        };
        if serde_json_canonicalizer::to_vec(&value).ok().as_deref() != Some(bytes) {
            return refuse("the leaf is not canonical JSON (RFC 8785)");
        }
        if value.get("index").and_then(Value::as_u64) != Some(position) {
            return refuse("the leaf says that it has another index");
        }
        if value.get("log").and_then(Value::as_str) != Some(self.log.to_string().as_str()) {
            return refuse("the leaf says that it belongs to another log");
        }
        let receipts = self
            .receipts
            .get(&position)
            .map(Vec::as_slice)
            .unwrap_or_default();
        if receipts.iter().any(|receipt| receipt != hash) {
            return refuse("the leaf differs from the one that a receipt names");
        }
        Ok(value)
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

/// What the end tells of pruned leaves.
#[derive(Default)]
struct Pruned {
    bad: Option<BadLeaf>,
    unchecked: u64,
    /// The stored summary of them is certainly not theirs.
    is_refuted: bool,
}

impl Pruned {
    /// The lowest index counts.
    fn blame(&mut self, index: u64, why: String) {
        if self.bad.as_ref().is_none_or(|bad| index < bad.index) {
            self.bad = Some(BadLeaf { index, why });
        }
    }
}

impl Mismatch {
    fn into_bad_leaf(self, start_is_refuted: bool) -> BadLeaf {
        if start_is_refuted && self.covered == 0 {
            let why =
                "the stored summary of the pruned leaves is not what a signed checkpoint demands";
            return BadLeaf {
                index: 0,
                why: why.to_owned(),
            };
        }
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
