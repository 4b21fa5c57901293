//! Many at once.

use std::collections::BTreeSet;
use std::sync::Arc;

use caracal_core::Revision;
use caracal_store::{CommitError, StateStore, Write};
use tokio::task::JoinSet;

use crate::conformance::sample::{Ids, commit, document, put};

pub(crate) async fn run<S: StateStore>(make: &impl AsyncFn(&str) -> S) {
    let store = Arc::new(make("concurrency").await);
    revisions_are_consecutive(&store).await;
    one_of_many_wins_and_harms_nobody(&store).await;
    snapshots_are_consistent(&store).await;
    store.close().await;
}

async fn revisions_are_consecutive<S: StateStore>(store: &Arc<S>) {
    let (zone, other) = (Ids::zone(), Ids::zone());
    let mut tasks = JoinSet::new();
    for _ in 0..50 {
        let store = Arc::clone(store);
        tasks.spawn(async move {
            let mut revisions = Vec::new();
            for _ in 0..10 {
                revisions.push(
                    store
                        .commit(put(zone, Ids::uuid(), 1))
                        .await
                        .unwrap()
                        .revision,
                );
                store.commit(put(other, Ids::uuid(), 1)).await.unwrap();
            }
            assert!(revisions.is_sorted());
            revisions
        });
    }
    let revisions: BTreeSet<_> = tasks.join_all().await.into_iter().flatten().collect();
    assert_eq!(revisions, (1..=500).map(Revision).collect());
    assert_eq!(store.load(zone).await.unwrap().documents.len(), 500);
    let listed = store.list_commits(zone, Revision(0), 1000).await.unwrap();
    assert!(
        listed
            .iter()
            .map(|record| record.position.revision)
            .eq((1..=500).map(Revision))
    );
}

async fn one_of_many_wins_and_harms_nobody<S: StateStore>(store: &Arc<S>) {
    let (zone, wanted) = (Ids::zone(), Ids::uuid());
    let mut tasks = JoinSet::new();
    for _ in 0..20 {
        let (contender, bystander) = (Arc::clone(store), Arc::clone(store));
        tasks.spawn(async move {
            match contender.commit(put(zone, wanted, 1)).await {
                Ok(_) => true,
                Err(CommitError::Conflict { .. }) => false,
                Err(error) => panic!("{error:?}"),
            }
        });
        tasks.spawn(async move {
            bystander.commit(put(zone, Ids::uuid(), 1)).await.unwrap();
            false
        });
    }
    let won = tasks
        .join_all()
        .await
        .into_iter()
        .filter(|won| *won)
        .count();
    assert_eq!(won, 1);
    let snapshot = store.load(zone).await.unwrap();
    assert_eq!(
        (snapshot.position.revision, snapshot.documents.len()),
        (Revision(21), 21)
    );
}

/// Two documents always change together.
async fn snapshots_are_consistent<S: StateStore>(store: &Arc<S>) {
    let (zone, a, b) = (Ids::zone(), Ids::uuid(), Ids::uuid());
    let writer = Arc::clone(store);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        for version in 1..=100 {
            let both = [a, b].map(|id| Write::Put(document(zone, id, version)));
            writer.commit(commit(zone, both.to_vec())).await.unwrap();
        }
    });
    loop {
        let snapshot = store.load(zone).await.unwrap();
        let revision = snapshot.position.revision.0;
        for document in &snapshot.documents {
            assert_eq!(document.version.0, revision);
        }
        assert_eq!(snapshot.documents.len(), if revision == 0 { 0 } else { 2 });
        if revision == 100 {
            break;
        }
    }
    tasks.join_all().await;
}
