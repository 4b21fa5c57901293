mod pruned;

use proptest::prelude::*;

use super::*;
use crate::fixture::{LOG, TestLog, leaf, leaves, receipt};

/// Evidence for one run of the verifier.
#[derive(Default)]
struct Case<'a> {
    checkpoints: Vec<String>,
    receipts: Vec<Receipt>,
    hints: Option<&'a [Vec<u8>]>,
}

impl<'a> Case<'a> {
    fn signed(checkpoints: &[String]) -> Self {
        Self {
            checkpoints: checkpoints.to_vec(),
            ..Self::default()
        }
    }

    fn hinted(mut self, leaves: &'a [Vec<u8>]) -> Self {
        self.hints = Some(leaves);
        self
    }

    fn run(&self, log: &TestLog, leaves: &[Vec<u8>]) -> LogReport {
        self.run_stored(log, (0..).zip(leaves.iter().map(Vec::as_slice)))
    }

    fn run_stored<'b>(
        &self,
        log: &TestLog,
        leaves: impl Iterator<Item = (u64, &'b [u8])>,
    ) -> LogReport {
        let mut verifier = LogVerifier::new(LOG, Some(&log.vkey));
        for (n, note) in self.checkpoints.iter().enumerate() {
            verifier.expect_checkpoint(note, &format!("file {n}"));
        }
        for receipt in &self.receipts {
            verifier.expect_receipt(*receipt).unwrap();
        }
        if let Some(hints) = self.hints {
            verifier.hint_leaf_hashes(hints.iter().map(|leaf| leaf_hash(leaf)));
        }
        for (index, leaf) in leaves {
            verifier.leaf(index, leaf);
        }
        verifier.finish()
    }
}

fn first_bad(report: &LogReport) -> Option<u64> {
    report.first_bad.as_ref().map(|bad| bad.index)
}

fn why(report: &LogReport) -> &str {
    report.first_bad.as_ref().map_or("", |bad| bad.why.as_str())
}

/// A leaf that is well formed for its place but says something else.
fn altered(index: u64) -> Vec<u8> {
    leaf(1000 + index, index)
}

#[test]
fn an_honest_log_verifies() {
    let log = TestLog::new();
    let leaves = leaves(10);
    let mut case = Case::signed(&[0, 1, 4, 8].map(|n| log.checkpoint(&leaves[..n])));
    case.receipts = (0..10).map(|n| receipt(&leaves, n)).collect();
    let report = case.hinted(&leaves).run(&log, &leaves);
    assert_eq!(
        report,
        LogReport {
            events: 10,
            first_bad: None,
            is_whole: true,
            bad_checkpoints: vec![],
            covered: 8,
            pruned: 0,
            unchecked: 0,
        }
    );
    assert!(report.is_ok());
    let empty = Case::default().run(&log, &[]);
    assert!(empty.is_ok() && empty.events == 0);
}

#[test]
fn an_altered_leaf_is_found_at_its_index_when_hints_are_proven() {
    let log = TestLog::new();
    let honest = leaves(10);
    for at in 0..10 {
        let mut leaves = honest.clone();
        leaves[usize::try_from(at).unwrap()] = altered(at);
        // The checkpoint may be of the whole log or of a later size than the leaf.
        let case = Case::signed(&[log.checkpoint(&honest)]).hinted(&honest);
        let report = case.run(&log, &leaves);
        assert_eq!((first_bad(&report), report.covered), (Some(at), 0), "{at}");
        assert!(!report.is_ok());
    }
}

#[test]
fn an_altered_leaf_is_found_by_its_receipt() {
    let log = TestLog::new();
    let honest = leaves(10);
    let mut leaves = honest.clone();
    leaves[6] = altered(6);
    let mut case = Case::signed(&[log.checkpoint(&honest)]);
    case.receipts = vec![receipt(&honest, 6), receipt(&honest, 2)];
    let report = case.run(&log, &leaves);
    assert_eq!(first_bad(&report), Some(6));
    assert!(why(&report).contains("receipt"));
}

