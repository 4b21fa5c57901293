//! Authorising calls: resources, operations, scopes and policy, in this order.

use caracal_core::RequestPath;
use caracal_engine::{CallRequest, Outcome, Permit, Refusal, Selector};
use caracal_testkit::{SeededZone, TestEngine};

const ALL: &str = "permit (principal in Application::\"anton\", action, resource);";
const GET_ONLY: &str = "permit (principal in Application::\"anton\", action, resource) \
                        when { context.request.method == \"GET\" };";

fn code(result: &Result<Permit, Refusal>) -> &'static str {
    match result {
        Ok(_) => "permitted",
        Err(refusal) => refusal.code.as_str(),
    }
}

async fn mandate(test: &TestEngine, zone: &SeededZone, resources: &[&str], scope: &str) -> String {
    let issued = zone.mint(&test.engine, resources, Some(scope)).await;
    issued.unwrap().text
}

#[tokio::test]
async fn a_permit_for_get_lets_get_and_head_through_and_nothing_else() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(GET_ONLY).await;
    let text = mandate(&test, &zone, &["resource://items"], "read write").await;
    for (method, expected) in [
        ("GET", "permitted"),
        ("HEAD", "permitted"),
        ("DELETE", "policy_denied"),
        ("POST", "policy_denied"),
        ("PUT", "operation_not_declared"),
        ("get", "operation_not_declared"),
    ] {
        let found = zone
            .call(&test.engine, &text, "items", method, "/v1/x")
            .await;
        assert_eq!(code(&found), expected, "{method}");
    }
}

#[tokio::test]
async fn the_first_gate_that_says_no_is_named() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(GET_ONLY).await;
    let text = mandate(&test, &zone, &["resource://items"], "read").await;
    for (method, path, expected) in [
        ("GET", "/v1/x", "permitted"),
        // No rule names it, whatever the mandate has and policy says.
        ("DELETE", "/v2/x", "operation_not_declared"),
        // A rule names it, the mandate lacks the scope, and policy would deny too.
        ("DELETE", "/v1/x", "scope_missing"),
        ("GET", "/v1/a%2Fb", "path_invalid"),
    ] {
        let found = zone.call(&test.engine, &text, "items", method, path).await;
        assert_eq!(code(&found), expected, "{method} {path}");
    }
}

#[tokio::test]
async fn the_resource_is_found_in_the_order_of_the_contract() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await;
    let other = test.seed_policy(ALL).await;
    let one = mandate(&test, &zone, &["resource://items"], "read").await;
    let both = mandate(
        &test,
        &zone,
        &["resource://items", "resource://notes"],
        "read",
    )
    .await;
    let own = zone.id.to_string();
    let foreign = other.id.to_string();
    for (text, selector, expected) in [
        (&one, (None, None, None), "permitted"),
        (&both, (None, None, None), "resource_missing"),
        (&both, (None, None, Some("resource://notes")), "permitted"),
        (
            &one,
            (Some(&own), Some("items"), Some("resource://items")),
            "permitted",
        ),
        // Contradictions come first, also when the resource is unknown.
        (
            &one,
            (Some(&foreign), Some("items"), None),
            "resource_mismatch",
        ),
        (
            &one,
            (Some(&foreign), Some("nothing"), None),
            "resource_mismatch",
        ),
        (
            &one,
            (None, Some("nothing"), Some("resource://items")),
            "resource_mismatch",
        ),
        (
            &one,
            (None, Some("items"), Some("items")),
            "resource_mismatch",
        ),
        (&one, (None, Some("nothing"), None), "resource_unknown"),
        (
            &one,
            (None, None, Some("resource://nothing")),
            "resource_unknown",
        ),
        (&one, (None, None, Some("junk")), "resource_unknown"),
        (&one, (None, Some("notes"), None), "resource_mismatch"),
        (
            &one,
            (None, None, Some("resource://notes")),
            "resource_mismatch",
        ),
    ] {
        let (zone, name, header) = selector;
        let selector = Selector {
            zone: zone.cloned(),
            name: name.map(str::to_owned),
            header: header.map(str::to_owned),
        };
        let found = SeededZone::call_to(&test.engine, text, &selector, "GET", "/v1/x").await;
        assert_eq!(code(&found), expected, "{selector:?}");
    }
}

