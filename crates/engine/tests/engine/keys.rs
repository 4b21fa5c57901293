//! The keys that sign mandates, and tombstones that go when nothing needs them.

use caracal_core::{Anchor, RefusalCode};
use caracal_engine::{Admin, AdminError, Operator, PUBLISH_AHEAD_SECONDS};
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
