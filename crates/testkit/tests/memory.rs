//! The store in memory: the suite of all back ends, and its faults.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, also outside its own function"
)]

use std::collections::HashMap;
use std::sync::Mutex;

use caracal_core::{Revision, ZoneId};
use caracal_store::{
    ClaimId, Claimed, Commit, CommitError, EvidenceStore, StateStore, StoreError, Write,
};
use caracal_testkit::conformance::{self, Ids, TestLog, document, event};
use caracal_testkit::{AppendFault, ClaimFault, CommitFault, MemoryStore, Stalled};

#[derive(Default)]
struct Places(Mutex<HashMap<String, MemoryStore>>);

impl Places {
    fn open(&self, place: &str) -> MemoryStore {
        self.0
            .lock()
            .unwrap()
            .entry(place.to_owned())
            .or_default()
            .reopen()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_a_state_store() {
    let places = Places::default();
    conformance::state_store(async |place| places.open(place)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_an_evidence_store() {
    let places = Places::default();
    conformance::evidence_store(async |place| places.open(place)).await;
}

fn put(zone: ZoneId) -> Commit {
    let writes = vec![Write::Put(document(zone, Ids::uuid(), 1))];
    Commit {
        id: Ids::commit(),
        zone,
        reads: Vec::new(),
        writes,
        events: vec![event(zone)],
    }
}

#[tokio::test]
async fn the_outcome_of_an_ambiguous_commit_can_be_found() {
    let (store, zone) = (MemoryStore::new(), Ids::zone());
    let (lost, kept) = (put(zone), put(zone));
    store.fail_commit(CommitFault::Before);
    store.fail_commit(CommitFault::After);
    let mut watch = store.watch();
    for commit in [&lost, &kept] {
        let result = store.commit(commit.clone()).await;
        assert!(
            matches!(result, Err(CommitError::Store(StoreError::Unavailable(_)))),
            "{result:?}"
        );
    }
    assert_eq!(store.find_commit(zone, lost.id).await.unwrap(), None);
    let position = store.find_commit(zone, kept.id).await.unwrap().unwrap();
    assert_eq!(watch.try_recv().unwrap().id, kept.id);
    assert!(watch.try_recv().is_err());
    assert_eq!(store.commit(kept).await.unwrap(), position);
    assert_eq!(store.commit(lost).await.unwrap().revision, Revision(2));
}

#[tokio::test]
async fn faults_refuse_or_hold() {
    let (store, zone) = (MemoryStore::new(), Ids::zone());
    store.fail_commit(CommitFault::Conflict);
    assert!(matches!(
        store.commit(put(zone)).await,
        Err(CommitError::Conflict { .. })
    ));
    store.fail_commit(CommitFault::Full);
    assert!(matches!(
        store.commit(put(zone)).await,
        Err(CommitError::Store(StoreError::Full))
    ));
    let stalled = Stalled::new();
    store.fail_commit(CommitFault::Stall(stalled.clone()));
    let check = async {
        stalled.reached().await;
        assert_eq!(
            store.load(zone).await.unwrap().position.revision,
            Revision(0)
        );
        stalled.release();
    };
    let (position, ()) = tokio::join!(store.commit(put(zone)), check);
    assert_eq!(position.unwrap().revision, Revision(1));
}

#[tokio::test]
async fn appends_fail_on_demand() {
    let store = MemoryStore::new();
    let log = TestLog::new(Ids::zone());
    log.open(&store).await;
    store.fail_append(AppendFault::Before);
    store.fail_append(AppendFault::Full);
    store.fail_append(AppendFault::After);
    assert!(matches!(
        store.append(vec![log.entry()]).await,
        Err(StoreError::Unavailable(_))
    ));
    assert!(matches!(
        store.append(vec![log.entry()]).await,
        Err(StoreError::Full)
    ));
    assert_eq!(store.head(log.id).await.unwrap().size, 0);
    assert!(matches!(
        store.append(vec![log.entry()]).await,
        Err(StoreError::Unavailable(_))
    ));
    assert_eq!(store.head(log.id).await.unwrap().size, 1);
    let stalled = Stalled::new();
    store.fail_append(AppendFault::Stall(stalled.clone()));
    let check = async {
        stalled.reached().await;
        stalled.release();
    };
    let (receipts, ()) = tokio::join!(store.append(vec![log.entry()]), check);
    assert_eq!(receipts.unwrap()[0].index, 1);
}

#[tokio::test]
async fn claims_fail_on_demand() {
    let (store, zone) = (MemoryStore::new(), Ids::zone());
    let (lost, kept) = (ClaimId([1; 32]), ClaimId([2; 32]));
    let end = jiff::Timestamp::from_second(1_700_000_000).unwrap();
    store.fail_claim(ClaimFault::Before);
    store.fail_claim(ClaimFault::Full);
    store.fail_claim(ClaimFault::After);
    let first = store.claim(zone, lost, end).await;
    assert!(matches!(first, Err(StoreError::Unavailable(_))));
    let full = store.claim(zone, lost, end).await;
    assert!(matches!(full, Err(StoreError::Full)));
    let ambiguous = store.claim(zone, kept, end).await;
    assert!(matches!(ambiguous, Err(StoreError::Unavailable(_))));
    assert_eq!(store.claim(zone, lost, end).await.unwrap(), Claimed::Now);
    assert_eq!(store.claim(zone, kept, end).await.unwrap(), Claimed::Before);
    let stalled = Stalled::new();
    store.fail_claim(ClaimFault::Stall(stalled.clone()));
    let check = async {
        stalled.reached().await;
        assert_eq!(store.claims(), 2);
        stalled.release();
    };
    let (claimed, ()) = tokio::join!(store.claim(zone, ClaimId([3; 32]), end), check);
    assert_eq!(claimed.unwrap(), Claimed::Now);
}
