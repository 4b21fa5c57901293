//! Logs whose first leaves are not kept any more.

use caracal_core::{EventType, PrunedRange};
use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::fixture::event;
use crate::{LeafDraft, TileBuilder};

const DAYS: u32 = 30;

fn long_ago() -> Timestamp {
    event(0).time
}

fn later(days: i64) -> Timestamp {
    long_ago()
        .checked_add(SignedDuration::from_hours(24 * days))
        .unwrap()
}

/// The leaf at `index` that announces that those below `below` go.
fn announcement(index: u64, below: u64, at: Timestamp, before: Timestamp) -> Vec<u8> {
    let mut event = event(index);
    event.event_type = EventType::LogPruned;
    event.time = at;
    event.pruned = Some(PrunedRange {
        before,
        below,
        days: DAYS,
    });
    LeafDraft::new(&event, LOG).unwrap().finish(index)
}

/// Forty leaves, of which the one at 30 announces that the first 20 go.
fn leaves_with_announcement() -> Vec<Vec<u8>> {
    let mut leaves = leaves(40);
    leaves[30] = announcement(30, 20, later(40), later(5));
    leaves
}

fn tree(leaves: &[Vec<u8>]) -> TreeState {
    let mut tree = TreeState::new();
    leaves.iter().for_each(|leaf| tree.append(leaf_hash(leaf)));
    tree
}

#[derive(Default)]
struct Kept<'a> {
    start: usize,
    summary: Option<TreeState>,
    checkpoints: Vec<String>,
    receipts: Vec<Receipt>,
    hints: Option<(u64, &'a [Vec<u8>])>,
}

impl Kept<'_> {
    fn run(&self, log: &TestLog, leaves: &[Vec<u8>]) -> LogReport {
        let mut verifier = LogVerifier::new(LOG, Some(&log.vkey));
        for (n, note) in self.checkpoints.iter().enumerate() {
            verifier.expect_checkpoint(note, &format!("file {n}"));
        }
        for receipt in &self.receipts {
            verifier.expect_receipt(*receipt).unwrap();
        }
        if let Some((first, hints)) = self.hints {
            verifier.hint_leaf_hashes_from(first, hints.iter().map(|leaf| leaf_hash(leaf)));
        }
        let summary = self.summary.clone();
        verifier.start_after(summary.unwrap_or_else(|| tree(&leaves[..self.start])));
        for (index, leaf) in (0..).zip(leaves).skip(self.start) {
            verifier.leaf(index, leaf);
        }
        verifier.finish()
    }
}

#[test]
fn what_was_announced_and_is_gone_is_no_damage() {
    let log = TestLog::new();
    let leaves = leaves_with_announcement();
    for start in [1, 13, 16, 20] {
        let kept = Kept {
            start,
            checkpoints: vec![log.checkpoint(&leaves)],
            ..Kept::default()
        };
        let report = kept.run(&log, &leaves);
        assert!(report.is_ok() && report.is_whole, "{start}: {report:?}");
        assert_eq!(
            (report.pruned, report.events, report.covered),
            (start as u64, 40 - start as u64, 40)
        );
    }
}

#[test]
fn one_leaf_more_than_was_announced_is_named() {
    let log = TestLog::new();
    let leaves = leaves_with_announcement();
    let mut kept = Kept {
        start: 21,
        checkpoints: vec![log.checkpoint(&leaves)],
        ..Kept::default()
    };
    let report = kept.run(&log, &leaves);
    assert_eq!(first_bad(&report), Some(20), "{report:?}");
    assert!(why(&report).contains("no event of the log"), "{report:?}");
    // Nor does it help to leave the summary as it was.
    kept.summary = Some(tree(&leaves[..20]));
    let report = kept.run(&log, &leaves);
    assert_eq!(first_bad(&report), Some(20), "{report:?}");
}

#[test]
fn leaves_that_nothing_announced_may_not_be_missing() {
    let log = TestLog::new();
    let leaves = leaves(40);
    let kept = Kept {
        start: 5,
        checkpoints: vec![log.checkpoint(&leaves)],
        ..Kept::default()
    };
    let report = kept.run(&log, &leaves);
    assert_eq!(first_bad(&report), Some(0), "{report:?}");
}

#[test]
fn an_announcement_that_nobody_signed_allows_nothing() {
    let log = TestLog::new();
    let honest = leaves_with_announcement();
    let mut forged = honest.clone();
    forged[35] = announcement(35, 25, later(41), later(5));
    let mut kept = Kept {
        start: 25,
        checkpoints: vec![log.checkpoint(&honest)],
        hints: Some((0, &honest)),
        ..Kept::default()
    };
    let report = kept.run(&log, &forged);
    assert_eq!(first_bad(&report), Some(20), "{report:?}");
    // Without stored hashes nothing can be told apart, and nothing is believed.
    kept.hints = None;
    assert_eq!(first_bad(&kept.run(&log, &forged)), Some(0));
    // Behind the last leaf it is too many, and covered by nothing.
    let mut longer = honest.clone();
    longer.push(announcement(40, 25, later(41), later(5)));
    let report = kept.run(&log, &longer);
    assert_eq!(first_bad(&report), Some(20), "{report:?}");
}

