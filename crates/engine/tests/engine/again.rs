//! Live calls are decided again when policy, or the resource, is changed.

use caracal_core::Anchor;
use caracal_engine::{Outcome, Permit, ZoneSpec};
use caracal_testkit::{SeededZone, TestEngine};

const ANTON: &str = "permit (principal in Application::\"anton\", action, resource);";
const BOTH: &str = "permit (principal in Application::\"anton\", action, resource);\n\
                    permit (principal in Application::\"berta\", action, resource);";
const ITEMS: &[&str] = &["resource://items"];

async fn live(test: &TestEngine, zone: &SeededZone, application: &str, method: &str) -> Permit {
    let asks = zone.asks(application, ITEMS, None);
    let text = test.engine.issue(asks).await.unwrap().text;
    zone.call(&test.engine, &text, "items", method, "/v1/x")
        .await
        .unwrap()
}

async fn activate(test: &TestEngine, zone: &SeededZone, cedar: &str) {
    let spec = ZoneSpec {
        policies: vec![SeededZone::policy("rules", cedar)],
        ..Default::default()
    };
    let applied = test.engine.apply(zone.id, &test.admin(), spec).await;
    applied.unwrap();
}

/// Waits until every live call was decided again: calls are looked at in no order, so the one that
/// is cut tells nothing of the others.
async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_policy_denies_now_is_cut_and_the_rest_goes_on() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(BOTH).await;
    let anton = live(&test, &zone, "anton", "GET").await;
    let berta = live(&test, &zone, "berta", "GET").await;
    activate(&test, &zone, ANTON).await;
    berta.cut().cancelled().await;
    settle().await;
    assert!(!anton.cut().is_cancelled(), "a permitted call was cut");
    assert_eq!(berta.cut_code().as_str(), "policy_denied");
    // Only the method and path of the call itself count.
    let request =
        "permit (principal, action, resource) when { context.request.path == \"/v1/x\" };";
    activate(&test, &zone, request).await;
    settle().await;
    assert!(!anton.cut().is_cancelled(), "a permitted call was cut");
    let other = "permit (principal, action, resource) when { context.request.path == \"/v1/y\" };";
    activate(&test, &zone, other).await;
    anton.cut().cancelled().await;
    let reason = Some(anton.cut_code().as_str());
    anton.finish(Outcome {
        status: Some(200),
        reason,
    });
    settle().await;
    let events = zone.events(&test.engine).await;
    let finished = events.iter().rev().find(|event| event.reason.is_some());
    assert_eq!(finished.unwrap().reason.as_deref(), Some("policy_denied"));
}

#[tokio::test]
async fn a_mandate_that_has_expired_meanwhile_does_not_end_a_permitted_call() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(BOTH).await;
    let anton = live(&test, &zone, "anton", "GET").await;
    let berta = live(&test, &zone, "berta", "GET").await;
    test.clock.advance_seconds(2000);
    activate(&test, &zone, ANTON).await;
    berta.cut().cancelled().await;
    settle().await;
    assert!(
        !anton.cut().is_cancelled(),
        "a stream may outlive its mandate"
    );
}

#[tokio::test]
async fn a_policy_that_fails_cuts() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ANTON).await;
    let anton = live(&test, &zone, "anton", "GET").await;
    let fault = "permit (principal, action, resource) when \
                 { 9223372036854775807 + principal.depth + 1 > 0 };";
    activate(&test, &zone, fault).await;
    anton.cut().cancelled().await;
    assert_eq!(anton.cut_code().as_str(), "policy_denied");
}

#[tokio::test]
async fn an_operation_that_is_taken_away_is_cut() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ANTON).await;
    let admin = test.admin();
    let read = live(&test, &zone, "anton", "GET").await;
    let write = live(&test, &zone, "anton", "POST").await;
    let mut spec = SeededZone::resource("items", Some("key"));
    spec.operations.retain(|rule| rule.method != "POST");
    let changed = test.engine.update_resource(zone.id, &admin, "items", spec);
    changed.await.unwrap();
    write.cut().cancelled().await;
    assert_eq!(write.cut_code().as_str(), "operation_not_declared");
    settle().await;
    assert!(
        !read.cut().is_cancelled(),
        "an operation that is left was cut"
    );
}

/// What one commit ends is counted for what has ended it, and nothing else is cut.
#[tokio::test]
async fn a_commit_that_ends_much_cuts_each_call_once() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(BOTH).await;
    let mut lives = Vec::new();
    for _ in 0..20 {
        lives.push(live(&test, &zone, "anton", "GET").await);
    }
    let berta = live(&test, &zone, "berta", "GET").await;
    let anchor = Anchor::Application(zone.id_of("anton"));
    let receipt = test
        .engine
        .revoke(zone.id, &test.admin(), anchor, None)
        .await
        .unwrap();
    assert_eq!(receipt.streams_cut, 20);
    assert!(lives.iter().all(|live| live.cut().is_cancelled()));
    assert_eq!(lives[0].cut_code().as_str(), "mandate_revoked");
    assert!(!berta.cut().is_cancelled());
    drop(lives);
    activate(&test, &zone, BOTH).await;
    settle().await;
    assert!(!berta.cut().is_cancelled());
}
