//! Mandates that name their requests exactly (RFC 9396).

use caracal_core::{EventType, RefusalCode, RequestPath, Role, ScopeSet};
use caracal_engine::{
    Admin, Authorized, CallRequest, IssueError, IssueRequest, IssuedMandate, Selector, Verdict,
};
use caracal_testkit::{SeededZone, TestEngine};
use serde_json::{Value, json};

const ALL: &str = "permit (principal, action, resource);";
const ITEMS: &[&str] = &["resource://items"];
const BOTH: &[&str] = &["resource://items", "resource://notes"];

fn detail(method: &str, path: &str) -> Value {
    json!({ "type": "caracal_call", "locations": ["resource://items"], "method": method, "path": path })
}

fn with(mut detail: Value, member: &str, value: Value) -> Value {
    detail[member] = value;
    detail
}

fn asks(zone: &SeededZone, resources: &[&str], details: &Value) -> IssueRequest {
    IssueRequest {
        authorization_details: Some(details.to_string()),
        ..zone.asks("anton", resources, None)
    }
}

async fn issue(
    test: &TestEngine,
    request: IssueRequest,
) -> Result<IssuedMandate, (&'static str, String)> {
    let issued = test.engine.issue(request).await;
    issued.map_err(|error| (error.code(), error.to_string()))
}

