//! Bundles: storing, activating, rolling back.

use caracal_core::PolicySource;
use caracal_engine::{AdminError, ExplainRequest};
use caracal_testkit::{SeededZone, TestEngine};

const ALL: &str = "permit (principal in Application::\"anton\", action, resource);";
const NONE: &str = "forbid (principal, action, resource);";

fn rules(cedar: &str) -> Vec<PolicySource> {
    vec![SeededZone::policy("rules", cedar)]
}

#[tokio::test]
async fn a_bundle_does_nothing_until_it_is_activated_and_can_be_rolled_back() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await;
    let (engine, admin) = (&test.engine, test.admin());
    let mints = async || zone.mint(engine, &["resource://items"], None).await.is_ok();
    let (Some(before), _) = engine.list_policies(zone.id, &admin).unwrap() else {
        panic!("no policy is active");
    };
    let stored = engine
        .store_bundle(zone.id, &admin, rules(NONE))
        .await
        .unwrap();
    assert!(mints().await);
    let version = stored.value.version.as_str().to_owned();
    engine
        .activate_bundle(zone.id, &admin, &version[..12])
        .await
        .unwrap();
    assert!(!mints().await);
    let back = engine
        .activate_bundle(zone.id, &admin, before.as_str())
        .await
        .unwrap();
    assert!(mints().await);
    let same = engine
        .activate_bundle(zone.id, &admin, before.as_str())
        .await
        .unwrap();
    assert_eq!(back.version, same.version);
    let missing = engine
        .activate_bundle(zone.id, &admin, &"0".repeat(64))
        .await;
    assert!(matches!(missing, Err(AdminError::NotFound { .. })));
    let short = engine.get_bundle(zone.id, &admin, "");
    assert!(matches!(short, Err(AdminError::NotFound { .. })));
}

#[tokio::test]
async fn a_bundle_is_checked_against_the_zone_as_it_is_when_activated() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await;
    let (engine, admin) = (&test.engine, test.admin());
    let berta = "permit (principal in Application::\"berta\", action, resource);";
    let stored = engine
        .store_bundle(zone.id, &admin, rules(berta))
        .await
        .unwrap();
    engine
        .delete_application(zone.id, &admin, "berta")
        .await
        .unwrap();
    let version = stored.value.version.as_str().to_owned();
    let found = engine.activate_bundle(zone.id, &admin, &version).await;
    assert!(matches!(found, Err(AdminError::Invalid(_))));
    let found = engine
        .store_bundle(zone.id, &admin, rules("permit (principal"))
        .await;
    let Err(AdminError::Invalid(errors)) = found else {
        panic!("it was accepted");
    };
    assert!(errors[0].field.starts_with("policies[rules]"), "{errors:?}");
}

/// An activation races with the deletion of what the bundle names.
#[tokio::test]
async fn activation_and_deletion_cannot_both_hold() {
    for deletion_first in [false, true] {
        let test = TestEngine::in_memory().await;
        let zone = test.seed_policy(ALL).await;
        let (engine, admin) = (&test.engine, test.admin());
        let berta = "permit (principal in Application::\"berta\", action, resource);";
        let stored = engine
            .store_bundle(zone.id, &admin, rules(berta))
            .await
            .unwrap();
        let version = stored.value.version.as_str().to_owned();
        let activate = engine.activate_bundle(zone.id, &admin, &version);
        let delete = engine.delete_application(zone.id, &admin, "berta");
        let (activated, deleted) = if deletion_first {
            let (deleted, activated) = tokio::join!(delete, activate);
            (activated, deleted)
        } else {
            tokio::join!(activate, delete)
        };
        assert_ne!(activated.is_ok(), deleted.is_ok());
        let active = engine.explain_decision(
            zone.id,
            &admin,
            &ExplainRequest {
                application: "anton".parse().unwrap(),
                resource: "items".parse().unwrap(),
                scope: "read".to_owned(),
                request: None,
            },
        );
        assert!(
            active.is_ok(),
            "the active policy does not compile any more"
        );
    }
}

#[tokio::test]
async fn the_same_bundle_is_stored_once() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await;
    let (engine, admin) = (&test.engine, test.admin());
    let store = || engine.store_bundle(zone.id, &admin, rules(NONE));
    let (a, b, c) = tokio::join!(store(), store(), store());
    let (a, b, c) = (a.unwrap().value, b.unwrap().value, c.unwrap().value);
    assert_eq!((&a, &a), (&b, &c));
    assert_eq!(engine.list_bundles(zone.id, &admin).unwrap().len(), 2);
}
