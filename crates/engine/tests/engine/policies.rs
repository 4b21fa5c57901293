//! Bundles: storing, activating, rolling back.

use std::collections::BTreeSet;

use caracal_core::{Decision, MAX_POLICY_TESTS, PolicySet, PolicySource, PolicyTest, TestRequest};
use caracal_engine::{AdminError, ExplainRequest, ZoneSpec};
use caracal_testkit::{SeededZone, TestEngine};

const ALL: &str = "permit (principal in Application::\"anton\", action, resource);";
const SCOPE: &str = "read";
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

fn expects(name: &str, scope: &str, expect: Decision, by: &[&str]) -> PolicyTest {
    PolicyTest {
        name: name.parse().unwrap(),
        application: "anton".parse().unwrap(),
        labels: BTreeSet::new(),
        subject: None,
        resource: "items".parse().unwrap(),
        scope: scope.to_owned(),
        request: None,
        now: None,
        approved: false,
        expect,
        by: by.iter().map(|name| name.parse().unwrap()).collect(),
    }
}

/// The fields and messages of a refusal.
fn mistakes<T: std::fmt::Debug>(outcome: Result<T, AdminError>) -> Vec<String> {
    match outcome {
        Err(AdminError::Invalid(errors)) => errors
            .into_iter()
            .map(|error| format!("{}: {}", error.field, error.message))
            .collect(),
        other => panic!("it is not refused: {other:?}"),
    }
}

#[tokio::test]
async fn a_test_that_fails_refuses_the_bundle_and_every_later_change_that_breaks_it() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await;
    let (engine, admin) = (&test.engine, test.admin());
    let before = engine.list_policies(zone.id, &admin).unwrap().0;
    let scope = SCOPE;
    let with = |tests: Vec<PolicyTest>| ZoneSpec {
        tests,
        ..ZoneSpec::default()
    };

    let wrong = vec![
        expects("right", scope, Decision::Allow, &[]),
        expects("denied", scope, Decision::Deny, &[]),
        expects("by-another", scope, Decision::Allow, &["another"]),
        expects("no-scope", "items:nothing", Decision::Deny, &[]),
        PolicyTest {
            labels: BTreeSet::from(["nobodys".parse().unwrap()]),
            ..expects("no-label", scope, Decision::Allow, &[])
        },
    ];
    let refused = engine.apply(zone.id, &admin, with(wrong.clone())).await;
    let refused = mistakes(refused);
    for start in [
        "tests[denied]: deny is expected, and the decision is allow by `",
        "tests[by-another]: allow is decided by `",
        "tests[no-scope]: the resource `items` has no scope `items:nothing`",
        "tests[no-label]: the application `anton` is not registered for the label `nobodys`",
    ] {
        assert!(
            refused.iter().any(|mistake| mistake.starts_with(start)),
            "{start} in {refused:?}"
        );
    }
    assert_eq!(refused.len(), 4, "{refused:?}");
    assert_eq!(engine.list_policies(zone.id, &admin).unwrap().0, before);
    let report = engine
        .test_policies(zone.id, &admin, None, Some(wrong))
        .unwrap();
    let failed = report.outcomes.iter().filter(|o| o.failure.is_some());
    assert_eq!((report.outcomes.len(), failed.count()), (5, 4));

    // Tests are part of what is activated: the same policies with a test are another bundle.
    let right = vec![expects("right", scope, Decision::Allow, &[])];
    engine
        .apply(zone.id, &admin, with(right.clone()))
        .await
        .unwrap();
    let after = engine.list_policies(zone.id, &admin).unwrap().0;
    assert_ne!(after, before);
    let export = engine.export(zone.id, &admin).unwrap();
    assert_eq!(export.bundle.tests, right);
    let again = engine.apply(zone.id, &admin, with(right)).await.unwrap();
    assert!(again.changes.is_empty(), "{:?}", again.changes);

    // A later policy that breaks the test is refused, wherever it comes from.
    let forbids = ZoneSpec {
        policies: vec![SeededZone::policy("no", NONE)],
        ..ZoneSpec::default()
    };
    let refused = mistakes(engine.apply(zone.id, &admin, forbids).await);
    assert!(refused[0].starts_with("tests[right]: "), "{refused:?}");
    assert_eq!(engine.list_policies(zone.id, &admin).unwrap().0, after);

    // A bundle without the test does not know it; one with it cannot be stored.
    let set = |tests| PolicySet {
        policies: rules(NONE),
        tests,
    };
    let failing = set(vec![expects("right", scope, Decision::Allow, &[])]);
    mistakes(engine.check_policies(zone.id, &admin, failing.clone()));
    mistakes(engine.store_bundle(zone.id, &admin, failing).await);
    let holds = set(vec![expects("shut", scope, Decision::Deny, &["rules"])]);
    let stored = engine.store_bundle(zone.id, &admin, holds).await.unwrap();
    let version = stored.value.version.as_str();
    engine
        .activate_bundle(zone.id, &admin, version)
        .await
        .unwrap();
    let active = engine.test_policies(zone.id, &admin, None, None).unwrap();
    assert_eq!(active.version.as_str(), version);
    assert_eq!(active.outcomes[0].decision, Some(Decision::Deny));
}

