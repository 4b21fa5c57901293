//! Issuing mandates: scopes, resources, lives and clients.

use caracal_core::Secret;
use caracal_engine::{CallerCredentials, ClientCredentials, IssueError, ZoneSpec};
use caracal_testkit::{SeededZone, TestEngine};

const ALL: &str = "permit (principal in Application::\"anton\", action, resource);";
const READ: &str =
    "permit (principal in Application::\"anton\", action == Action::\"read\", resource);";
const ITEMS: &str = "permit (principal in Application::\"anton\", action, \
                     resource == Resource::\"resource://items\");";

fn code<T>(result: Result<T, IssueError>) -> &'static str {
    match result {
        Ok(_) => "issued",
        Err(error) => error.code(),
    }
}

#[tokio::test]
async fn named_scopes_are_all_or_nothing() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(READ).await;
    let engine = &test.engine;
    let items = &["resource://items"][..];
    let granted = zone.mint(engine, items, Some("read")).await.unwrap();
    assert_eq!(granted.scope.to_string(), "read");
    for (scope, expected) in [
        ("read write", "access_denied"),
        ("write", "access_denied"),
        ("read admin", "invalid_scope"),
        ("admin", "invalid_scope"),
        ("", "invalid_scope"),
        (" ", "invalid_scope"),
        ("caracal:lend", "invalid_scope"),
        ("re\"ad", "invalid_scope"),
    ] {
        let found = code(zone.mint(engine, items, Some(scope)).await);
        assert_eq!(found, expected, "{scope:?}");
    }
}

#[tokio::test]
async fn an_omitted_scope_is_every_scope_that_is_allowed() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(READ).await;
    let granted = zone
        .mint(&test.engine, &["resource://items"], None)
        .await
        .unwrap();
    assert_eq!(granted.scope.to_string(), "read");
    let asks = zone.asks("berta", &["resource://items"], None);
    assert_eq!(code(test.engine.issue(asks).await), "access_denied");
}

#[tokio::test]
async fn with_several_resources_each_that_declares_a_scope_must_allow_it() {
    let test = TestEngine::in_memory().await;
    let mut spec = SeededZone::spec(ITEMS);
    spec.resources[1].scopes.push("notes:only".parse().unwrap());
    spec.resources[0].scopes.push("items:only".parse().unwrap());
    let zone = test.seed("several", spec).await;
    let both = &["resource://items", "resource://notes"][..];
    let engine = &test.engine;
    assert_eq!(
        code(zone.mint(engine, both, Some("read")).await),
        "access_denied"
    );
    assert_eq!(
        code(zone.mint(engine, both, Some("notes:only")).await),
        "access_denied"
    );
    // Only `items` declares it, so only `items` is asked.
    let granted = zone.mint(engine, both, Some("items:only")).await.unwrap();
    assert_eq!(granted.scope.to_string(), "items:only");
    let granted = zone.mint(engine, both, None).await.unwrap();
    assert_eq!(granted.scope.to_string(), "items:only");
    let opened = engine.open_mandate(&granted.text).await.unwrap();
    assert_eq!(opened.claims().aud.len(), 4);
}

#[tokio::test]
async fn a_scope_that_was_not_granted_leaves_no_trace_in_the_mandate() {
    let test = TestEngine::in_memory().await;
    let mut spec = SeededZone::spec(READ);
    // A short life for writing, which the forbid takes away.
    spec.policies.push(SeededZone::policy(
        "writing",
        "@ttl(\"10\") permit (principal in Application::\"anton\", action == Action::\"write\", \
         resource == Resource::\"resource://items\");",
    ));
    let zone = test.seed("trace", spec).await;
    let both = &["resource://items", "resource://notes"][..];
    let granted = zone.mint(&test.engine, both, None).await.unwrap();
    assert_eq!(granted.scope.to_string(), "read");
    assert_eq!(granted.expires_in, 300);
    let events = zone.events(&test.engine).await;
    let policies = events.last().unwrap().policies.clone().unwrap();
    assert_eq!(policies.len(), 1, "{policies:?}");
}

#[tokio::test]
async fn a_resource_must_be_known_and_may_be_named_twice_or_by_its_url() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await;
    let other = test.seed_policy(ALL).await;
    let engine = &test.engine;
    let url = format!("{}/zones/{}/r/items", TestEngine::GATEWAY_URL, zone.id);
    let foreign = format!("{}/zones/{}/r/items", TestEngine::GATEWAY_URL, other.id);
    let slashed = format!("{url}/");
    for named in [
        &["resource://items"][..],
        &["resource://items", "resource://items"],
        &[&url],
        &[&slashed, "resource://items"],
    ] {
        let granted = zone.mint(engine, named, Some("read")).await.unwrap();
        let opened = engine.open_mandate(&granted.text).await.unwrap();
        assert_eq!(opened.claims().aud, ["resource://items", url.as_str()]);
    }
    let many: Vec<&str> = vec!["resource://items"; 33];
    let deeper = format!("{url}/v1");
    for named in [
        &[][..],
        &["resource://nothing"],
        &["resource://items", "resource://nothing"],
        &["items"],
        &[""],
        &[&foreign],
        &[&deeper],
        &many,
    ] {
        assert_eq!(
            code(zone.mint(engine, named, Some("read")).await),
            "invalid_target",
            "{named:?}"
        );
    }
}