#[test]
fn without_hints_the_lowest_unproven_index_is_named() {
    let log = TestLog::new();
    let honest = leaves(10);
    let mut leaves = honest.clone();
    leaves[6] = altered(6);
    for (sizes, expected, covered) in [
        (vec![10], 0, 0),
        (vec![10, 3], 3, 3),
        (vec![3, 5, 8, 10], 5, 5),
        (vec![6, 7], 6, 6),
        (vec![7, 7], 0, 0),
    ] {
        let notes: Vec<_> = sizes
            .iter()
            .map(|n| log.checkpoint(&honest[..*n]))
            .collect();
        let report = Case::signed(&notes).run(&log, &leaves);
        assert_eq!(
            (first_bad(&report), report.covered),
            (Some(expected), covered),
            "{sizes:?}"
        );
        assert!(why(&report).contains("not known"), "{}", why(&report));
    }
    // A checkpoint from before the leaf knows nothing of it.
    assert!(
        Case::signed(&[log.checkpoint(&honest[..6])])
            .run(&log, &leaves)
            .is_ok()
    );
}

#[test]
fn unproven_hints_are_ignored() {
    let log = TestLog::new();
    let honest = leaves(10);
    let mut leaves = honest.clone();
    leaves[6] = altered(6);
    let note = log.checkpoint(&honest);
    // Stored hashes that were changed to point elsewhere, or to hide the change.
    let mut pointing = honest.clone();
    pointing[2] = altered(2);
    for hints in [pointing, leaves.clone(), honest[..6].to_vec(), vec![]] {
        let report = Case::signed(std::slice::from_ref(&note))
            .hinted(&hints)
            .run(&log, &leaves);
        assert_eq!(first_bad(&report), Some(0));
        assert!(why(&report).contains("not known"));
    }
    // Damaged hints beside an honest log are no reason to complain.
    let mut damaged = honest.clone();
    damaged[2] = altered(2);
    assert!(
        Case::signed(&[note])
            .hinted(&damaged)
            .run(&log, &honest)
            .is_ok()
    );
}

#[test]
fn hints_proven_by_a_smaller_checkpoint_help_up_to_there() {
    let log = TestLog::new();
    let honest = leaves(10);
    let notes = [log.checkpoint(&honest[..5]), log.checkpoint(&honest)];
    let mut hints = honest.clone();
    hints[8] = altered(8);
    let mut leaves = honest.clone();
    leaves[3] = altered(3);
    let report = Case::signed(&notes).hinted(&hints).run(&log, &leaves);
    assert_eq!(first_bad(&report), Some(3));
    let mut leaves = honest.clone();
    leaves[7] = altered(7);
    let report = Case::signed(&notes).hinted(&hints).run(&log, &leaves);
    assert_eq!((first_bad(&report), report.covered), (Some(5), 5));
}

/// The index may be a moment behind the log.
#[test]
fn hints_that_end_before_the_log_help_as_well() {
    let log = TestLog::new();
    let honest = leaves(10);
    let note = log.checkpoint(&honest);
    for hinted in 4..10 {
        let case = Case::signed(std::slice::from_ref(&note)).hinted(&honest[..hinted]);
        let mut leaves = honest.clone();
        leaves[3] = altered(3);
        assert_eq!(first_bad(&case.run(&log, &leaves)), Some(3), "{hinted}");
        // A second one beyond the hints: nothing is proven any more.
        leaves[9] = altered(9);
        let report = case.run(&log, &leaves);
        assert_eq!(first_bad(&report), Some(0), "{hinted}");
        assert!(case.run(&log, &honest).is_ok());
    }
}

#[test]
fn a_dropped_leaf_is_missing_at_its_index() {
    let log = TestLog::new();
    let honest = leaves(10);
    let note = log.checkpoint(&honest);
    let mut leaves = honest.clone();
    leaves.remove(6);
    // Lines that moved up, and rows that kept their numbers.
    let report = Case::signed(std::slice::from_ref(&note)).run(&log, &leaves);
    assert_eq!(first_bad(&report), Some(6));
    let rows = (0..)
        .zip(honest.iter().map(Vec::as_slice))
        .filter(|(index, _)| *index != 6);
    let report = Case::signed(&[note]).run_stored(&log, rows);
    assert_eq!((first_bad(&report), report.events), (Some(6), 9));
    assert!(why(&report).contains("missing"));
    // Also without any checkpoint.
    assert_eq!(first_bad(&Case::default().run(&log, &leaves)), Some(6));
}