fn code<T>(result: Result<T, (&'static str, String)>) -> &'static str {
    result.map_or_else(|(code, _)| code, |_| "issued")
}

/// The code of a call on `items`; none when it is let through.
async fn call(
    test: &TestEngine,
    mandate: &str,
    method: &str,
    path: &str,
    query: &[&str],
) -> Option<RefusalCode> {
    let opened = test.engine.open_mandate(mandate).await.unwrap();
    let selector = Selector {
        name: Some("items".to_owned()),
        ..Selector::default()
    };
    let target = test
        .engine
        .select_resource(opened, &selector, "req_call")
        .await;
    let request = CallRequest {
        query: query.iter().map(ToString::to_string).collect(),
        ..CallRequest::new("req_call", method, RequestPath::parse(path).unwrap())
    };
    let authorized = test.engine.authorize_call(target.unwrap(), &request).await;
    match authorized {
        Ok(Authorized::Permit(_)) => None,
        Ok(Authorized::Held(_)) => Some(RefusalCode::ApprovalRequired),
        Err(refusal) => Some(refusal.code),
    }
}

#[tokio::test]
async fn only_the_requests_that_are_named_pass() {
    const OTHER: Option<RefusalCode> = Some(RefusalCode::ActionNotAuthorized);
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await;
    let details = json!([
        with(detail("GET", "/v1/a%20b"), "query", json!(["x=1", "y=2 3"])),
        with(detail("POST", "/v1/%61"), "actions", json!(["write"])),
        // The same again.
        detail("POST", "/v1/a"),
    ]);
    let issued = issue(&test, asks(&zone, ITEMS, &details)).await.unwrap();
    assert_eq!(issued.scope, "read write".parse::<ScopeSet>().unwrap());
    let told = json!([
        {
            "type": "caracal_call", "locations": ["resource://items"], "actions": ["read"],
            "method": "GET", "path": "/v1/a%20b", "query": ["x=1", "y=2 3"],
        },
        {
            "type": "caracal_call", "locations": ["resource://items"], "actions": ["write"],
            "method": "POST", "path": "/v1/a",
        },
    ]);
    assert_eq!(serde_json::to_value(&issued.details).unwrap(), told);
    let opened = test.engine.open_mandate(&issued.text).await.unwrap();
    let claimed = serde_json::to_value(&opened.claims().authorization_details);
    assert_eq!(claimed.unwrap(), told);

    for (method, path, query, expected) in [
        ("GET", "/v1/a%20b", &["x=1", "y=2 3"][..], None),
        ("HEAD", "/v1/a%20b", &["x=1", "y=2 3"], None),
        ("POST", "/v1/a", &[], None),
        // As often as it is made.
        ("POST", "/v1/a", &[], None),
        ("GET", "/v1/a%20b", &["y=2 3", "x=1"], OTHER),
        ("GET", "/v1/a%20b", &["x=1"], OTHER),
        ("GET", "/v1/a%20b", &[], OTHER),
        ("GET", "/v1/a", &[], OTHER),
        ("POST", "/v1/a", &["x=1"], OTHER),
        ("POST", "/v1/a/b", &[], OTHER),
        ("DELETE", "/v1/a", &[], OTHER),
        ("PUT", "/v1/a", &[], Some(RefusalCode::OperationNotDeclared)),
    ] {
        let found = call(&test, &issued.text, method, path, query).await;
        assert_eq!(found, expected, "{method} {path} {query:?}");
    }
    let events = zone.events(&test.engine).await;
    let denied = events.iter().filter(|e| {
        e.event_type == EventType::CallDenied
            && e.reason.as_deref() == Some("action_not_authorized")
    });
    assert_eq!(denied.count(), 7);
}

#[tokio::test]
async fn policy_is_asked_about_the_request_when_it_is_named() {
    let test = TestEngine::in_memory().await;
    let zone = test
        .seed_policy(
            "permit (principal, action, resource) when { context.request.path == \"/v1/a\" };
             forbid (principal, action, resource) when { context.request.query.contains(\"x=1\") };",
        )
        .await;
    // Without a request it counts as possible.
    assert!(zone.mint(&test.engine, ITEMS, Some("write")).await.is_ok());
    for (detail, expected) in [
        (detail("POST", "/v1/a"), "issued"),
        (detail("POST", "/v1/b"), "access_denied"),
        (
            with(detail("POST", "/v1/a"), "query", json!(["x=1"])),
            "access_denied",
        ),
        (
            with(detail("POST", "/v1/a"), "query", json!(["x=2"])),
            "issued",
        ),
    ] {
        let found = issue(&test, asks(&zone, ITEMS, &json!([detail.clone()]))).await;
        assert_eq!(code(found), expected, "{detail}");
    }
    // All or nothing.
    let both = json!([detail("POST", "/v1/a"), detail("POST", "/v1/b")]);
    let found = issue(&test, asks(&zone, ITEMS, &both)).await;
    assert_eq!(code(found), "access_denied");
}

#[tokio::test]
async fn what_a_service_enforces_needs_the_request_where_policy_mentions_it() {
    let test = TestEngine::in_memory().await;
    let mut spec = SeededZone::spec(
        "permit (principal, action, resource) when { context.request.path == \"/v1/a\" };",
    );
    for resource in &mut spec.resources {
        resource.enforcement = caracal_core::Enforcement::Service;
    }
    let zone = test.seed("service", spec).await;
    let unnamed = zone.mint(&test.engine, ITEMS, Some("write")).await;
    assert_eq!(unnamed.err().unwrap().code(), "access_denied");
    for (path, expected) in [("/v1/a", "issued"), ("/v1/b", "access_denied")] {
        let found = issue(&test, asks(&zone, ITEMS, &json!([detail("POST", path)]))).await;
        assert_eq!(code(found), expected, "{path}");
    }
}

#[tokio::test]
async fn what_cannot_be_named_is_refused() {
    const BAD: &str = "invalid_authorization_details";
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await;
    let good = || detail("POST", "/v1/a");
    let long = || detail("POST", &format!("/v1/{}", "a".repeat(4000)));
    let many: Vec<_> = (0..17)
        .map(|n| detail("POST", &format!("/v1/{n}")))
        .collect();
    let url = format!("{}/zones/{}/r/items", TestEngine::GATEWAY_URL, zone.id);
    for (details, expected) in [
        (json!([with(good(), "locations", json!([url]))]), "issued"),
        (json!([]), BAD),
        (json!({}), BAD),
        (good(), BAD),
        (json!("x"), BAD),
        (json!([1]), BAD),
        (json!(many), BAD),
        (json!([long()]), BAD),
        (
            json!([with(good(), "type", json!("payment_initiation"))]),
            BAD,
        ),
        (json!([with(good(), "type", json!(null))]), BAD),
        (json!([with(good(), "amount", json!(1))]), BAD),
        (json!([with(good(), "locations", json!([]))]), BAD),
        (json!([with(good(), "locations", json!(BOTH))]), BAD),
        (
            json!([with(good(), "locations", json!(["resource://notes"]))]),
            BAD,
        ),
        (
            json!([with(good(), "locations", json!(["resource://none"]))]),
            BAD,
        ),
        (json!([with(good(), "actions", json!(["read"]))]), BAD),
        (
            json!([with(good(), "actions", json!(["write", "read"]))]),
            BAD,
        ),
        (json!([with(good(), "actions", json!("write"))]), BAD),
        (json!([with(good(), "method", json!("post"))]), BAD),
        (json!([with(good(), "method", json!("*"))]), BAD),
        (json!([with(good(), "method", json!("HEAD"))]), BAD),
        (json!([with(good(), "method", json!("PUT"))]), BAD),
        (json!([with(good(), "path", json!("v1/a"))]), BAD),
        (json!([with(good(), "path", json!("/v1/../a"))]), BAD),
        (json!([with(good(), "path", json!("/v1/a%2Fb"))]), BAD),
        (json!([with(good(), "path", json!("/v1/a?x=1"))]), BAD),
        (json!([with(good(), "path", json!("/v1/{id}"))]), BAD),
        (json!([with(good(), "path", json!("/v2/a"))]), BAD),
        (json!([with(good(), "query", json!(["x"]))]), BAD),
        (json!([with(good(), "query", json!(["x=\u{fffd}"]))]), BAD),
        (json!([with(good(), "query", json!(vec!["x=1"; 65]))]), BAD),
    ] {
        let found = issue(&test, asks(&zone, ITEMS, &details)).await;
        assert_eq!(code(found), expected, "{details}");
    }
    let twice = good().to_string().replace('{', "{\"method\":\"GET\",");
    for text in [
        "[".repeat(10_000),
        format!("[{twice}]"),
        "x".repeat(20_000),
        String::new(),
    ] {
        let request = IssueRequest {
            authorization_details: Some(text),
            ..zone.asks("anton", ITEMS, None)
        };
        assert_eq!(code(issue(&test, request).await), BAD);
    }
    // A resource that no request is on, scopes that none needs, and no resource at all.
    let one = json!([good()]);
    assert_eq!(code(issue(&test, asks(&zone, BOTH, &one)).await), BAD);
    for (scope, expected) in [
        ("write", "issued"),
        ("read", "invalid_scope"),
        ("read write", "invalid_scope"),
    ] {
        let request = IssueRequest {
            scope: Some(scope.to_owned()),
            ..asks(&zone, ITEMS, &one)
        };
        assert_eq!(code(issue(&test, request).await), expected, "{scope}");
    }
    assert_eq!(
        code(issue(&test, asks(&zone, &[], &one)).await),
        "invalid_target"
    );
    let events = zone.events(&test.engine).await;
    let bad = events
        .iter()
        .filter(|e| e.event_type == EventType::MandateDenied && e.reason.as_deref() == Some(BAD));
    assert_eq!(bad.count(), 35);
}

#[tokio::test]
async fn an_exchange_drops_requests_and_adds_none() {
    const BAD: &str = "invalid_authorization_details";
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await;
    let (read, write) = (detail("GET", "/v1/a"), detail("POST", "/v1/a"));
    let both = json!([read.clone(), write.clone()]);
    let plain = zone.mint(&test.engine, ITEMS, None).await.unwrap();
    let source = issue(&test, asks(&zone, ITEMS, &both)).await.unwrap();
    let exchange = |source: &IssuedMandate, scope: Option<&str>, details: Option<&Value>| {
        let request = IssueRequest {
            subject_token: Some(source.text.clone()),
            authorization_details: details.map(Value::to_string),
            ..zone.asks("anton", &[], scope)
        };
        issue(&test, request)
    };
    let methods = |issued: &IssuedMandate| {
        let calls = issued.details.iter().map(|d| d.call().method.clone());
        calls.collect::<Vec<_>>()
    };
    let same = exchange(&source, None, None).await.unwrap();
    assert_eq!(same.details, source.details);
    let fewer = exchange(&source, Some("read"), None).await.unwrap();
    assert_eq!(methods(&fewer), ["GET"]);
    let one = json!([write.clone()]);
    let named = exchange(&source, None, Some(&one)).await.unwrap();
    assert_eq!(
        (methods(&named), named.scope.to_string()),
        (vec!["POST".to_owned()], "write".to_owned())
    );
    // Nor by a second exchange.
    let again = exchange(&named, None, None).await.unwrap();
    assert_eq!(again.details, named.details);
    assert_eq!(code(exchange(&named, None, Some(&both)).await), BAD);
    let other = json!([detail("GET", "/v1/b")]);
    assert_eq!(code(exchange(&source, None, Some(&other)).await), BAD);
    assert_eq!(code(exchange(&named, Some("read"), None).await), BAD);
    // One that names none may be narrowed to some.
    let narrowed = exchange(&plain, None, Some(&one)).await.unwrap();
    assert_eq!(narrowed.details, named.details);
    assert_eq!(
        call(&test, &narrowed.text, "GET", "/v1/a", &[]).await,
        Some(RefusalCode::ScopeMissing)
    );
    assert_eq!(
        call(&test, &narrowed.text, "POST", "/v1/a", &[]).await,
        None
    );
}

async fn approver(test: &TestEngine, zone: &SeededZone) -> Admin {
    let made = test
        .engine
        .create_token(
            &test.admin(),
            Some(zone.id),
            "paula".parse().unwrap(),
            Role::Approver,
            86_400,
        )
        .await;
    let text = made.unwrap().text.unwrap();
    Admin::new(
        test.engine.authenticate_operator(&text).unwrap(),
        "req_decide",
    )
}

#[tokio::test]
async fn a_person_approves_the_requests_that_they_were_shown() {
    let test = TestEngine::in_memory().await;
    let zone = test
        .seed_policy("@approval(\"operator\") permit (principal, action, resource);")
        .await;
    let ask = |path: &str| asks(&zone, ITEMS, &json!([detail("POST", path)]));
    let held = test.engine.issue(ask("/v1/a")).await;
    let Err(IssueError::InteractionRequired { approval, .. }) = held else {
        panic!("it is held")
    };
    let paula = approver(&test, &zone).await;
    let shown = test.engine.get_approval(zone.id, &paula, approval).unwrap();
    let text = test
        .engine
        .show_approval(zone.id, &paula, &shown.value)
        .unwrap();
    assert!(
        text.contains("call: POST resource://items /v1/a\n"),
        "{text}"
    );
    assert!(text.contains("these calls only"), "{text}");
    let decided = test
        .engine
        .decide_approval(zone.id, &paula, approval, Verdict::Approve, None)
        .await;
    decided.unwrap();
    let using = |request| IssueRequest {
        approval_id: Some(approval),
        ..request
    };
    // For others, or for all, it is none.
    for other in [ask("/v1/b"), zone.asks("anton", ITEMS, Some("write"))] {
        assert_eq!(code(issue(&test, using(other)).await), "invalid_grant");
    }
    let issued = issue(&test, using(ask("/v1/a"))).await.unwrap();
    assert_eq!(call(&test, &issued.text, "POST", "/v1/a", &[]).await, None);
    assert_eq!(
        call(&test, &issued.text, "POST", "/v1/b", &[]).await,
        Some(RefusalCode::ActionNotAuthorized)
    );
}

#[tokio::test]
async fn a_policy_that_holds_a_request_holds_the_call_where_its_body_is_seen() {
    let test = TestEngine::in_memory().await;
    let zone = test
        .seed_policy(
            "@approval(\"operator\") permit (principal, action, resource)
             when { context.request.method == \"POST\" };",
        )
        .await;
    let ask = |method: &str| asks(&zone, ITEMS, &json!([detail(method, "/v1/a")]));
    let issued = issue(&test, ask("POST")).await.unwrap();
    assert_eq!(
        call(&test, &issued.text, "POST", "/v1/a", &[]).await,
        Some(RefusalCode::ApprovalRequired)
    );
    assert_eq!(code(issue(&test, ask("GET")).await), "access_denied");
}
