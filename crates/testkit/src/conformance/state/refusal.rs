//! What is not committed, and leaves no trace.

use caracal_core::{Kind, Version};
use caracal_store::{Commit, CommitError, StateStore, Write};

use crate::conformance::sample::{Ids, commit, document, put, read};

pub(crate) async fn run<S: StateStore>(make: &impl AsyncFn(&str) -> S) {
    let store = make("refusal").await;
    let (zone, known) = (Ids::zone(), Ids::uuid());
    store.commit(put(zone, known, 1)).await.unwrap();
    store.commit(put(zone, known, 2)).await.unwrap();
    let before = store.load(zone).await.unwrap();
    let fresh = Ids::uuid();
    let delete = |id, version| Write::Delete {
        kind: Kind::Application,
        id,
        version: Version(version),
    };
    let reading = |reads| Commit {
        reads,
        ..put(zone, fresh, 1)
    };

    for conflict in [
        reading(vec![read(known, 1)]),
        reading(vec![read(known, 3)]),
        reading(vec![read(known, 0)]),
        reading(vec![read(Ids::uuid(), 1)]),
        reading(vec![read(known, 2), read(known, 1)]),
        put(zone, fresh, 2),
        put(zone, fresh, 0),
        put(zone, known, 2),
        put(zone, known, 4),
        put(zone, known, 0),
        put(zone, fresh, u64::MAX),
        commit(zone, vec![delete(known, 1)]),
        commit(zone, vec![delete(known, 0)]),
        commit(zone, vec![delete(fresh, 0)]),
        commit(zone, vec![delete(fresh, 1)]),
        commit(
            zone,
            vec![Write::Put(document(zone, fresh, 1)), delete(known, 1)],
        ),
    ] {
        refused(&store, conflict, |error| {
            matches!(error, CommitError::Conflict { .. })
        })
        .await;
    }
    let elsewhere = Ids::zone();
    for malformed in [
        Commit {
            events: Vec::new(),
            ..put(zone, fresh, 1)
        },
        commit(
            zone,
            vec![
                Write::Put(document(zone, fresh, 1)),
                Write::Put(document(zone, fresh, 2)),
            ],
        ),
        commit(
            zone,
            vec![delete(known, 2), Write::Put(document(zone, known, 1))],
        ),
        commit(zone, vec![Write::Put(document(elsewhere, fresh, 1))]),
    ] {
        refused(&store, malformed, |error| {
            matches!(error, CommitError::Malformed(_))
        })
        .await;
    }
    let after = store.load(zone).await.unwrap();
    assert_eq!(
        (after.position, after.documents),
        (before.position, before.documents)
    );

    // What holds is committed.
    let reads = vec![read(known, 2), read(Ids::uuid(), 0)];
    store
        .commit(Commit {
            reads,
            ..put(zone, known, 3)
        })
        .await
        .unwrap();
    store.close().await;
}

async fn refused<S: StateStore>(
    store: &S,
    commit: Commit,
    as_expected: impl Fn(&CommitError) -> bool,
) {
    let (zone, id) = (commit.zone, commit.id);
    let text = format!("{commit:?}");
    let error = store.commit(commit).await.expect_err(&text);
    assert!(as_expected(&error), "{error:?} for {text}");
    assert_eq!(store.find_commit(zone, id).await.unwrap(), None);
}