#[test]
fn an_altered_leaf_before_a_gap_is_found_first() {
    let log = TestLog::new();
    let honest = leaves(10);
    let mut leaves = honest.clone();
    leaves[2] = altered(2);
    leaves.remove(6);
    let case = Case::signed(&[log.checkpoint(&honest)]).hinted(&honest);
    assert_eq!(first_bad(&case.run(&log, &leaves)), Some(2));
    // Without hints a smaller checkpoint still tells, though not where.
    let case = Case::signed(&[log.checkpoint(&honest[..1]), log.checkpoint(&honest[..4])]);
    assert_eq!(first_bad(&case.run(&log, &leaves)), Some(1));
}

#[test]
fn swapped_leaves_are_found() {
    let log = TestLog::new();
    let mut leaves = leaves(10);
    leaves.swap(3, 7);
    let report = Case::default().run(&log, &leaves);
    assert_eq!(first_bad(&report), Some(3));
    assert!(why(&report).contains("another index"));
    // Swapped contents with corrected numbers need a checkpoint.
    let honest = self::leaves(10);
    let mut leaves = honest.clone();
    leaves[3] = leaf(7, 3);
    leaves[7] = leaf(3, 7);
    let case = Case::signed(&[log.checkpoint(&honest)]).hinted(&honest);
    assert_eq!(first_bad(&case.run(&log, &leaves)), Some(3));
}

#[test]
fn a_repeated_or_inserted_leaf_is_found() {
    let log = TestLog::new();
    let honest = leaves(6);
    let mut leaves = honest.clone();
    leaves.insert(3, honest[2].clone());
    assert_eq!(first_bad(&Case::default().run(&log, &leaves)), Some(3));
    let rows = [0, 1, 1, 2].map(|n: u64| (n, honest[usize::try_from(n).unwrap()].as_slice()));
    assert_eq!(
        first_bad(&Case::default().run_stored(&log, rows.into_iter())),
        Some(2)
    );
}

#[test]
fn a_truncated_log_is_missing_its_first_absent_leaf() {
    let log = TestLog::new();
    let honest = leaves(10);
    let note = log.checkpoint(&honest);
    for len in 0..10 {
        let report = Case::signed(std::slice::from_ref(&note))
            .hinted(&honest)
            .run(&log, &honest[..len]);
        assert_eq!(first_bad(&report), Some(len as u64));
        assert!(why(&report).contains("missing"));
    }
    // A receipt beyond the end proves the same.
    let case = Case {
        receipts: vec![receipt(&honest, 9)],
        ..Case::default()
    };
    let report = case.run(&log, &honest[..7]);
    assert_eq!(first_bad(&report), Some(7));
    assert!(why(&report).contains("receipt"));
    // Truncated and altered: proven hints reach beyond the end.
    let mut cut = honest[..7].to_vec();
    cut[4] = altered(4);
    let case = Case::signed(&[note]).hinted(&honest);
    assert_eq!(first_bad(&case.run(&log, &cut)), Some(4));
}

#[test]
fn a_log_signed_anew_does_not_match_an_older_checkpoint() {
    let log = TestLog::new();
    let honest = leaves(8);
    let outside = log.checkpoint(&honest[..5]);
    // Whoever has the key may go on...
    let mut longer = honest.clone();
    longer.push(leaf(77, 8));
    let report = Case::signed(&[outside.clone(), log.checkpoint(&longer)])
        .hinted(&longer)
        .run(&log, &longer);
    assert!(report.is_ok() && report.covered == 9);
    // ... but not rewrite what was signed and is kept outside.
    let mut rewritten = honest.clone();
    rewritten[2] = altered(2);
    let report = Case::signed(&[outside.clone(), log.checkpoint(&rewritten)])
        .hinted(&rewritten)
        .run(&log, &rewritten);
    assert_eq!((first_bad(&report), report.covered), (Some(0), 0));
    assert!(why(&report).contains("file 0"));
    // Two checkpoints of one size that differ cannot both be met.
    let forked = [log.checkpoint(&honest), log.checkpoint(&rewritten), outside];
    let report = Case::signed(&forked).run(&log, &honest);
    assert_eq!(
        (first_bad(&report), why(&report).contains("file 1")),
        (Some(5), true)
    );
}

