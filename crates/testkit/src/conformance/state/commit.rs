//! What a commit does.

use caracal_core::{Kind, Revision, Version, ZoneId};
use caracal_store::{StateStore, Write, next_position};

use crate::conformance::sample::{Ids, commit, document, put};

pub(crate) async fn run<S: StateStore>(make: &impl AsyncFn(&str) -> S) {
    let store = make("commit").await;
    an_unknown_zone_is_empty(&store).await;
    a_commit_is_loaded_and_listed(&store).await;
    positions_are_a_chain(&store).await;
    a_commit_id_counts_once(&store).await;
    zones_with_documents_are_listed(&store).await;
    store.close().await;
}

async fn an_unknown_zone_is_empty<S: StateStore>(store: &S) {
    let zone = Ids::zone();
    let snapshot = store.load(zone).await.unwrap();
    assert_eq!(snapshot.position.revision, Revision(0));
    assert_eq!(snapshot.position.hash, [0; 32]);
    assert!(snapshot.documents.is_empty());
    assert!(
        store
            .list_commits(zone, Revision(0), 10)
            .await
            .unwrap()
            .is_empty()
    );
    let first = store.commit(put(zone, Ids::uuid(), 1)).await.unwrap();
    assert_eq!(
        first.epoch, snapshot.position.epoch,
        "the start position belongs to the zone's history"
    );
}

async fn a_commit_is_loaded_and_listed<S: StateStore>(store: &S) {
    let (zone, a, b) = (Ids::zone(), Ids::uuid(), Ids::uuid());
    let first = commit(
        zone,
        vec![
            Write::Put(document(zone, a, 1)),
            Write::Put(document(zone, b, 1)),
        ],
    );
    let position = store.commit(first.clone()).await.unwrap();
    assert_eq!(position.revision, Revision(1));
    let delete = Write::Delete {
        kind: Kind::Application,
        id: b,
        version: Version(1),
    };
    let second = commit(zone, vec![Write::Put(document(zone, a, 2)), delete]);
    let end = store.commit(second.clone()).await.unwrap();

    let snapshot = store.load(zone).await.unwrap();
    assert_eq!(snapshot.position, end);
    assert_eq!(snapshot.documents, vec![document(zone, a, 2)]);

    let listed = store.list_commits(zone, Revision(0), 10).await.unwrap();
    assert_eq!(listed.len(), 2);
    for (record, (made, at)) in listed.iter().zip([(&first, position), (&second, end)]) {
        assert_eq!(
            (record.id, record.zone, record.position),
            (made.id, zone, at)
        );
        assert_eq!(record.writes, made.writes);
        let mut events = made.events.clone();
        events
            .iter_mut()
            .for_each(|event| event.revision = Some(at.revision.0));
        assert_eq!(
            record.events, events,
            "each event has its commit's revision"
        );
    }
    assert_eq!(
        store.list_commits(zone, Revision(0), 1).await.unwrap(),
        listed[..1]
    );
    assert_eq!(
        store.list_commits(zone, Revision(1), 10).await.unwrap(),
        listed[1..]
    );
    // A document that is gone can be made again, from the first version.
    store.commit(put(zone, b, 1)).await.unwrap();
}

async fn positions_are_a_chain<S: StateStore>(store: &S) {
    let (zone, id) = (Ids::zone(), Ids::uuid());
    let mut position = store.load(zone).await.unwrap().position;
    for version in 1..=5 {
        let reached = store.commit(put(zone, id, version)).await.unwrap();
        let record = store
            .list_commits(zone, position.revision, 1)
            .await
            .unwrap()
            .remove(0);
        let writes = serde_json::to_string(&record.writes).unwrap();
        let events = serde_json::to_string(&record.events).unwrap();
        let expected = next_position(&position, zone, record.id, &writes, &events);
        assert_eq!(
            reached, expected,
            "the hash covers the one before and the commit's bytes"
        );
        position = reached;
    }
}

async fn a_commit_id_counts_once<S: StateStore>(store: &S) {
    let (zone, id) = (Ids::zone(), Ids::uuid());
    let commit = put(zone, id, 1);
    assert_eq!(store.find_commit(zone, commit.id).await.unwrap(), None);
    let (first, second) = tokio::join!(store.commit(commit.clone()), store.commit(commit.clone()));
    let first = first.unwrap();
    assert_eq!(
        second.unwrap(),
        first,
        "also when both are in flight at once"
    );
    store.commit(put(zone, id, 2)).await.unwrap();
    assert_eq!(store.commit(commit.clone()).await.unwrap(), first);
    assert_eq!(
        store.find_commit(zone, commit.id).await.unwrap(),
        Some(first)
    );
    assert_eq!(
        store.find_commit(Ids::zone(), commit.id).await.unwrap(),
        None
    );
    assert_eq!(
        store.load(zone).await.unwrap().position.revision,
        Revision(2)
    );
}

async fn zones_with_documents_are_listed<S: StateStore>(store: &S) {
    let (zone, id) = (Ids::zone(), Ids::uuid());
    store.commit(put(zone, id, 1)).await.unwrap();
    store
        .commit(put(ZoneId::INSTANCE, Ids::uuid(), 1))
        .await
        .unwrap();
    let zones = store.list_zones().await.unwrap();
    assert!(zones.contains(&zone) && zones.contains(&ZoneId::INSTANCE));
    let delete = Write::Delete {
        kind: Kind::Application,
        id,
        version: Version(1),
    };
    store.commit(commit(zone, vec![delete])).await.unwrap();
    assert!(!store.list_zones().await.unwrap().contains(&zone));
    let position = store.load(zone).await.unwrap().position;
    assert_eq!(position.revision, Revision(2), "its history goes on");
}
