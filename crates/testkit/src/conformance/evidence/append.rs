//! What an append does.

use caracal_core::{Event, Revision};
use caracal_ledger::TreeState;
use caracal_store::{EvidenceStore, StoreError};

use super::check_log;
use crate::conformance::sample::{Ids, TestLog, event};

pub(crate) async fn run<S: EvidenceStore>(make: &impl AsyncFn(&str) -> S) {
    let store = make("append").await;
    an_unknown_log_is_empty(&store).await;
    leaves_get_consecutive_indexes(&store).await;
    all_entries_or_none(&store).await;
    a_log_is_continued_only_where_it_stands(&store).await;
    the_head_has_the_highest_revision(&store).await;
    the_tail_rises(&store).await;
    store.close().await;
    after_closing_nothing_works(&store).await;
}

async fn an_unknown_log_is_empty<S: EvidenceStore>(store: &S) {
    let log = TestLog::new(Ids::zone());
    assert!(check_log(store, &log, 0).await.is_empty());
    assert!(store.head(log.id).await.unwrap().edge.is_empty());
    log.open(store).await;
    check_log(store, &log, 0).await;
    assert!(store.append(Vec::new()).await.unwrap().is_empty());
}

async fn leaves_get_consecutive_indexes<S: EvidenceStore>(store: &S) {
    let (a, b) = (TestLog::new(Ids::zone()), TestLog::new(Ids::zone()));
    a.open(store).await;
    b.open(store).await;
    let receipts = store
        .append(vec![a.entry(), b.entry(), a.entry(), a.entry(), b.entry()])
        .await
        .unwrap();
    let got: Vec<_> = receipts
        .iter()
        .map(|receipt| (receipt.log, receipt.index))
        .collect();
    assert_eq!(got, [(a.id, 0), (b.id, 0), (a.id, 1), (a.id, 2), (b.id, 1)]);
    let hashes = [check_log(store, &a, 3).await, check_log(store, &b, 2).await];
    for receipt in &receipts {
        let hashes = if receipt.log == a.id {
            &hashes[0]
        } else {
            &hashes[1]
        };
        assert_eq!(
            receipt.leaf,
            hashes[usize::try_from(receipt.index).unwrap()]
        );
    }
    // The checkpoint covers a leaf as soon as its append has returned.
    for size in 4..20 {
        store.append(vec![a.entry()]).await.unwrap();
        check_log(store, &a, size).await;
    }
    let part = store.read(a.id, 5, 3).await.unwrap();
    assert!(part.iter().map(|(index, _)| *index).eq(5..8));
    assert!(store.read(a.id, 19, 3).await.unwrap().is_empty());
}

async fn all_entries_or_none<S: EvidenceStore>(store: &S) {
    let (open, never) = (TestLog::new(Ids::zone()), TestLog::new(Ids::zone()));
    open.open(store).await;
    store.append(vec![open.entry()]).await.unwrap();
    let result = store
        .append(vec![open.entry(), never.entry(), open.entry()])
        .await;
    assert!(
        matches!(result, Err(StoreError::Unavailable(_))),
        "{result:?}"
    );
    check_log(store, &open, 1).await;
    check_log(store, &never, 0).await;
    let receipts = store.append(vec![open.entry()]).await.unwrap();
    assert_eq!(receipts[0].index, 1, "no index is lost");
    check_log(store, &open, 2).await;
}

async fn a_log_is_continued_only_where_it_stands<S: EvidenceStore>(store: &S) {
    let log = TestLog::new(Ids::zone());
    log.open(store).await;
    store.append(vec![log.entry(), log.entry()]).await.unwrap();
    let head = store.head(log.id).await.unwrap();
    let elsewhere = TreeState {
        size: head.size,
        edge: vec![[7; 32]],
    };
    for wrong in [TreeState::new(), elsewhere] {
        let result = store.open_log(log.at(wrong)).await;
        assert!(matches!(result, Err(StoreError::Damaged(_))), "{result:?}");
    }
    log.open(store).await;
    assert_eq!(store.append(vec![log.entry()]).await.unwrap()[0].index, 2);
    check_log(store, &log, 3).await;
}

async fn the_head_has_the_highest_revision<S: EvidenceStore>(store: &S) {
    let log = TestLog::new(Ids::zone());
    log.open(store).await;
    let at = |revision| {
        log.entry_of(&Event {
            revision,
            ..event(log.zone)
        })
    };
    for (entry, highest) in [
        (at(None), 0),
        (at(Some(3)), 3),
        (at(None), 3),
        (at(Some(4)), 4),
    ] {
        store.append(vec![entry]).await.unwrap();
        assert_eq!(
            store.head(log.id).await.unwrap().revision,
            Revision(highest)
        );
    }
}

async fn the_tail_rises<S: EvidenceStore>(store: &S) {
    let log = TestLog::new(Ids::zone());
    log.open(store).await;
    let mut tail = store.tail();
    let mut before = *tail.borrow_and_update();
    for _ in 0..5 {
        store.append(vec![log.entry(), log.entry()]).await.unwrap();
        assert!(tail.has_changed().unwrap(), "before the append returns");
        let now = *tail.borrow_and_update();
        assert!(now >= before + 2);
        before = now;
    }
}

async fn after_closing_nothing_works<S: EvidenceStore>(store: &S) {
    let log = TestLog::new(Ids::zone());
    store.close().await;
    let results = [
        store.append(vec![log.entry()]).await.err(),
        store.open_log(log.at(TreeState::new())).await.err(),
        store.head(log.id).await.err(),
        store.read(log.id, 0, 1).await.err(),
    ];
    for error in results {
        assert!(
            matches!(error, Some(StoreError::Unavailable(_))),
            "{error:?}"
        );
    }
}