#[tokio::test]
async fn a_policy_that_fails_denies_the_call() {
    let test = TestEngine::in_memory().await;
    let mut spec = SeededZone::spec(ALL);
    // It fails only with a request, so the mint goes well.
    spec.policies.push(SeededZone::policy(
        "broken",
        "forbid (principal in Application::\"anton\", action, resource) when { \
         context.request.method == \"GET\" && 9223372036854775807 + principal.depth + 1 > 0 };",
    ));
    let zone = test.seed("faulty", spec).await;
    let text = mandate(&test, &zone, &["resource://items"], "read write").await;
    let found = zone
        .call(&test.engine, &text, "items", "GET", "/v1/x")
        .await;
    assert_eq!(code(&found), "policy_denied");
    let found = zone
        .call(&test.engine, &text, "items", "POST", "/v1/x")
        .await;
    assert_eq!(code(&found), "permitted");
}

#[tokio::test]
async fn a_permit_knows_where_the_call_goes_and_what_it_carries() {
    let test = TestEngine::in_memory().await;
    let mut spec = SeededZone::spec(ALL);
    spec.resources[0].upstream = "https://items.example.com/base/".to_owned();
    let zone = test.seed("carries", spec).await;
    let both = &["resource://items", "resource://notes"];
    let text = mandate(&test, &zone, both, "read").await;
    let permit = zone
        .call(&test.engine, &text, "items", "GET", "/v1/x")
        .await
        .unwrap();
    assert_eq!(permit.path().to_string(), "/base/v1/x");
    let injection = permit.injection().unwrap();
    let expected = format!("Bearer {}", SeededZone::CREDENTIAL);
    let carried = injection
        .headers
        .iter()
        .any(|(_, value)| value.expose() == expected.as_bytes());
    assert!(carried);
    let permit = zone
        .call(&test.engine, &text, "notes", "GET", "/v1/x")
        .await
        .unwrap();
    assert!(permit.injection().unwrap().headers.is_empty());
}

#[tokio::test]
async fn a_call_is_decided_on_the_policy_of_the_moment_it_begins() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await;
    let text = mandate(&test, &zone, &["resource://items"], "read").await;
    let opened = test.engine.open_mandate(&text).await.unwrap();
    let target = test
        .engine
        .select_resource(opened, &Selector::default(), "req_1")
        .await
        .unwrap();
    // Between finding the resource and the call, the policy goes.
    let spec = SeededZone::spec(GET_ONLY);
    let none = caracal_engine::ZoneSpec {
        policies: vec![SeededZone::policy(
            "rules",
            "forbid (principal, action, resource);",
        )],
        ..spec
    };
    test.engine
        .apply(zone.id, &test.admin(), none)
        .await
        .unwrap();
    let request = CallRequest::new("req_1", "GET", RequestPath::parse("/v1/x").unwrap());
    let found = test.engine.authorize_call(target, &request).await;
    let found = found.err().map(|refusal| refusal.code.as_str());
    assert_eq!(found, Some("policy_denied"));
}

#[tokio::test]
async fn every_decision_has_its_event_and_a_call_its_end() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(GET_ONLY).await;
    let text = mandate(&test, &zone, &["resource://items"], "read write").await;
    let engine = &test.engine;
    let permit = zone
        .call(engine, &text, "items", "HEAD", "/v1/x")
        .await
        .unwrap();
    let receipt = *permit.receipt();
    test.clock.advance_seconds(2);
    permit.finish(Outcome {
        status: Some(200),
        reason: None,
    });
    assert!(
        zone.call(engine, &text, "items", "DELETE", "/v1/x")
            .await
            .is_err()
    );
    assert!(
        zone.call(engine, &text, "nothing", "GET", "/v1/x")
            .await
            .is_err()
    );
    tokio::task::yield_now().await;
    let events = zone.events(engine).await;
    let of = |name: &str| {
        let found: Vec<_> = events
            .iter()
            .filter(|e| e.event_type.as_str() == name)
            .collect();
        found
    };
    let started = of("call.started")[0];
    assert_eq!(started.index, Some(receipt.index));
    assert_eq!(started.log, Some(receipt.log));
    let operation = started.operation.clone().unwrap();
    assert_eq!(operation.path.as_deref(), Some("/v1/**"));
    assert_eq!(started.scopes.clone().unwrap().to_string(), "read");
    let finished = of("call.finished")[0];
    assert_eq!(finished.request_id, started.request_id);
    assert_eq!(
        (finished.status, finished.latency_ms),
        (Some(200), Some(2000))
    );
    let reasons: Vec<_> = of("call.denied")
        .iter()
        .map(|e| e.reason.clone().unwrap())
        .collect();
    assert_eq!(reasons, ["policy_denied", "resource_unknown"]);
    assert_eq!(of("mandate.issued").len(), 1);
    assert!(events.iter().all(|e| e.request_id.starts_with("req_")));
}
