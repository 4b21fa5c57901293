//! All logs of an instance or an export, checked side by side.

use std::collections::{BTreeMap, BTreeSet};

use caracal_core::LogId;
use caracal_ledger::{LeafHash, LogVerifier, TreeState};

use crate::client::verify::{BadNote, Evidence, FirstBad, Report};
use crate::failure::{Context, Outcome};

/// The verifiers of all logs. Give the logs with their evidence first, then the leaves.
pub(crate) struct Checker<'h> {
    logs: BTreeMap<LogId, LogVerifier<'h>>,
    /// The first of what belongs to no log, or cannot be read.
    stray: Option<FirstBad>,
}

impl<'h> Checker<'h> {
    /// Begins with the keys of the logs and with what was kept elsewhere.
    pub(crate) fn new(keys: &BTreeMap<LogId, String>, evidence: Evidence) -> Outcome<Self> {
        let logs = keys
            .iter()
            .map(|(log, key)| (*log, LogVerifier::new(*log, Some(key))))
            .collect();
        let mut checker = Self { logs, stray: None };
        for (log, note, label) in evidence.notes {
            match log.parse::<LogId>() {
                Ok(log) => checker.expect_checkpoint(log, &note, &label),
                Err(_) => checker.stray(&log, 0, "a checkpoint names a log that cannot be"),
            }
        }
        for receipt in evidence.receipts {
            checker
                .log(receipt.log)
                .expect_receipt(receipt)
                .context("a receipt cannot be used")?;
        }
        Ok(checker)
    }

    /// Demands what a checkpoint says.
    pub(crate) fn expect_checkpoint(&mut self, log: LogId, note: &str, label: &str) {
        self.log(log).expect_checkpoint(note, label);
    }

    /// Gives stored leaf hashes from index `first` on, which help to find an altered leaf and
    /// prove nothing.
    pub(crate) fn hint(&mut self, log: LogId, first: u64, hashes: Vec<LeafHash>) {
        self.log(log)
            .hint_leaf_hashes_from(first, hashes.into_iter());
    }

    /// Says what stands for the leaves of a log that are not kept any more.
    pub(crate) fn start_after(&mut self, log: LogId, pruned: TreeState) {
        self.log(log).start_after(pruned);
    }

    /// Reads the next leaf of a log, as which it says that it is.
    pub(crate) fn leaf(&mut self, log: LogId, index: u64, bytes: &[u8]) {
        match self.logs.get_mut(&log) {
            Some(verifier) => verifier.leaf(index, bytes),
            None => self.stray(
                &log.to_string(),
                index,
                "the leaf says that it belongs to a log that there is not",
            ),
        }
    }

    /// Notes what belongs to no log, or cannot be read.
    pub(crate) fn stray(&mut self, log: &str, index: u64, why: &str) {
        self.stray.get_or_insert_with(|| FirstBad {
            log: log.to_owned(),
            index,
            why: why.to_owned(),
        });
    }

    /// A log whose key is not known is checked as far as that goes, and is not vouched for.
    fn log(&mut self, log: LogId) -> &mut LogVerifier<'h> {
        self.logs.entry(log).or_insert_with(|| {
            self.stray.get_or_insert_with(|| FirstBad {
                log: log.to_string(),
                index: 0,
                why: "the verifier key of this log is not known, so nothing vouches for it"
                    .to_owned(),
            });
            LogVerifier::new(log, None)
        })
    }

    /// Finishes every log. One without any leaf is bad, since each begins with one, unless it
    /// may be empty; so is a leaf that no checkpoint covers.
    pub(crate) fn finish(self, may_be_empty: &BTreeSet<LogId>) -> Report {
        let mut report = Report {
            ok: true,
            events: 0,
            logs: u64::try_from(self.logs.len()).unwrap_or(u64::MAX),
            pruned: 0,
            unchecked: 0,
            first_bad: None,
            bad_checkpoints: Vec::new(),
        };
        // What a log lacks is more telling than a leaf too many, and that than a row of no log.
        let (mut damaged, mut extra) = (None, None);
        for (log, verifier) in self.logs {
            let found = verifier.finish();
            report.events = report.events.saturating_add(found.events);
            report.pruned = report.pruned.saturating_add(found.pruned);
            report.unchecked = report.unchecked.saturating_add(found.unchecked);
            let size = found.pruned.saturating_add(found.events);
            let mut bad = found.first_bad.map(|bad| (bad.index, bad.why));
            if bad.is_none() && found.events == 0 && !may_be_empty.contains(&log) {
                bad = Some((0, "the leaf is missing: the log has none at all".to_owned()));
            }
            // Leaves are written together with the checkpoint that covers them.
            if bad.is_none() && found.covered < size {
                let why = "no signed checkpoint of the log covers the leaf".to_owned();
                bad = Some((found.covered, why));
            }
            if let Some((index, why)) = bad {
                let is_extra = found.is_whole && found.covered > 0;
                let place = if is_extra { &mut extra } else { &mut damaged };
                place.get_or_insert(FirstBad {
                    log: log.to_string(),
                    index,
                    why,
                });
            }
            report
                .bad_checkpoints
                .extend(found.bad_checkpoints.into_iter().map(|bad| BadNote {
                    log: log.to_string(),
                    label: bad.label,
                    why: bad.why,
                }));
        }
        report.first_bad = damaged.or(extra).or(self.stray);
        report.ok = report.first_bad.is_none() && report.bad_checkpoints.is_empty();
        report
    }
}
