//! The keys that sign mandates, and tombstones that go when nothing needs them.

use caracal_core::{Anchor, RefusalCode};
use caracal_engine::{Admin, AdminError, KeyCare, Operator, PUBLISH_AHEAD_SECONDS};
use caracal_testkit::TestEngine;

const ALL: &str = "permit (principal, action, resource);";
const ITEMS: &[&str] = &["resource://items"];

fn admin() -> Admin {
    Admin::new(Operator::local(), "req_keys")
}

/// The states of a zone's keys, newest first.
async fn states(test: &TestEngine, zone: caracal_core::ZoneId) -> Vec<String> {
    let keys = test.engine.list_keys(zone, &admin()).unwrap();
    keys.into_iter().map(|key| key.state).collect()
}

#[tokio::test]
async fn a_new_key_is_published_before_it_signs_and_the_old_one_verifies_on() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await;
    let mint = async || zone.mint(&test.engine, ITEMS, None).await.unwrap().text;
    let kid = |text: &str| {
        caracal_crypto::UnverifiedMandate::parse(text)
            .unwrap()
            .kid()
    };
    let old = mint().await;

    test.engine.rotate_key(zone.id, &admin()).await.unwrap();
    assert_eq!(states(&test, zone.id).await, ["published", "signing"]);
    let keys = test.engine.jwks(zone.id).unwrap();
    assert_eq!(keys["keys"].as_array().unwrap().len(), 2);
    assert_eq!(
        kid(&mint().await),
        kid(&old),
        "a key signs only after it was published"
    );
    let again = test.engine.rotate_key(zone.id, &admin()).await;
    assert!(matches!(again, Err(AdminError::InUse(_))));

    test.clock.advance_seconds(PUBLISH_AHEAD_SECONDS);
    assert_eq!(states(&test, zone.id).await, ["signing", "verifying"]);
    let new = mint().await;
    assert_ne!(kid(&new), kid(&old));
    for text in [&old, &new] {
        assert!(test.engine.open_mandate(text).await.is_ok());
    }

    // The last mandate of the old key has expired: the next rotation forgets the key.
    test.clock.advance_seconds(1000);
    test.engine.rotate_key(zone.id, &admin()).await.unwrap();
    assert_eq!(states(&test, zone.id).await, ["published", "signing"]);
}

#[tokio::test]
async fn dropping_a_key_ends_what_it_signed_at_once() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await;
    let text = zone.mint(&test.engine, ITEMS, None).await.unwrap().text;
    // Seen before, so that it is in the cache of verified mandates.
    let opened = test.engine.open_mandate(&text).await.unwrap();
    assert_eq!(opened.claims().zone, zone.id);
    let key = test.engine.list_keys(zone.id, &admin()).unwrap()[0].id;

    test.engine.drop_key(zone.id, &admin(), key).await.unwrap();
    let refused = test.engine.open_mandate(&text).await.err();
    assert_eq!(refused, Some(RefusalCode::MandateInvalid));
    assert_eq!(states(&test, zone.id).await, ["signing"]);
    let next = zone.mint(&test.engine, ITEMS, None).await.unwrap().text;
    assert!(test.engine.open_mandate(&next).await.is_ok());
    let unknown = test.engine.drop_key(zone.id, &admin(), key).await;
    assert!(matches!(unknown, Err(AdminError::NotFound { .. })));
}

