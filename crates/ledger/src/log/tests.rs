use caracal_core::Secret;
use signed_note::{Note, StandardVerifier, VerifierList};

use super::*;
use crate::fixture::{LOG, TestLog, hashes, leaves, naive_root};
use crate::{Checkpoint, open_checkpoint, verifier_key};

fn log(origin: &str) -> Result<Log, LedgerError> {
    let signer = LogSigner::from_seed(&Secret::new(vec![7; 32])).unwrap();
    Log::open(LOG, origin, signer, TreeState::new())
}

fn vkey(origin: &str) -> String {
    let signer = LogSigner::from_seed(&Secret::new(vec![7; 32])).unwrap();
    verifier_key(origin, &signer.public())
}

#[test]
fn a_checkpoint_opens_under_its_key() {
    let mut log = log("example.com/log").unwrap();
    let empty = open_checkpoint(&log.checkpoint().unwrap(), &vkey("example.com/log")).unwrap();
    assert_eq!((empty.size, empty.root), (0, naive_root(&[])));
    for (index, hash) in (0..).zip(hashes(5)) {
        assert_eq!(log.append(&hash), index);
    }
    assert_eq!(
        (log.size(), log.id(), log.origin()),
        (5, LOG, "example.com/log")
    );
    let note = log.checkpoint().unwrap();
    assert!(note.starts_with("example.com/log\n5\n"));
    assert_eq!(
        open_checkpoint(&note, &vkey("example.com/log")).unwrap(),
        Checkpoint {
            origin: "example.com/log".to_owned(),
            size: 5,
            root: naive_root(&hashes(5))
        }
    );
}

#[test]
fn another_implementation_opens_our_checkpoint() {
    let log = log("example.com/log").unwrap();
    let note = Note::from_bytes(log.checkpoint().unwrap().as_bytes()).unwrap();
    let theirs = StandardVerifier::new(&vkey("example.com/log")).unwrap();
    let (verified, _) = note
        .verify(&VerifierList::new(vec![Box::new(theirs)]))
        .unwrap();
    assert_eq!(verified.len(), 1);
}

#[test]
fn appended_leaves_can_be_taken_back() {
    let mut log = log("o").unwrap();
    log.append(&hashes(1)[0]);
    let before = log.state().clone();
    let signed = log.checkpoint().unwrap();
    log.append(&hashes(2)[1]);
    log.restore(before.clone()).unwrap();
    assert_eq!((log.state(), log.checkpoint().unwrap()), (&before, signed));
    assert!(
        log.restore(TreeState {
            size: 3,
            edge: vec![]
        })
        .is_err()
    );
    assert_eq!(log.state(), &before);
}

#[test]
fn what_cannot_be_signed_is_refused() {
    for origin in ["", "a b", "a+b", "a\nb"] {
        assert!(
            matches!(log(origin), Err(LedgerError::BadOrigin(_))),
            "{origin}"
        );
    }
    let signer = || LogSigner::from_seed(&Secret::new(vec![7; 32])).unwrap();
    let damaged = TreeState {
        size: 3,
        edge: vec![],
    };
    assert!(matches!(
        Log::open(LOG, "o", signer(), damaged),
        Err(LedgerError::BadState(_))
    ));
    let full = TreeState {
        size: MAX_LOG_SIZE,
        edge: vec![[0; 32]],
    };
    let mut full = Log::open(LOG, "o", signer(), full).unwrap();
    assert!(full.checkpoint().is_ok());
    full.append(&hashes(1)[0]);
    assert_eq!(full.checkpoint(), Err(LedgerError::Full));
}

#[test]
fn changed_checkpoints_do_not_open() {
    let (ours, other) = (TestLog::new(), TestLog::new());
    let note = ours.checkpoint(&leaves(3));
    assert!(open_checkpoint(&note, &ours.vkey).is_ok());
    assert!(
        open_checkpoint(&note, &other.vkey).is_err(),
        "another key of the same name"
    );
    for at in 0..note.len() {
        let mut changed = note.clone().into_bytes();
        changed[at] = if changed[at] == b'1' { b'2' } else { b'1' };
        if let Ok(changed) = String::from_utf8(changed) {
            assert!(open_checkpoint(&changed, &ours.vkey).is_err(), "byte {at}");
        }
    }
    for bad in [
        String::new(),
        "\n\n".to_owned(),
        note[..note.len() - 1].to_owned(),
        format!("{note}x"),
        format!("x{note}"),
        "a".repeat(100_000),
    ] {
        assert!(open_checkpoint(&bad, &ours.vkey).is_err(), "{bad:.40}");
    }
}

#[test]
fn a_signature_of_a_witness_does_not_disturb_and_does_not_count() {
    let (ours, witness) = (TestLog::new(), TestLog::new());
    let note = ours.checkpoint(&leaves(3));
    let cosigned = format!(
        "{note}{}",
        witness.checkpoint(&leaves(3)).lines().last().unwrap()
    );
    assert!(open_checkpoint(&format!("{cosigned}\n"), &ours.vkey).is_ok());
    let (text, _) = note.rsplit_once("\n\n").unwrap();
    let by_witness = witness.checkpoint(&leaves(3));
    let only_witness = format!("{text}\n\n{}\n", by_witness.lines().last().unwrap());
    assert!(open_checkpoint(&only_witness, &ours.vkey).is_err());
}

#[test]
fn the_origin_is_the_name_of_the_key() {
    // The key signs the head of a log with another name.
    let signer = LogSigner::from_seed(&Secret::new(vec![7; 32])).unwrap();
    let text = tlog_tiles::Checkpoint::new("other", 0, tlog_tiles::EMPTY_HASH, "")
        .unwrap()
        .to_bytes();
    let signature = Signature::new(
        "o".to_owned(),
        key_id("o", &signer.public()),
        signer.sign(&text),
    )
    .unwrap();
    let note = String::from_utf8(Note::new(&text, &[signature]).unwrap().to_bytes()).unwrap();
    let error = open_checkpoint(&note, &vkey("o")).unwrap_err();
    assert!(error.to_string().contains("origin"), "{error}");
}
