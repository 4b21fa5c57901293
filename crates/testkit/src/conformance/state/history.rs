//! Watching, closing and opening again.

use std::collections::HashMap;
use std::sync::Arc;

use caracal_core::{Revision, ZoneId};
use caracal_store::{CommitError, StateStore, StoreError};
use tokio::task::JoinSet;

use crate::conformance::sample::{Ids, put};

pub(crate) async fn run<S: StateStore>(make: &impl AsyncFn(&str) -> S) {
    watchers_see_every_commit_in_order(make).await;
    what_was_committed_survives(make).await;
    closing_finishes_what_is_queued(make).await;
}

async fn watchers_see_every_commit_in_order<S: StateStore>(make: &impl AsyncFn(&str) -> S) {
    let store = Arc::new(make("watching").await);
    let zones = [Ids::zone(), Ids::zone()];
    store.commit(put(zones[0], Ids::uuid(), 1)).await.unwrap();
    let mut watch = store.watch();
    drop(store.watch());

    let record = put(zones[0], Ids::uuid(), 1);
    let position = store.commit(record.clone()).await.unwrap();
    let seen = watch
        .try_recv()
        .expect("a commit is sent before its call returns");
    assert_eq!((seen.id, seen.position), (record.id, position));
    assert_eq!(
        seen,
        store.list_commits(zones[0], Revision(1), 1).await.unwrap()[0]
    );
    // Told once, though committed again; and nothing of what failed.
    store.commit(record).await.unwrap();
    store
        .commit(put(zones[0], Ids::uuid(), 7))
        .await
        .unwrap_err();

    let mut tasks = JoinSet::new();
    for n in 0..40 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            store
                .commit(put(zones[n % 2], Ids::uuid(), 1))
                .await
                .unwrap()
        });
    }
    tasks.join_all().await;
    let mut seen: HashMap<ZoneId, Vec<u64>> = HashMap::new();
    while let Ok(record) = watch.try_recv() {
        seen.entry(record.zone)
            .or_default()
            .push(record.position.revision.0);
    }
    assert_eq!(seen[&zones[0]], (3..=22).collect::<Vec<_>>());
    assert_eq!(seen[&zones[1]], (1..=20).collect::<Vec<_>>());
    store.close().await;
    assert!(
        watch.recv().await.is_none(),
        "nothing comes after the store was closed"
    );
}

async fn what_was_committed_survives<S: StateStore>(make: &impl AsyncFn(&str) -> S) {
    let store = make("surviving").await;
    let (zone, id) = (Ids::zone(), Ids::uuid());
    let first = put(zone, id, 1);
    let position = store.commit(first.clone()).await.unwrap();
    let before = store.list_commits(zone, Revision(0), 10).await.unwrap();
    store.close().await;
    drop(store);

    let store = make("surviving").await;
    let snapshot = store.load(zone).await.unwrap();
    assert_eq!(snapshot.position, position);
    assert_eq!(snapshot.documents.len(), 1);
    assert_eq!(
        store.list_commits(zone, Revision(0), 10).await.unwrap(),
        before
    );
    assert_eq!(store.commit(first).await.unwrap(), position);
    let next = store.commit(put(zone, id, 2)).await.unwrap();
    assert_eq!((next.epoch, next.revision), (position.epoch, Revision(2)));
    store.close().await;
}

async fn closing_finishes_what_is_queued<S: StateStore>(make: &impl AsyncFn(&str) -> S) {
    let store = Arc::new(make("closing").await);
    let zone = Ids::zone();
    let mut tasks = JoinSet::new();
    for _ in 0..20 {
        let store = Arc::clone(&store);
        tasks.spawn(async move { store.commit(put(zone, Ids::uuid(), 1)).await });
    }
    tokio::task::yield_now().await;
    store.close().await;
    let made = tasks
        .join_all()
        .await
        .into_iter()
        .filter(|result| match result {
            Ok(_) => true,
            Err(CommitError::Store(StoreError::Unavailable(_))) => false,
            Err(error) => panic!("{error:?}"),
        })
        .count();
    store.close().await;
    let late = store.commit(put(zone, Ids::uuid(), 1)).await;
    assert!(
        matches!(late, Err(CommitError::Store(StoreError::Unavailable(_)))),
        "{late:?}"
    );
    assert!(matches!(
        store.load(zone).await,
        Err(StoreError::Unavailable(_))
    ));
    drop(store);
    let store = make("closing").await;
    assert_eq!(
        store.load(zone).await.unwrap().documents.len(),
        made,
        "each was made or refused"
    );
    store.close().await;
}