#[test]
fn an_announcement_reaches_neither_behind_itself_nor_what_is_young() {
    let log = TestLog::new();
    for unlawful in [
        announcement(30, 31, later(40), later(5)),
        announcement(30, 20, later(40), later(11)),
        announcement(30, 20, later(20), later(1)),
    ] {
        let mut leaves = leaves(40);
        leaves[30] = unlawful;
        let kept = Kept {
            start: 20,
            checkpoints: vec![log.checkpoint(&leaves)],
            ..Kept::default()
        };
        let report = kept.run(&log, &leaves);
        assert_eq!(first_bad(&report), Some(0), "{report:?}");
    }
    // One that speaks of a leaf that is still there, and younger.
    let mut leaves = leaves_with_announcement();
    let mut young = event(19);
    young.time = later(6);
    leaves[19] = LeafDraft::new(&young, LOG).unwrap().finish(19);
    let kept = Kept {
        start: 18,
        checkpoints: vec![log.checkpoint(&leaves)],
        ..Kept::default()
    };
    assert_eq!(first_bad(&kept.run(&log, &leaves)), Some(0));
}

#[test]
fn a_kept_leaf_that_was_altered_is_found_with_stored_hashes() {
    let log = TestLog::new();
    let honest = leaves_with_announcement();
    let mut altered_log = honest.clone();
    altered_log[33] = altered(33);
    for hints in [(0, &honest[..]), (16, &honest[16..]), (20, &honest[20..])] {
        let kept = Kept {
            start: 20,
            checkpoints: vec![log.checkpoint(&honest)],
            hints: Some(hints),
            ..Kept::default()
        };
        let report = kept.run(&log, &altered_log);
        assert_eq!(first_bad(&report), Some(33), "{} {report:?}", hints.0);
        assert!(kept.run(&log, &honest).is_ok());
    }
}

#[test]
fn a_summary_that_was_altered_is_named() {
    let log = TestLog::new();
    let leaves = leaves_with_announcement();
    let mut summary = tree(&leaves[..20]);
    summary.edge[0][0] ^= 1;
    let mut kept = Kept {
        start: 20,
        summary: Some(summary),
        checkpoints: vec![log.checkpoint(&leaves)],
        hints: Some((0, &leaves)),
        ..Kept::default()
    };
    let report = kept.run(&log, &leaves);
    assert_eq!(first_bad(&report), Some(0), "{report:?}");
    assert!(why(&report).contains("summary"), "{report:?}");
    kept.hints = None;
    assert_eq!(first_bad(&kept.run(&log, &leaves)), Some(0));
    let mut misfit = tree(&leaves[..20]);
    misfit.edge.pop();
    kept.summary = Some(misfit);
    assert_eq!(first_bad(&kept.run(&log, &leaves)), Some(0));
}

#[test]
fn evidence_of_pruned_leaves_is_checked_where_hashes_are_kept_and_else_said_to_be_unchecked() {
    let log = TestLog::new();
    let leaves = leaves_with_announcement();
    let mut kept = Kept {
        start: 20,
        checkpoints: vec![log.checkpoint(&leaves[..7]), log.checkpoint(&leaves)],
        receipts: vec![receipt(&leaves, 3), receipt(&leaves, 25)],
        hints: Some((0, &leaves)),
        ..Kept::default()
    };
    let report = kept.run(&log, &leaves);
    assert!(report.is_ok() && report.unchecked == 0, "{report:?}");

    for hints in [None, Some((16, &leaves[16..])), Some((0, &leaves[..10]))] {
        kept.hints = hints;
        let report = kept.run(&log, &leaves);
        assert!(report.is_ok(), "{report:?}");
        assert_eq!(report.unchecked, 2, "{hints:?}");
    }
    // Stored hashes that are not those of the log prove nothing.
    let mut others = leaves.clone();
    others[3] = altered(3);
    kept.hints = Some((0, &others));
    let report = kept.run(&log, &leaves);
    assert!(report.is_ok() && report.unchecked == 2, "{report:?}");

    // Signed evidence that contradicts the pruned part is not forgotten.
    kept.hints = Some((0, &leaves));
    kept.receipts = vec![receipt(&others, 3)];
    assert_eq!(first_bad(&kept.run(&log, &leaves)), Some(3));
    kept.receipts.clear();
    kept.checkpoints.push(log.checkpoint(&others[..9]));
    let report = kept.run(&log, &leaves);
    assert_eq!(first_bad(&report), Some(7), "{report:?}");
}

#[test]
fn a_log_cut_behind_its_pruned_part_is_named() {
    let log = TestLog::new();
    let leaves = leaves_with_announcement();
    let kept = Kept {
        start: 20,
        checkpoints: vec![log.checkpoint(&leaves)],
        ..Kept::default()
    };
    let report = kept.run(&log, &leaves[..36]);
    assert_eq!(first_bad(&report), Some(36), "{report:?}");
}

proptest! {
    #[test]
    fn partial_tiles_read_back_and_go_on_alike(size in 0u64..70_000, more in 0usize..600) {
        let hashes = crate::fixture::hashes(size + more as u64);
        let (first, rest) = hashes.split_at(size as usize);
        let mut whole = TileBuilder::new();
        whole.append(first);
        let mut again = TileBuilder::unpack(size, &whole.pack()).unwrap();
        prop_assert_eq!(again.state(), whole.state());
        prop_assert_eq!(again.append(rest), whole.append(rest));
        prop_assert_eq!(again.state(), whole.state());
        let mut bytes = whole.pack();
        bytes.push(0);
        prop_assert!(TileBuilder::unpack(size + more as u64, &bytes).is_err());
    }

    #[test]
    fn no_kept_part_verifies_beyond_what_was_announced(start in 1usize..40) {
        let log = TestLog::new();
        let leaves = leaves_with_announcement();
        let kept = Kept { start, checkpoints: vec![log.checkpoint(&leaves)], ..Kept::default() };
        prop_assert_eq!(kept.run(&log, &leaves).is_ok(), start <= 20);
    }
}
