//! Names are unique.

use caracal_core::{Document, Kind, Version, ZoneId};
use caracal_store::{CommitError, StateStore, Write};
use uuid::Uuid;

use crate::conformance::sample::{Ids, commit, document, name};

pub(crate) async fn run<S: StateStore>(make: &impl AsyncFn(&str) -> S) {
    let store = make("names").await;
    names_are_unique_in_zone_and_kind(&store).await;
    zone_names_are_unique_in_the_instance(&store).await;
    a_name_that_is_given_up_is_free(&store).await;
    store.close().await;
}

fn named(zone: ZoneId, kind: Kind, id: Uuid, text: &str) -> Write {
    Write::Put(Document {
        kind,
        name: Some(name(text)),
        ..document(zone, id, 1)
    })
}

async fn names_are_unique_in_zone_and_kind<S: StateStore>(store: &S) {
    let (zone, other) = (Ids::zone(), Ids::zone());
    let (mine, id) = (Ids::uuid(), Ids::uuid());
    store
        .commit(commit(
            zone,
            vec![named(zone, Kind::Application, mine, "a")],
        ))
        .await
        .unwrap();
    let taken = store
        .commit(commit(zone, vec![named(zone, Kind::Application, id, "a")]))
        .await;
    assert!(
        matches!(taken, Err(CommitError::NameTaken { kind: Kind::Application, name }) if name.as_str() == "a")
    );
    let twice = vec![
        named(zone, Kind::Resource, Ids::uuid(), "b"),
        named(zone, Kind::Resource, Ids::uuid(), "b"),
    ];
    assert!(matches!(
        store.commit(commit(zone, twice)).await,
        Err(CommitError::NameTaken { .. })
    ));
    // Its own name is not in the way, nor that of another kind or zone.
    let again = Document {
        name: Some(name("a")),
        ..document(zone, mine, 2)
    };
    store
        .commit(commit(zone, vec![Write::Put(again)]))
        .await
        .unwrap();
    store
        .commit(commit(zone, vec![named(zone, Kind::Resource, id, "a")]))
        .await
        .unwrap();
    store
        .commit(commit(
            other,
            vec![named(other, Kind::Application, id, "a")],
        ))
        .await
        .unwrap();
    // Documents without a name are no two of the same name.
    let unnamed = [Ids::uuid(), Ids::uuid()].map(|id| Write::Put(document(zone, id, 1)));
    store.commit(commit(zone, unnamed.to_vec())).await.unwrap();
}

async fn zone_names_are_unique_in_the_instance<S: StateStore>(store: &S) {
    let (zone, other) = (Ids::zone(), Ids::zone());
    store
        .commit(commit(
            zone,
            vec![named(zone, Kind::Zone, zone.uuid(), "acme")],
        ))
        .await
        .unwrap();
    let taken = store
        .commit(commit(
            other,
            vec![named(other, Kind::Zone, other.uuid(), "acme")],
        ))
        .await;
    assert!(
        matches!(
            taken,
            Err(CommitError::NameTaken {
                kind: Kind::Zone,
                ..
            })
        ),
        "{taken:?}"
    );
    assert!(!store.list_zones().await.unwrap().contains(&other));
}

async fn a_name_that_is_given_up_is_free<S: StateStore>(store: &S) {
    let (zone, old, new) = (Ids::zone(), Ids::uuid(), Ids::uuid());
    store
        .commit(commit(zone, vec![named(zone, Kind::Provider, old, "p")]))
        .await
        .unwrap();
    let delete = Write::Delete {
        kind: Kind::Provider,
        id: old,
        version: Version(1),
    };
    let exchange = commit(zone, vec![named(zone, Kind::Provider, new, "p"), delete]);
    store.commit(exchange).await.unwrap();
    let documents = store.load(zone).await.unwrap().documents;
    assert_eq!(
        documents
            .iter()
            .map(|document| document.id)
            .collect::<Vec<_>>(),
        [new]
    );
}
