//! Closing and opening again.

use caracal_store::{EvidenceStore, Query, StoreError};

use super::check_log;
use crate::conformance::sample::{Ids, TestLog};

pub(crate) async fn run<S: EvidenceStore>(make: &impl AsyncFn(&str) -> S) {
    let store = make("reopening").await;
    let log = TestLog::new(Ids::zone());
    log.open(&store).await;
    store
        .append((0..300).map(|_| log.entry()).collect())
        .await
        .unwrap();
    let (head, tail) = (store.head(log.id).await.unwrap(), *store.tail().borrow());
    store.close().await;
    drop(store);

    let store = make("reopening").await;
    assert_eq!(store.head(log.id).await.unwrap(), head);
    assert_eq!(*store.tail().borrow(), tail);
    let refused = store.append(vec![log.entry()]).await;
    assert!(
        matches!(refused, Err(StoreError::Unavailable(_))),
        "a log must be opened first"
    );
    log.open(&store).await;
    assert_eq!(store.append(vec![log.entry()]).await.unwrap()[0].index, 300);
    assert!(*store.tail().borrow() > tail);
    check_log(&store, &log, 301).await;
    let query = Query {
        zone: Some(log.zone),
        limit: 1000,
        ..Query::default()
    };
    assert_eq!(store.search(query).await.unwrap().leaves.len(), 301);
    assert_eq!(store.tile(log.id, 0, 1, 45).await.unwrap().len(), 45 * 32);
    store.close().await;
}
