//! Master keys that take each other's place.

use std::collections::BTreeSet;

use caracal_core::{Kind, Secret, ZoneId};
use caracal_crypto::{Keyring, MasterKey};
use caracal_engine::{
    Admin, AdminError, Idempotency, KeyCare, MasterKeyStatus, ProviderSpec, StartError,
};
use caracal_store::{EvidenceStore, StateStore};
use caracal_testkit::{SeededZone, TestEngine};

const ALL: &str = "permit (principal, action, resource);";

fn key(byte: u8) -> MasterKey {
    MasterKey::from_bytes(&[byte; 32]).unwrap()
}

fn old() -> MasterKey {
    MasterKey::from_bytes(&TestEngine::MASTER_KEY).unwrap()
}

/// An engine over what is stored, with these keys.
async fn reopen(test: &TestEngine, ring: Keyring) -> Result<TestEngine, StartError> {
    test.engine.close().await;
    TestEngine::try_with_keys(test.store().reopen(), test.clock.clone(), ring).await
}

fn status(test: &TestEngine) -> MasterKeyStatus {
    test.engine.master_key_status(&test.admin()).unwrap()
}

/// Waits until the resealer says that it is done.
async fn settled(test: &TestEngine) -> MasterKeyStatus {
    for _ in 0..1000 {
        let status = status(test);
        if status.pending == 0 && status.settled_at.is_some() {
            return status;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("never settled: {:?}", status(test))
}

async fn works(test: &TestEngine, zone: &SeededZone) {
    let text = zone
        .mint(&test.engine, &["resource://items"], None)
        .await
        .unwrap()
        .text;
    let permit = zone
        .call(&test.engine, &text, "items", "GET", "/v1/x")
        .await
        .unwrap();
    assert_eq!(permit.injection().unwrap().headers.len(), 1);
}

/// Many providers and a remembered answer, so that there is more than one batch.
async fn filled(test: &TestEngine) -> SeededZone {
    let zone = test.seed_policy(ALL).await;
    for n in 0..230 {
        let spec = ProviderSpec {
            secret: Some(Secret::from(format!("sk-{n}"))),
            ..SeededZone::provider(&format!("p{n}"))
        };
        test.engine
            .create_provider(zone.id, &test.admin(), spec)
            .await
            .unwrap();
    }
    let keyed = keyed(test);
    let spec = SeededZone::application("carla");
    test.engine
        .create_application(zone.id, &keyed, spec)
        .await
        .unwrap();
    zone
}

fn keyed(test: &TestEngine) -> Admin {
    let idempotency = Idempotency {
        key: "k".to_owned(),
        input: b"carla".to_vec(),
    };
    Admin {
        idempotency: Some(idempotency),
        ..test.admin()
    }
}

/// The public names of the keys that anything stored is sealed under.
async fn seals(test: &TestEngine) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for zone in test.store().list_zones().await.unwrap() {
        for document in test.store().load(zone).await.unwrap().documents {
            let value: serde_json::Value = serde_json::from_str(&document.body).unwrap();
            collect(&value, &mut found);
        }
    }
    found
}

fn collect(value: &serde_json::Value, found: &mut BTreeSet<String>) {
    match value {
        serde_json::Value::String(text) if text.len() > 100 => {
            found.extend(Keyring::master_key_of(&caracal_core::SealedSecret(
                text.clone(),
            )));
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        serde_json::Value::Object(fields) => fields.values().for_each(|item| collect(item, found)),
        _ => {}
    }
}

#[tokio::test(start_paused = true)]
async fn everything_is_sealed_again_and_the_old_key_can_go() {
    let test = TestEngine::in_memory().await;
    let zone = filled(&test).await;
    let (old_id, new_id) = (
        Keyring::new(old()).current_id(),
        Keyring::new(key(9)).current_id(),
    );
    assert_eq!(seals(&test).await, BTreeSet::from([old_id.clone()]));
    assert!(
        status(&test).settled_at.is_some(),
        "a new instance has one key"
    );

    // Too early: nothing starts without the old key, and it is told what needs it.
    let refused = reopen(&test, Keyring::new(key(9))).await.err().unwrap();
    let StartError::MasterKeyMissing(missing) = &refused else {
        panic!("{refused}")
    };
    assert_eq!((&missing.id, &missing.given), (&old_id, &new_id));
    assert_eq!(
        (
            missing.zones.len(),
            missing.providers.len(),
            missing.answers
        ),
        (2, 231, 1)
    );
    assert!(
        refused.to_string().contains("231") || refused.to_string().contains("228 more"),
        "{refused}"
    );

    let test = reopen(&test, Keyring::new(key(9)).with_older(old()))
        .await
        .unwrap();
    works(&test, &zone).await;
    let done = settled(&test).await;
    assert_eq!(
        (
            done.id.clone(),
            done.older[0].id.clone(),
            done.older[0].sealed
        ),
        (new_id.clone(), old_id, 0)
    );
    assert_eq!(seals(&test).await, BTreeSet::from([new_id]));
    works(&test, &zone).await;
    let types = zone.event_types(&test.engine).await;
    let batches = types
        .iter()
        .filter(|held| **held == "secret.resealed")
        .count();
    assert!(batches >= 3, "bounded batches: {batches}");
    let query = caracal_engine::Query {
        limit: 100,
        ..caracal_engine::Query::default()
    };
    let page = test
        .engine
        .search_events(ZoneId::INSTANCE, &test.admin(), query)
        .await
        .unwrap();
    let text: Vec<_> = page
        .leaves
        .iter()
        .map(|(_, leaf)| String::from_utf8_lossy(leaf).into_owned())
        .collect();
    for wanted in ["master_key.rotated", "master_key.retired"] {
        let count = text.iter().filter(|leaf| leaf.contains(wanted)).count();
        assert_eq!(count, 1, "{wanted}");
    }

    // Now it may go, and what was remembered is still remembered.
    let test = reopen(&test, Keyring::new(key(9))).await.unwrap();
    works(&test, &zone).await;
    let (keyed, carla) = (keyed(&test), SeededZone::application("carla"));
    let again = test.engine.create_application(zone.id, &keyed, carla).await;
    assert!(again.unwrap().client_secret.is_some());
}

#[tokio::test(start_paused = true)]
async fn an_end_at_any_point_leaves_nothing_that_cannot_be_opened() {
    let mut test = TestEngine::in_memory().await;
    let zone = filled(&test).await;
    let mut left = Vec::new();
    // Each process dies a little later than the one before.
    for millis in [0, 1, 3, 6, 9, 14, 40] {
        test = test_after(&test, Keyring::new(key(9)).with_older(old())).await;
        tokio::time::sleep(std::time::Duration::from_millis(millis)).await;
        works(&test, &zone).await;
        left.push(status(&test).pending);
    }
    assert!(left[0] > 0, "{left:?}");
    assert!(left.windows(2).all(|pair| pair[1] <= pair[0]), "{left:?}");
    settled(&test).await;
    assert_eq!(seals(&test).await.len(), 1);
}

async fn test_after(test: &TestEngine, ring: Keyring) -> TestEngine {
    // The old process can write nothing any more, wherever it was.
    StateStore::close(test.store()).await;
    EvidenceStore::close(test.store()).await;
    let store = test.store().reopen();
    TestEngine::try_with_keys(store, test.clock.clone(), ring)
        .await
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_running_server_takes_a_new_key() {
    let test = TestEngine::in_memory().await;
    let zone = filled(&test).await;
    let elsewhere = test.engine.rotate_master_key(&test.admin()).await;
    assert!(matches!(elsewhere, Err(AdminError::MasterKeyElsewhere(_))));
    test.engine.set_key_care(KeyCare {
        new_master_key: Some(Box::new(|_| Ok(key(9)))),
        ..KeyCare::default()
    });
    let text = zone
        .mint(&test.engine, &["resource://items"], None)
        .await
        .unwrap()
        .text;
    let begun = test.engine.rotate_master_key(&test.admin()).await.unwrap();
    assert!(begun.pending > 200, "{begun:?}");
    let again = test.engine.rotate_master_key(&test.admin()).await;
    assert!(matches!(again, Err(AdminError::InUse(_))), "{again:?}");
    // Meanwhile everything goes on, and what is new is sealed under the new key.
    assert!(
        zone.call(&test.engine, &text, "items", "GET", "/v1/x")
            .await
            .is_ok()
    );
    works(&test, &zone).await;
    let done = settled(&test).await;
    assert_eq!(done.id, Keyring::new(key(9)).current_id());
    assert_eq!(seals(&test).await.len(), 1);
    let test = reopen(&test, Keyring::new(key(9))).await.unwrap();
    works(&test, &zone).await;
}

#[tokio::test(start_paused = true)]
async fn a_damaged_seal_holds_nothing_else_up_and_is_told() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await;
    let id: caracal_core::ProviderId = zone.id_of("key");
    // The stored credential is changed behind the server's back.
    let snapshot = test.store().load(zone.id).await.unwrap();
    let held = snapshot
        .documents
        .iter()
        .find(|d| d.kind == Kind::Provider && d.id == id.uuid());
    let mut document = held.unwrap().clone();
    let end = document.body.rfind("\",\"allowed_hosts").unwrap();
    let mut body = document.body.to_string();
    let last = body.remove(end - 5);
    body.insert(end - 5, if last == 'A' { 'B' } else { 'A' });
    document.body = body.into();
    document.version = document.version.next();
    let event = caracal_core::Event::new(
        caracal_core::EventId::from_uuid(uuid::Uuid::from_u128(7)),
        test.engine.now(),
        zone.id,
        test.engine.config().node,
        caracal_core::EventType::ProviderUpdated,
        "req",
    );
    let commit = caracal_store::Commit {
        id: caracal_core::CommitId::from_uuid(uuid::Uuid::from_u128(8)),
        zone: zone.id,
        reads: Vec::new(),
        writes: vec![caracal_store::Write::Put(document)],
        events: vec![event],
    };
    test.store().commit(commit).await.unwrap();
    let test = reopen(&test, Keyring::new(key(9)).with_older(old()))
        .await
        .unwrap();
    for _ in 0..100 {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let left = status(&test);
    assert_eq!(
        (left.pending, left.older[0].sealed, left.settled_at),
        (1, 1, None)
    );
    let name = format!("the credential of the provider `{}/key`", left.zones[0].0);
    assert_eq!(left.damaged, [name]);
    // A new key waits for nothing that opens under none; and the one that it needs stays.
    let needed = left.older[0].id.clone();
    let told = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let tell = std::sync::Arc::clone(&told);
    test.engine.set_key_care(KeyCare {
        new_master_key: Some(Box::new(move |older| {
            tell.lock().unwrap().extend_from_slice(older);
            Ok(key(10))
        })),
        ..KeyCare::default()
    });
    test.engine.rotate_master_key(&test.admin()).await.unwrap();
    assert_eq!(*told.lock().unwrap(), std::slice::from_ref(&needed));
    for _ in 0..100 {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let left = status(&test);
    assert_eq!((left.pending, left.settled_at), (1, None));
    let still = |key: &&caracal_engine::OlderMasterKey| key.sealed > 0;
    let needed_still: Vec<_> = left.older.iter().filter(still).map(|key| &key.id).collect();
    assert_eq!(needed_still, [&needed]);
    // Given again, it is sealed under the new key.
    let spec = SeededZone::provider("key");
    test.engine
        .update_provider(zone.id, &test.admin(), "key", spec)
        .await
        .unwrap();
    let done = settled(&test).await;
    assert_eq!((done.pending, done.damaged.len()), (0, 0));
    works(&test, &zone).await;
}