#[test]
fn leaves_that_are_not_canonical_or_of_another_log_are_found() {
    let log = TestLog::new();
    let honest = leaves(5);
    let text = String::from_utf8(honest[3].clone()).unwrap();
    let elsewhere = caracal_core::LogId::from_uuid(uuid::Uuid::max());
    let elsewhere = crate::LeafDraft::new(&crate::fixture::event(3), elsewhere)
        .unwrap()
        .finish(3);
    for bad in [
        Vec::new(),
        b"null".to_vec(),
        b"\xff".to_vec(),
        elsewhere,
        text.replacen(':', ": ", 1).into_bytes(),
        format!("{text}\n").into_bytes(),
        text.replacen(r#""index":3"#, r#""index":3.0"#, 1)
            .into_bytes(),
        text.replacen(r#""index":3"#, r#""index":"3""#, 1)
            .into_bytes(),
        text.replacen(r#""index":3"#, r#""index":2,"index":3"#, 1)
            .into_bytes(),
        text.replacen(r#""index":3,"#, "", 1).into_bytes(),
        text.replacen("req-3", "\\u0072eq-3", 1).into_bytes(),
        "[".repeat(100_000).into_bytes(),
        format!("\"{}\"", "x".repeat(MAX_LEAF_BYTES)).into_bytes(),
    ] {
        let mut leaves = honest.clone();
        leaves[3] = bad.clone();
        let report = Case::default().run(&log, &leaves);
        assert_eq!(
            first_bad(&report),
            Some(3),
            "{:.60}",
            String::from_utf8_lossy(&bad)
        );
    }
}

#[test]
fn a_checkpoint_that_does_not_verify_is_an_error_of_its_own() {
    let (log, other) = (TestLog::new(), TestLog::new());
    let leaves = leaves(4);
    let good = log.checkpoint(&leaves);
    let wrong_size = good.replacen("\n4\n", "\n3\n", 1);
    for bad in [
        other.checkpoint(&leaves),
        wrong_size,
        String::new(),
        "x".to_owned(),
    ] {
        let report = Case::signed(&[good.clone(), bad]).run(&log, &leaves);
        assert!(!report.is_ok());
        assert_eq!((first_bad(&report), report.covered), (None, 4));
        assert_eq!(report.bad_checkpoints.len(), 1);
        assert_eq!(report.bad_checkpoints[0].label, "file 1");
    }
    // Without a key, or with a damaged one, no checkpoint is evidence.
    for vkey in [None, Some("x+y+z")] {
        let mut verifier = LogVerifier::new(LOG, vkey);
        verifier.expect_checkpoint(&good, "c");
        let report = verifier.finish();
        assert!(!report.is_ok() && report.bad_checkpoints.len() == 1 && report.first_bad.is_none());
    }
}

#[test]
fn a_signed_empty_tree_has_one_root() {
    let log = TestLog::new();
    let (seed, signer) = caracal_crypto::LogSigner::generate().unwrap();
    drop(seed);
    let text = tlog_tiles::Checkpoint::new(&log.origin, 0, tlog_tiles::Hash([1; 32]), "")
        .unwrap()
        .to_bytes();
    let id = crate::note_key::key_id(&log.origin, &signer.public());
    let signature =
        signed_note::Signature::new(log.origin.clone(), id, signer.sign(&text)).unwrap();
    let note = signed_note::Note::new(&text, &[signature])
        .unwrap()
        .to_bytes();
    let vkey = crate::verifier_key(&log.origin, &signer.public());
    let mut verifier = LogVerifier::new(LOG, Some(&vkey));
    verifier.expect_checkpoint(&String::from_utf8(note).unwrap(), "c");
    assert_eq!(verifier.finish().bad_checkpoints.len(), 1);
}

#[test]
fn evidence_that_cannot_be_checked_is_not_swallowed() {
    let log = TestLog::new();
    let leaves = leaves(2);
    let mut verifier = LogVerifier::new(LOG, Some(&log.vkey));
    let elsewhere = caracal_core::LogId::from_uuid(uuid::Uuid::max());
    let foreign = Receipt {
        log: elsewhere,
        ..receipt(&leaves, 0)
    };
    assert_eq!(
        verifier.expect_receipt(foreign).err(),
        Some(LedgerError::OtherLog(elsewhere))
    );
    verifier.leaf(0, &leaves[0]);
    assert_eq!(
        verifier.expect_receipt(receipt(&leaves, 0)).err(),
        Some(LedgerError::TooLate)
    );
    verifier.expect_checkpoint(&log.checkpoint(&leaves[..1]), "late");
    assert_eq!(verifier.finish().bad_checkpoints.len(), 1);
}

#[test]
fn receipts_that_contradict_each_other_cannot_both_be_met() {
    let log = TestLog::new();
    let honest = leaves(4);
    let mut forged = honest.clone();
    forged[2] = altered(2);
    let case = Case {
        receipts: vec![receipt(&honest, 2), receipt(&forged, 2)],
        ..Case::default()
    };
    assert_eq!(first_bad(&case.run(&log, &honest)), Some(2));
    assert_eq!(first_bad(&case.run(&log, &forged)), Some(2));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_set_of_altered_leaves_is_found_at_the_lowest(
        size in 1..60usize,
        changes in proptest::collection::btree_set(0..60usize, 1..5),
        cut in 0..60usize,
        older in 0..60usize,
    ) {
        let log = TestLog::new();
        let honest = leaves(size as u64);
        let mut leaves = honest.clone();
        for change in &changes {
            if let Some(leaf) = leaves.get_mut(*change) {
                *leaf = altered(*change as u64);
            }
        }
        leaves.truncate(cut);
        let lowest = changes.iter().copied().find(|change| *change < leaves.len());
        let lowest = lowest.or((leaves.len() < size).then_some(leaves.len()));
        let notes = [log.checkpoint(&honest), log.checkpoint(&honest[..older.min(size)])];
        let report = Case::signed(&notes).hinted(&honest).run(&log, &leaves);
        prop_assert_eq!(first_bad(&report), lowest.map(|index| index as u64));
        prop_assert!(report.covered <= lowest.unwrap_or(size) as u64);
        // Without hints the answer is never above the truth, and never silent.
        let blind = Case::signed(&notes).run(&log, &leaves);
        prop_assert_eq!(blind.is_ok(), lowest.is_none());
        if let Some(lowest) = lowest
            && cut >= size
        {
            prop_assert!(first_bad(&blind).unwrap() <= lowest as u64);
        }
    }
}

#[test]
fn a_leaf_too_many_leaves_the_log_whole() {
    let log = TestLog::new();
    let leaves = leaves(9);
    let case = Case::signed(&[log.checkpoint(&leaves)]);
    let forged = leaf(70, 7);
    let all = || (0..).zip(leaves.iter().map(Vec::as_slice));
    for (at, index, bytes) in [(5, 4, &leaves[4]), (5, 7, &forged), (9, 4, &leaves[4])] {
        let mut rows: Vec<(u64, &[u8])> = all().collect();
        rows.insert(at, (index, bytes));
        let report = case.run_stored(&log, rows.iter().copied());
        assert_eq!(
            (first_bad(&report), report.is_whole),
            (Some(at as u64), true)
        );
        assert_eq!((report.covered, report.events), (9, 10));
        // In place of the next one, that is missing.
        if at < 9 {
            rows.remove(at + 1);
            let report = case.run_stored(&log, rows.into_iter());
            assert_eq!(
                (first_bad(&report), report.is_whole),
                (Some(at as u64), false)
            );
        }
    }
}