#[tokio::test]
async fn a_test_asks_both_phases_and_what_an_approval_changes() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await;
    let (engine, admin) = (&test.engine, test.admin());
    let held = "@approval(\"operator\") permit (principal, action, resource) \
                when { context.request.method == \"POST\" };";
    let call = |name: &str, method: &str, approved, expect| PolicyTest {
        request: Some(TestRequest {
            method: method.to_owned(),
            path: "/x".to_owned(),
            query: Vec::new(),
            tool: None,
        }),
        approved,
        ..expects(name, SCOPE, expect, &[])
    };
    let tests = vec![
        expects("mandate", SCOPE, Decision::Allow, &[]),
        call("get", "GET", false, Decision::Deny),
        call("post", "POST", false, Decision::Hold),
        call("post-approved", "POST", true, Decision::Allow),
    ];
    let report = engine
        .test_policies(zone.id, &admin, Some(rules(held)), Some(tests))
        .unwrap();
    for outcome in report.outcomes {
        assert_eq!(outcome.failure, None, "{}", outcome.name);
    }
    let many = vec![expects("x", SCOPE, Decision::Allow, &[]); MAX_POLICY_TESTS + 1];
    let refused = mistakes(engine.test_policies(zone.id, &admin, None, Some(many)));
    assert!(refused[0].contains("the limit is 1000"), "{refused:?}");
    let twice = vec![expects("x", SCOPE, Decision::Allow, &[]); 2];
    let refused = mistakes(engine.test_policies(zone.id, &admin, None, Some(twice)));
    assert!(refused[0].contains("used twice"), "{refused:?}");
}

#[tokio::test]
async fn what_a_test_names_cannot_be_taken_away_and_its_clock_is_its_own() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await;
    let (engine, admin) = (&test.engine, test.admin());
    let until = "permit (principal, action, resource) \
                 when { context.now < datetime(\"2030-01-01T00:00:00Z\") };";
    let at = |name: &str, now: &str, expect| PolicyTest {
        now: Some(now.parse().unwrap()),
        ..expects(name, SCOPE, expect, &[])
    };
    let spec = ZoneSpec {
        policies: rules(until),
        tests: vec![
            at("before", "2029-12-31T23:59:59Z", Decision::Allow),
            at("after", "2030-01-01T00:00:00Z", Decision::Deny),
        ],
        ..ZoneSpec::default()
    };
    engine.apply(zone.id, &admin, spec).await.unwrap();

    // No policy names the application, a test does.
    let view = engine.export(zone.id, &admin).unwrap();
    let named = |name: &str| {
        let held = view.applications.iter().find(|a| a.name.as_str() == name);
        held.unwrap().id.to_string()
    };
    let refused = engine
        .delete_application(zone.id, &admin, &named("anton"))
        .await;
    let refused = mistakes(refused);
    assert_eq!(refused.len(), 2, "{refused:?}");
    assert!(
        refused[0].ends_with("the zone has no application `anton`"),
        "{refused:?}"
    );
    engine
        .delete_application(zone.id, &admin, &named("berta"))
        .await
        .unwrap();
}
