//! Ending authority.

use std::time::Duration;

use caracal_core::{Anchor, ApplicationId, MandateId, ProviderId, ResourceId, SessionId};
use caracal_engine::{AdminError, IssueError, Permit, Refusal};
use caracal_testkit::{AppendFault, SeededZone, Stalled, TestEngine};

const ALL: &str = "permit (principal in Application::\"anton\", action, resource);\n\
                   permit (principal in Application::\"berta\", action, resource);";
const ITEMS: &[&str] = &["resource://items"];

fn code(result: &Result<Permit, Refusal>) -> &'static str {
    match result {
        Ok(_) => "permitted",
        Err(refusal) => refusal.code.as_str(),
    }
}

async fn mint(test: &TestEngine, zone: &SeededZone) -> Result<(MandateId, String), IssueError> {
    let issued = zone.mint(&test.engine, ITEMS, Some("read")).await?;
    Ok((issued.id, issued.text))
}

async fn call(test: &TestEngine, zone: &SeededZone, text: &str) -> &'static str {
    code(&zone.call(&test.engine, text, "items", "GET", "/v1/x").await)
}

#[tokio::test]
async fn either_id_of_a_mandate_ends_it_alone() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await;
    for by_session in [false, true] {
        let (id, text) = mint(&test, &zone).await.unwrap();
        let (_, other) = mint(&test, &zone).await.unwrap();
        let anchor = match by_session {
            false => Anchor::Mandate(id),
            true => Anchor::Session(SessionId::of_mandate(id)),
        };
        let receipt = test
            .engine
            .revoke(zone.id, &test.admin(), anchor, None)
            .await
            .unwrap();
        assert_eq!(call(&test, &zone, &text).await, "mandate_revoked");
        assert_eq!(call(&test, &zone, &other).await, "permitted");
        let again = test
            .engine
            .revoke(zone.id, &test.admin(), anchor, None)
            .await
            .unwrap();
        assert_eq!(again.id, receipt.id, "revoking again confirms what holds");
        let lifted = test.engine.lift(zone.id, &test.admin(), receipt.id).await;
        assert!(matches!(lifted, Err(AdminError::InUse(_))), "{lifted:?}");
    }
}

#[tokio::test]
async fn an_application_a_resource_a_provider_and_a_zone_end_until_they_are_lifted() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await;
    let engine = &test.engine;
    for (anchor, on_mint, on_call) in [
        (
            Anchor::Application(zone.id_of::<ApplicationId>("anton")),
            "access_denied",
            "mandate_revoked",
        ),
        (
            Anchor::Resource(zone.id_of::<ResourceId>("items")),
            "access_denied",
            "mandate_revoked",
        ),
        (
            Anchor::Provider(zone.id_of::<ProviderId>("key")),
            "access_denied",
            "mandate_revoked",
        ),
        (Anchor::Zone(zone.id), "zone_frozen", "zone_frozen"),
    ] {
        let (_, before) = mint(&test, &zone).await.unwrap();
        let receipt = engine
            .revoke(zone.id, &test.admin(), anchor, None)
            .await
            .unwrap();
        assert_eq!(call(&test, &zone, &before).await, on_call, "{anchor}");
        let refused = mint(&test, &zone).await.unwrap_err();
        assert_eq!(refused.code(), on_mint, "{anchor}");
        let notes = zone.mint(engine, &["resource://notes"], None).await;
        let others = matches!(anchor, Anchor::Resource(_) | Anchor::Provider(_));
        assert_eq!(notes.is_ok(), others, "{anchor}");
        engine
            .lift(zone.id, &test.admin(), receipt.id)
            .await
            .unwrap();
        assert_eq!(
            call(&test, &zone, &before).await,
            "mandate_revoked",
            "{anchor}"
        );
        let (_, after) = mint(&test, &zone).await.unwrap();
        assert_eq!(call(&test, &zone, &after).await, "permitted", "{anchor}");
    }
}

#[tokio::test]
async fn in_a_frozen_zone_every_call_says_so() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await;
    let (_, text) = mint(&test, &zone).await.unwrap();
    let anchor = Anchor::Zone(zone.id);
    test.engine
        .revoke(zone.id, &test.admin(), anchor, None)
        .await
        .unwrap();
    for resource in ["items", "notes", "nothing"] {
        let found = zone
            .call(&test.engine, &text, resource, "GET", "/v1/x")
            .await;
        assert_eq!(code(&found), "zone_frozen", "{resource}");
    }
}

