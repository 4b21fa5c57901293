//! What is taken away ends what stands on it: at once, and also while a call is being decided.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, also outside its own function"
)]

use caracal_core::{CommitId, Document, EventType, Kind, RefusalCode, ZoneId};
use caracal_engine::{AdminError, IssueError, Permit, Refusal};
use caracal_store::{Commit, StateStore, Write};
use caracal_testkit::{AppendFault, SeededZone, Stalled, TestEngine};
use jiff::SignedDuration;

const PERMIT: &str = "permit(principal, action, resource);";
const FORBID: &str = "forbid(principal, action, resource);";

async fn world() -> (TestEngine, SeededZone, String) {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(PERMIT).await;
    let mandate = zone
        .mint(&test.engine, &["resource://items"], None)
        .await
        .unwrap()
        .text;
    (test, zone, mandate)
}

async fn call(test: &TestEngine, zone: &SeededZone, mandate: &str) -> Result<Permit, Refusal> {
    zone.call(&test.engine, mandate, "items", "GET", "/v1/x")
        .await
}

/// A call whose evidence is held while `meanwhile` happens.
async fn call_while<F: Future<Output = ()>>(
    test: &TestEngine,
    zone: &SeededZone,
    mandate: &str,
    meanwhile: impl FnOnce() -> F,
) -> Result<Permit, Refusal> {
    let stalled = Stalled::new();
    test.store()
        .fail_append(AppendFault::Stall(stalled.clone()));
    let calling = call(test, zone, mandate);
    let changing = async {
        stalled.reached().await;
        meanwhile().await;
        stalled.release();
    };
    tokio::join!(calling, changing).0
}

#[tokio::test]
async fn an_open_stream_ends_with_its_application() {
    let (test, zone, mandate) = world().await;
    let admin = test.admin();
    let permit = call(&test, &zone, &mandate).await.unwrap();
    let other = zone.credentials("berta");
    let introspect = || test.engine.introspect(&other, None, &mandate);
    assert!(introspect().await.unwrap().is_some());
    let deleted = test.engine.delete_application(zone.id, &admin, "anton");
    deleted.await.unwrap();
    assert!(permit.cut().is_cancelled());
    assert!(introspect().await.unwrap().is_none());
}

#[tokio::test]
async fn an_open_stream_ends_with_its_provider_and_its_resource() {
    let (test, zone, mandate) = world().await;
    let admin = test.admin();
    let permit = call(&test, &zone, &mandate).await.unwrap();
    let updated = test.engine.update_resource(
        zone.id,
        &admin,
        "items",
        SeededZone::resource("items", None),
    );
    updated.await.unwrap();
    assert!(!permit.cut().is_cancelled());
    let deleted = test.engine.delete_provider(zone.id, &admin, "key");
    deleted.await.unwrap();
    assert!(permit.cut().is_cancelled());

    let permit = call(&test, &zone, &mandate).await.unwrap();
    let deleted = test.engine.delete_resource(zone.id, &admin, "items");
    deleted.await.unwrap();
    assert!(permit.cut().is_cancelled());
}

