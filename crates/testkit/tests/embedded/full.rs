//! A disk without room.

use caracal_core::{Document, ZoneId};
use caracal_store::{
    ClaimId, Claimed, Commit, CommitError, Embedded, EvidenceStore, OpenOptions, StateStore,
    StoreError, Write,
};
use caracal_testkit::conformance::{Ids, TestLog, document, event};

use super::open;

const LIMIT: u64 = 400 * 1024;

fn limited(dir: &std::path::Path) -> Embedded {
    Embedded::open(
        dir,
        OpenOptions {
            max_file_bytes: Some(LIMIT),
            on_step: None,
        },
    )
    .unwrap()
}

fn put(zone: ZoneId, bytes: usize) -> Commit {
    let document = Document {
        body: format!("\"{}\"", "x".repeat(bytes)).into(),
        ..document(zone, Ids::uuid(), 1)
    };
    let (writes, events) = (vec![Write::Put(document)], vec![event(zone)]);
    Commit {
        id: Ids::commit(),
        zone,
        reads: Vec::new(),
        writes,
        events,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_that_do_not_fit_are_refused_and_the_others_kept() {
    let dir = tempfile::tempdir().unwrap();
    let store = limited(dir.path());
    let zone = Ids::zone();
    let mut kept = 0;
    let lost = loop {
        let commit = put(zone, 10_000);
        let id = commit.id;
        match store.commit(commit).await {
            Ok(position) => {
                kept += 1;
                assert_eq!(position.revision.0, kept);
            }
            Err(CommitError::Store(StoreError::Full)) => break id,
            Err(error) => panic!("{error:?}"),
        }
    };
    assert!(kept > 0);
    assert_eq!(store.find_commit(zone, lost).await.unwrap(), None);
    // A large one among small ones fails alone or with them, never half.
    let (large, small) = (put(zone, 300_000), put(zone, 1));
    let (large, small) = tokio::join!(store.commit(large), store.commit(small));
    assert!(
        matches!(large, Err(CommitError::Store(StoreError::Full))),
        "{large:?}"
    );
    kept += u64::from(small.is_ok());
    drop(store);

    // With room again it goes on where it was.
    let store = open(dir.path());
    assert_eq!(store.load(zone).await.unwrap().documents.len() as u64, kept);
    assert_eq!(
        store.commit(put(zone, 10_000)).await.unwrap().revision.0,
        kept + 1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn leaves_that_do_not_fit_are_refused_and_their_log_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let store = limited(dir.path());
    let log = TestLog::new(Ids::zone());
    log.open(&store).await;
    let mut kept = 0;
    loop {
        match store.append((0..100).map(|_| log.entry()).collect()).await {
            Ok(_) => kept += 100,
            Err(StoreError::Full) => break,
            Err(error) => panic!("{error:?}"),
        }
    }
    assert!(kept > 0);
    let head = store.head(log.id).await.unwrap();
    assert_eq!((head.size, head.damaged), (kept, false));
    // One that does fit gets the next index: the tree went back.
    if let Ok(receipts) = store.append(vec![log.entry()]).await {
        assert_eq!(receipts[0].index, kept);
        kept += 1;
    }
    drop(store);

    let store = open(dir.path());
    log.open(&store).await;
    assert_eq!(
        store.append(vec![log.entry()]).await.unwrap()[0].index,
        kept
    );
    assert_eq!(
        store.read(log.id, 0, usize::MAX).await.unwrap().len() as u64,
        kept + 1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn claims_that_do_not_fit_are_nobodys() {
    let dir = tempfile::tempdir().unwrap();
    let store = limited(dir.path());
    let (zone, end) = (
        Ids::zone(),
        jiff::Timestamp::from_second(1_700_000_000).unwrap(),
    );
    let id = |n: u32| ClaimId(caracal_crypto::sha256(&n.to_be_bytes()));
    let mut kept = 0;
    loop {
        match store.claim(zone, id(kept), end).await {
            Ok(claimed) => assert_eq!(claimed, Claimed::Now),
            Err(StoreError::Full) => break,
            Err(error) => panic!("{error:?}"),
        }
        kept += 1;
    }
    assert!(kept > 0);
    // What was claimed stays so, and the room of what has ended can be used again.
    let first = store.claim(zone, id(0), end).await.unwrap();
    assert_eq!(first, Claimed::Before);
    let later = jiff::Timestamp::from_second(1_700_000_010).unwrap();
    assert_eq!(
        store.forget_claims(later, usize::MAX).await.unwrap(),
        kept as usize
    );
    assert_eq!(
        store.claim(zone, id(kept), end).await.unwrap(),
        Claimed::Now
    );
}