#[tokio::test]
async fn the_mandates_of_a_deleted_application_die_with_it() {
    let test = TestEngine::in_memory().await;
    let mut spec = SeededZone::spec("permit (principal, action, resource);");
    spec.applications
        .push(SeededZone::application("shortlived"));
    let zone = test.seed("deletion", spec).await;
    let engine = &test.engine;
    let asks = zone.asks("shortlived", ITEMS, Some("read"));
    let text = engine.issue(asks).await.unwrap().text;
    let live = zone
        .call(engine, &text, "items", "GET", "/v1/x")
        .await
        .unwrap();
    engine
        .delete_application(zone.id, &test.admin(), "shortlived")
        .await
        .unwrap();
    assert_eq!(call(&test, &zone, &text).await, "mandate_revoked");
    assert!(live.cut().is_cancelled(), "a live call goes on");
    let seen = engine
        .introspect(&zone.credentials("anton"), None, &text)
        .await
        .unwrap();
    assert!(seen.is_none(), "a dead mandate is shown as active");
    let again = engine.issue(zone.asks("shortlived", ITEMS, None)).await;
    assert_eq!(again.err(), Some(IssueError::InvalidClient));
}

#[tokio::test]
async fn a_resource_of_the_same_name_does_not_inherit_mandates() {
    let test = TestEngine::in_memory().await;
    let zone = test
        .seed(
            "heir",
            SeededZone::spec("permit (principal, action, resource);"),
        )
        .await;
    let engine = &test.engine;
    let text = zone
        .mint(engine, &["resource://notes"], None)
        .await
        .unwrap()
        .text;
    let anchor = Anchor::Resource(zone.id_of::<ResourceId>("notes"));
    engine
        .revoke(zone.id, &test.admin(), anchor, None)
        .await
        .unwrap();
    engine
        .delete_resource(zone.id, &test.admin(), "notes")
        .await
        .unwrap();
    test.clock.advance_seconds(1);
    let spec = SeededZone::resource("notes", None);
    engine
        .create_resource(zone.id, &test.admin(), spec)
        .await
        .unwrap();
    let found = zone.call(engine, &text, "notes", "GET", "/v1/x").await;
    assert_eq!(code(&found), "resource_mismatch");
    let text = zone
        .mint(engine, &["resource://notes"], None)
        .await
        .unwrap()
        .text;
    let found = zone.call(engine, &text, "notes", "GET", "/v1/x").await;
    assert_eq!(code(&found), "permitted");
}

#[tokio::test]
async fn live_calls_are_cut_and_counted() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await;
    let engine = &test.engine;
    let (_, anton) = mint(&test, &zone).await.unwrap();
    let asks = zone.asks("berta", ITEMS, None);
    let berta = engine.issue(asks).await.unwrap().text;
    let mut lives = Vec::new();
    for text in [&anton, &anton, &berta] {
        lives.push(
            zone.call(engine, text, "items", "GET", "/v1/x")
                .await
                .unwrap(),
        );
    }
    let ended = zone
        .call(engine, &anton, "items", "GET", "/v1/x")
        .await
        .unwrap();
    drop(ended);
    assert_eq!(engine.live_calls(), 3);
    let anchor = Anchor::Application(zone.id_of::<ApplicationId>("anton"));
    let receipt = engine
        .revoke(zone.id, &test.admin(), anchor, None)
        .await
        .unwrap();
    assert_eq!(receipt.streams_cut, 2);
    let cut: Vec<_> = lives.iter().map(|live| live.cut().is_cancelled()).collect();
    assert_eq!(cut, [true, true, false]);
    let receipt = engine
        .revoke(zone.id, &test.admin(), Anchor::Zone(zone.id), None)
        .await
        .unwrap();
    assert_eq!(receipt.streams_cut, 1, "a call is cut once");
    drop(lives);
    assert_eq!(engine.live_calls(), 0);
}