#[tokio::test]
async fn a_life_is_shortened_and_never_lengthened() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await;
    for (wanted, granted) in [
        (None, 300),
        (Some(60), 60),
        (Some(900), 900),
        (Some(901), 900),
        (Some(u32::MAX), 900),
        (Some(0), 1),
    ] {
        let mut asks = zone.asks("anton", &["resource://items"], Some("read"));
        asks.ttl_seconds = wanted;
        let issued = test.engine.issue(asks).await.unwrap();
        assert_eq!(issued.expires_in, granted, "{wanted:?}");
        let opened = test.engine.open_mandate(&issued.text).await.unwrap();
        let claims = opened.claims();
        assert_eq!(claims.exp - claims.iat, i64::from(granted));
    }
    let limited = test.seed_policy(&format!("@ttl(\"30\") {ALL}")).await;
    let issued = limited
        .mint(&test.engine, &["resource://items"], None)
        .await
        .unwrap();
    assert_eq!(issued.expires_in, 30);
}

#[tokio::test]
async fn only_the_application_with_its_own_secret_is_served() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await;
    let berta = zone.client("berta");
    for (id, secret) in [
        (zone.ids["anton"].clone(), berta.secret.expose().to_vec()),
        (zone.ids["anton"].clone(), Vec::new()),
        (zone.ids["anton"].clone(), b"caracal_secret_".to_vec()),
        (
            "app_00000000-0000-7000-8000-000000000000".to_owned(),
            berta.secret.expose().to_vec(),
        ),
        (
            "anton".to_owned(),
            zone.secrets["anton"].clone().into_bytes(),
        ),
        (String::new(), Vec::new()),
    ] {
        let mut asks = zone.asks("anton", &["resource://items"], None);
        asks.caller = CallerCredentials::Client(ClientCredentials {
            client_id: id.clone(),
            secret: Secret::new(secret),
        });
        assert_eq!(
            code(test.engine.issue(asks).await),
            "invalid_client",
            "{id}"
        );
    }
}

#[tokio::test]
async fn an_application_gets_nothing_in_another_zone() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await;
    let mut spec = SeededZone::spec(ALL);
    spec.resources.push(SeededZone::resource("treasure", None));
    let other = test.seed("other", spec).await;
    let found = zone
        .mint(&test.engine, &["resource://treasure"], None)
        .await;
    assert_eq!(code(found), "invalid_target");
    // The denial stands in the zone of the application, and nothing in the other.
    assert!(
        zone.event_types(&test.engine)
            .await
            .contains(&"mandate.denied")
    );
    assert!(
        !other
            .event_types(&test.engine)
            .await
            .contains(&"mandate.denied")
    );
}

#[tokio::test]
async fn without_an_active_policy_everything_is_denied() {
    let test = TestEngine::in_memory().await;
    let spec = ZoneSpec {
        policies: Vec::new(),
        ..SeededZone::spec(ALL)
    };
    let zone = test.seed("silent", spec).await;
    for scope in [None, Some("read")] {
        let found = zone.mint(&test.engine, &["resource://items"], scope).await;
        assert_eq!(code(found), "access_denied");
    }
}

#[tokio::test]
async fn a_policy_that_fails_denies() {
    let test = TestEngine::in_memory().await;
    let fails = "permit (principal in Application::\"anton\", action, resource) \
                 when { 9223372036854775807 + principal.depth + 1 > 0 };";
    let mut spec = SeededZone::spec(ALL);
    spec.policies.push(SeededZone::policy("broken", fails));
    let zone = test.seed("faulty", spec).await;
    let found = zone
        .mint(&test.engine, &["resource://items"], Some("read"))
        .await;
    assert_eq!(code(found), "access_denied");
    let events = zone.events(&test.engine).await;
    let denied = events.last().unwrap();
    assert_eq!(denied.event_type.as_str(), "mandate.denied");
    let named = denied.policies.clone().unwrap();
    assert!(
        named.iter().any(|name| name.as_str() == "broken"),
        "{named:?}"
    );
}

#[tokio::test]
async fn a_denial_is_bounded_however_much_was_asked_for() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await;
    let names: Vec<String> = (0..5000).map(|i| format!("resource://r{i}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let scopes: Vec<String> = (0..5000).map(|i| format!("scope:{i}")).collect();
    let found = zone
        .mint(&test.engine, &names, Some(&scopes.join(" ")))
        .await;
    assert_eq!(code(found), "invalid_target");
    let found = zone
        .mint(&test.engine, &["resource://items"], Some(&scopes.join(" ")))
        .await;
    assert_eq!(code(found), "invalid_scope");
    for event in zone.events(&test.engine).await {
        let size = serde_json::to_vec(&event).unwrap().len();
        assert!(size < 16 * 1024, "an event of {size} bytes");
    }
}