#[tokio::test]
async fn a_call_does_not_outlive_the_policy_that_it_was_decided_on() {
    let (test, zone, mandate) = world().await;
    let policies = vec![SeededZone::policy("rules", FORBID)];
    let stored = test
        .engine
        .store_bundle(zone.id, &test.admin(), policies)
        .await
        .unwrap();
    let version = stored.value.version.as_str().to_owned();
    let refusal = call_while(&test, &zone, &mandate, || async {
        let admin = test.admin();
        // Its own event waits behind the call's; that it is in force is what counts.
        let activating = test.engine.activate_bundle(zone.id, &admin, &version);
        let policy = async {
            while test.engine.list_policies(zone.id, &admin).unwrap().0
                != Some(stored.value.version.clone())
            {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            _ = activating => {}
            () = policy => {}
        }
    });
    let refusal = refusal.await.err().unwrap();
    assert_eq!(refusal.code, RefusalCode::PolicyDenied);
    let events = zone.events(&test.engine).await;
    let started = events
        .iter()
        .filter(|e| e.event_type == EventType::CallStarted);
    assert_eq!(started.count(), 1, "its start is evidence already");
}

#[tokio::test]
async fn a_change_that_concerns_nothing_of_a_call_lets_it_pass() {
    let (test, zone, mandate) = world().await;
    let permit = call_while(&test, &zone, &mandate, || async {
        let admin = test.admin();
        let spec = SeededZone::application("clara");
        let creating = test.engine.create_application(zone.id, &admin, spec);
        let created = async {
            while test
                .engine
                .get_application(zone.id, &admin, "clara")
                .is_err()
            {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            _ = creating => {}
            () = created => {}
        }
    });
    assert!(!permit.await.unwrap().cut().is_cancelled());
}

#[tokio::test]
async fn a_mandate_is_not_for_a_later_resource_of_the_same_name() {
    let (test, zone, mandate) = world().await;
    let admin = test.admin();
    // Within the same second.
    test.clock.advance(SignedDuration::from_millis(5));
    test.engine
        .delete_resource(zone.id, &admin, "items")
        .await
        .unwrap();
    let spec = SeededZone::resource("items", Some("key"));
    test.engine
        .create_resource(zone.id, &admin, spec)
        .await
        .unwrap();
    let refusal = call(&test, &zone, &mandate).await.err().unwrap();
    assert_eq!(refusal.code, RefusalCode::ResourceMismatch);
    let other = zone.credentials("berta");
    let claims = test
        .engine
        .introspect(&other, None, &mandate)
        .await
        .unwrap();
    assert!(claims.is_none(), "it has nothing left to act on");
    let fresh = zone
        .mint(&test.engine, &["resource://items"], None)
        .await
        .unwrap();
    call(&test, &zone, &fresh.text).await.unwrap();
}

#[tokio::test]
async fn a_zone_whose_commits_cannot_be_applied_denies() {
    let (test, zone, mandate) = world().await;
    let admin = test.admin();
    let id = uuid::Uuid::from_u128(7);
    let mut event = zone.events(&test.engine).await.pop().unwrap();
    event.log = None;
    event.index = None;
    event.revision = None;
    let commit = Commit {
        id: CommitId::from_uuid(id),
        zone: zone.id,
        reads: Vec::new(),
        writes: vec![Write::Put(Document {
            zone: zone.id,
            kind: Kind::Application,
            id,
            name: None,
            version: caracal_core::Version(1),
            body: "{}".into(),
        })],
        events: vec![event],
    };
    test.store().commit(commit).await.unwrap();
    // A later commit must not hide that one is missing.
    let spec = SeededZone::application("clara");
    let late = test.engine.create_application(zone.id, &admin, spec);
    assert!(matches!(
        tokio::time::timeout(std::time::Duration::from_secs(20), late).await,
        Ok(Err(AdminError::Unavailable { .. }))
    ));
    let refusal = call(&test, &zone, &mandate).await.err().unwrap();
    assert_eq!(refusal.code, RefusalCode::FeedStale);
    let minted = zone.mint(&test.engine, &["resource://items"], None).await;
    assert!(matches!(minted, Err(IssueError::Unavailable(_))));
    assert_ne!(zone.id, ZoneId::INSTANCE);
}

#[tokio::test]
async fn a_limit_that_nothing_holds_to_is_refused() {
    let (test, zone, _) = world().await;
    let cedar = "permit(principal, action, resource);\n@rate(\"10/1m\")\npermit(principal, action, resource);";
    let policies = || vec![SeededZone::policy("rules", cedar)];
    let admin = test.admin();
    let is_refused = |error: AdminError| match error {
        AdminError::Invalid(errors) => errors.iter().any(|e| e.field == "policies[rules]:2"),
        _ => false,
    };
    let checked = test.engine.check_policies(zone.id, &admin, policies());
    assert!(is_refused(checked.err().unwrap()));
    let stored = test.engine.store_bundle(zone.id, &admin, policies()).await;
    assert!(is_refused(stored.err().unwrap()));
    let mut spec = SeededZone::spec(cedar);
    spec.providers.clear();
    let applied = test.engine.apply(zone.id, &admin, spec).await;
    assert!(is_refused(applied.err().unwrap()));
}