/// The start of the call is being written when the revocation comes: no byte may go out.
#[tokio::test(start_paused = true)]
async fn a_revocation_while_the_start_is_written_refuses_the_call() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await;
    let (id, text) = mint(&test, &zone).await.unwrap();
    let stalled = Stalled::new();
    test.store()
        .fail_append(AppendFault::Stall(stalled.clone()));
    let calling = zone.call(&test.engine, &text, "items", "GET", "/v1/x");
    let revoking = async {
        stalled.reached().await;
        let anchor = Anchor::Mandate(id);
        let receipt = test
            .engine
            .revoke(zone.id, &test.admin(), anchor, None)
            .await
            .unwrap();
        stalled.release();
        receipt
    };
    let (called, receipt) = tokio::join!(calling, revoking);
    assert_eq!(code(&called), "mandate_revoked");
    assert_eq!(receipt.streams_cut, 1);
    tokio::time::sleep(Duration::from_millis(1)).await;
    let types = zone.event_types(&test.engine).await;
    assert_eq!(types[types.len() - 2..], ["call.started", "call.finished"]);
}

/// The same for a policy that is activated, and an application that is deleted.
#[tokio::test(start_paused = true)]
async fn a_change_of_policy_while_the_start_is_written_is_obeyed() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await;
    let (_, text) = mint(&test, &zone).await.unwrap();
    let stalled = Stalled::new();
    test.store()
        .fail_append(AppendFault::Stall(stalled.clone()));
    let calling = zone.call(&test.engine, &text, "items", "GET", "/v1/x");
    let activating = async {
        stalled.reached().await;
        let spec = caracal_engine::ZoneSpec {
            policies: vec![SeededZone::policy(
                "no",
                "forbid (principal, action, resource);",
            )],
            ..Default::default()
        };
        test.engine
            .apply(zone.id, &test.admin(), spec)
            .await
            .unwrap();
        stalled.release();
    };
    let (called, ()) = tokio::join!(calling, activating);
    assert_eq!(code(&called), "policy_denied");
}

#[tokio::test]
async fn two_freezes_at_once_are_thawed_once() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await;
    let admin = test.admin();
    let freeze = || {
        test.engine
            .revoke(zone.id, &admin, Anchor::Zone(zone.id), None)
    };
    let (a, b, c) = tokio::join!(freeze(), freeze(), freeze());
    let (a, b, c) = (a.unwrap().id, b.unwrap().id, c.unwrap().id);
    test.engine.lift(zone.id, &admin, b).await.unwrap();
    // Lifting again lifts nothing that came later.
    let later = freeze().await.unwrap().id;
    for id in [a, b, c] {
        test.engine.lift(zone.id, &admin, id).await.unwrap();
    }
    assert_eq!(mint(&test, &zone).await.err(), Some(IssueError::ZoneFrozen));
    test.engine.lift(zone.id, &admin, later).await.unwrap();
    assert!(mint(&test, &zone).await.is_ok(), "the zone is still frozen");
}

#[tokio::test]
async fn only_what_exists_can_be_revoked() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await;
    let other = test.seed_policy(ALL).await;
    for anchor in [
        Anchor::Application(other.id_of::<ApplicationId>("anton")),
        Anchor::Resource(other.id_of::<ResourceId>("items")),
        Anchor::Provider(other.id_of::<ProviderId>("key")),
        Anchor::Zone(other.id),
        Anchor::Zone(TestEngine::INSTANCE),
    ] {
        let found = test
            .engine
            .revoke(zone.id, &test.admin(), anchor, None)
            .await;
        assert!(
            matches!(found, Err(AdminError::NotFound { .. })),
            "{anchor}"
        );
    }
    for reason in ["x".repeat(1001), "a\nb".to_owned()] {
        let anchor = Anchor::Zone(zone.id);
        let found = test
            .engine
            .revoke(zone.id, &test.admin(), anchor, Some(reason))
            .await;
        assert!(matches!(found, Err(AdminError::Invalid(_))));
    }
}

#[tokio::test]
async fn an_application_revokes_its_own_mandates_only() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await;
    let other = test.seed_policy(ALL).await;
    let (_, text) = mint(&test, &zone).await.unwrap();
    for client in [zone.credentials("berta"), other.credentials("anton")] {
        let found = test.engine.revoke_own(&client, None, &text, "req_1").await;
        assert_eq!(found, Err(IssueError::UnauthorizedClient));
    }
    assert_eq!(call(&test, &zone, &text).await, "permitted");
    let own = zone.credentials("anton");
    for _ in 0..2 {
        test.engine
            .revoke_own(&own, None, &text, "req_1")
            .await
            .unwrap();
        assert_eq!(call(&test, &zone, &text).await, "mandate_revoked");
    }
    test.engine
        .revoke_own(&own, None, "junk", "req_1")
        .await
        .unwrap();
}