#[tokio::test]
async fn dropping_a_key_cuts_the_calls_on_its_mandates_and_no_others() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await;
    let engine = &test.engine;
    let mint = async || zone.mint(engine, ITEMS, None).await.unwrap().text;
    let call = async |text: &str| zone.call(engine, text, "items", "GET", "/v1/x").await;
    let old = mint().await;
    let key = engine.list_keys(zone.id, &admin()).unwrap()[0].id;
    engine.rotate_key(zone.id, &admin()).await.unwrap();
    test.clock.advance_seconds(PUBLISH_AHEAD_SECONDS);
    let new = mint().await;
    let (on_old, on_new) = (call(&old).await.unwrap(), call(&new).await.unwrap());
    // Verified while its key was there, decided when it is not any more.
    let opened = engine.open_mandate(&old).await.unwrap();
    let selector = caracal_engine::Selector {
        zone: None,
        name: Some("items".to_owned()),
        header: None,
    };
    let target = engine
        .select_resource(opened, &selector, "req")
        .await
        .unwrap();

    engine.drop_key(zone.id, &admin(), key).await.unwrap();
    assert!(on_old.cut().is_cancelled(), "its key was dropped");
    assert!(!on_new.cut().is_cancelled(), "its key is still there");
    let request = caracal_engine::CallRequest::new(
        "req",
        "GET",
        caracal_core::RequestPath::parse("/v1/x").unwrap(),
    );
    let late = engine.authorize_call(target, &request).await.err().unwrap();
    assert_eq!(late.code, RefusalCode::MandateInvalid);
    assert_eq!(
        call(&old).await.err().unwrap().code,
        RefusalCode::MandateInvalid
    );
    assert!(call(&new).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn keys_rotate_in_their_time_and_go_when_their_last_mandate_has_expired() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await;
    let day = 24 * 3600;
    test.engine.set_key_care(KeyCare {
        zone_key_life: Some(jiff::SignedDuration::from_hours(30 * 24)),
        ..KeyCare::default()
    });
    let sweep = || tokio::time::sleep(std::time::Duration::from_secs(130));
    test.clock.advance_seconds(30 * day - 1);
    sweep().await;
    assert_eq!(states(&test, zone.id).await, ["signing"]);
    // A call that began on the old key and goes on.
    let text = zone.mint(&test.engine, ITEMS, None).await.unwrap().text;
    let permit = zone
        .call(&test.engine, &text, "items", "GET", "/v1/x")
        .await
        .unwrap();

    test.clock.advance_seconds(1);
    sweep().await;
    assert_eq!(states(&test, zone.id).await, ["published", "signing"]);
    test.clock.advance_seconds(PUBLISH_AHEAD_SECONDS);
    sweep().await;
    assert_eq!(states(&test, zone.id).await, ["signing", "verifying"]);
    assert!(test.engine.open_mandate(&text).await.is_ok());
    // 900 s of the longest mandate and 60 of grace after the new key began.
    test.clock.advance_seconds(959);
    sweep().await;
    assert_eq!(states(&test, zone.id).await, ["signing", "verifying"]);
    test.clock.advance_seconds(1);
    sweep().await;
    assert_eq!(states(&test, zone.id).await, ["signing"]);
    assert!(
        !permit.cut().is_cancelled(),
        "a key that goes in its time cuts nothing"
    );
    let events = zone.events(&test.engine).await;
    let of_keys: Vec<_> = events
        .iter()
        .filter(|event| event.event_type.as_str().starts_with("key."))
        .map(|event| (event.event_type.as_str(), event.operator.clone()))
        .collect();
    assert_eq!(of_keys, [("key.rotated", None), ("key.expired", None)]);
}

#[tokio::test(start_paused = true)]
async fn tombstones_of_expired_mandates_go_and_others_stay() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await;
    let mandate = zone.mint(&test.engine, ITEMS, None).await.unwrap().id;
    let application = zone.id_of("anton");
    for anchor in [Anchor::Mandate(mandate), Anchor::Application(application)] {
        test.engine
            .revoke(zone.id, &admin(), anchor, None)
            .await
            .unwrap();
    }
    let left = || {
        test.engine
            .list_revocations(zone.id, &admin())
            .unwrap()
            .len()
    };
    // A sweep a minute; as long as the mandate might live, its tombstone stays.
    test.clock.advance_seconds(900);
    tokio::time::sleep(std::time::Duration::from_secs(180)).await;
    assert_eq!(left(), 2);
    test.clock.advance_seconds(61);
    tokio::time::sleep(std::time::Duration::from_secs(180)).await;
    assert_eq!(left(), 1);
    let kept = test.engine.list_revocations(zone.id, &admin()).unwrap();
    assert_eq!(kept[0].value.anchor, Anchor::Application(application));
}
