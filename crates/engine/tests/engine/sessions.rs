//! Sessions: labels, children, narrowing, holders, suspension, and what ends with what.

use std::collections::BTreeSet;

use caracal_core::{Anchor, Authority, EventType, Kind, RefusalCode, SessionId};
use caracal_engine::{
    CallerCredentials, IssueError, IssueRequest, IssuedMandate, OpenSession, OpenedSession,
};
use caracal_store::StateStore;
use caracal_testkit::{CommitFault, SeededZone, Stalled, TestEngine};

const ALL: &str = "permit (principal in Application::\"anton\", action, resource);";

pub(crate) fn slice(json: serde_json::Value) -> Authority {
    serde_json::from_value(json).unwrap()
}

pub(crate) fn only_read() -> Authority {
    slice(serde_json::json!([{"resource": "resource://items", "scopes": ["read"]}]))
}

pub(crate) fn as_session(opened: &OpenedSession) -> CallerCredentials {
    CallerCredentials::Session(opened.mandate.as_ref().unwrap().text.clone())
}

/// Opens a session for an application.
pub(crate) async fn open(
    test: &TestEngine,
    zone: &SeededZone,
    application: &str,
    wanted: OpenSession,
) -> Result<OpenedSession, IssueError> {
    let wanted = OpenSession {
        request_id: "req_open".to_owned(),
        ..wanted
    };
    let caller = zone.credentials(application);
    test.engine.open_session(&caller, None, wanted).await
}

/// Mints under a session with its own mandate.
pub(crate) async fn mint(
    test: &TestEngine,
    opened: &OpenedSession,
    scope: Option<&str>,
) -> Result<IssuedMandate, IssueError> {
    let request = IssueRequest {
        resources: vec!["resource://items".to_owned()],
        scope: scope.map(str::to_owned),
        ..IssueRequest::new(as_session(opened), "req_mint")
    };
    test.engine.issue(request).await
}

pub(crate) fn code<T>(result: Result<T, IssueError>) -> &'static str {
    result.map_or_else(|error| error.code(), |_| "ok")
}

pub(crate) async fn call(
    test: &TestEngine,
    zone: &SeededZone,
    mandate: &str,
    method: &str,
) -> Result<(), RefusalCode> {
    let called = zone
        .call(&test.engine, mandate, "items", method, "/v1/x")
        .await;
    called.map(drop).map_err(|refusal| refusal.code)
}

pub(crate) async fn world() -> (TestEngine, SeededZone) {
    let test = TestEngine::in_memory().await;
    let mut spec = SeededZone::spec(ALL);
    for application in &mut spec.applications {
        application.labels = ["support", "billing"].map(|l| l.parse().unwrap()).into();
    }
    let zone = test.seed("acme", spec).await;
    (test, zone)
}

pub(crate) fn child_of(parent: &OpenedSession) -> OpenSession {
    OpenSession {
        parent_id: Some(parent.session.id),
        ..OpenSession::default()
    }
}

#[tokio::test]
async fn a_session_mints_and_calls_until_it_is_closed() {
    let (test, zone) = world().await;
    let opened = open(&test, &zone, "anton", OpenSession::default())
        .await
        .unwrap();
    let mandate = mint(&test, &opened, None).await.unwrap();
    let claims = test.engine.open_mandate(&mandate.text).await.unwrap();
    assert_eq!(claims.claims().sid, opened.session.id);
    call(&test, &zone, &mandate.text, "GET").await.unwrap();
    let caller = as_session(&opened);
    let close = || {
        test.engine
            .close_session(&caller, None, opened.session.id, "req_close")
    };
    close().await.unwrap();
    assert_eq!(
        call(&test, &zone, &mandate.text, "GET").await,
        Err(RefusalCode::MandateRevoked)
    );
    assert_eq!(code(mint(&test, &opened, None).await), "invalid_client");
    assert_eq!(code(close().await), "invalid_client");
    let events = zone.events(&test.engine).await;
    for wanted in [EventType::SessionOpened, EventType::SessionClosed] {
        let found = events.iter().filter(|e| e.event_type == wanted);
        let sessions: Vec<_> = found.filter_map(|e| e.session).collect();
        assert_eq!(sessions, [opened.session.id], "{wanted:?}");
    }
}

#[tokio::test]
async fn labels_are_those_that_the_application_is_registered_for() {
    let (test, zone) = world().await;
    let labelled = |labels: &[&str]| OpenSession {
        labels: labels.iter().map(|l| l.parse().unwrap()).collect(),
        ..OpenSession::default()
    };
    let refused = open(&test, &zone, "anton", labelled(&["admin"])).await;
    assert_eq!(code(refused), "label_not_registered");
    let parent = open(&test, &zone, "anton", labelled(&["support"]))
        .await
        .unwrap();
    // A child has its parent's labels, and can add some, but drop none.
    let child = OpenSession {
        parent_id: Some(parent.session.id),
        ..labelled(&["billing"])
    };
    let child = open(&test, &zone, "anton", child).await.unwrap();
    let labels: BTreeSet<String> = child
        .session
        .labels
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        labels,
        BTreeSet::from(["billing".to_owned(), "support".to_owned()])
    );
}

#[tokio::test]
async fn self_asserted_labels_never_widen_authority() {
    let test = TestEngine::in_memory().await;
    let cedar = "permit (principal in Application::\"anton\", action == Action::\"read\", resource);\
                 permit (principal in Application::\"anton\", action == Action::\"write\", resource)\
                 when { principal.labels.contains(\"billing\") };";
    let mut spec = SeededZone::spec(cedar);
    spec.applications[0].labels = ["support", "billing"].map(|l| l.parse().unwrap()).into();
    let zone = test.seed("acme", spec).await;
    let parent = open(&test, &zone, "anton", OpenSession::default())
        .await
        .unwrap();
    assert_eq!(
        code(mint(&test, &parent, Some("write")).await),
        "access_denied"
    );
    // A child that calls itself what its parent is not has no more than its parent.
    let child = OpenSession {
        labels: [("billing").parse().unwrap()].into(),
        ..child_of(&parent)
    };
    let child = test
        .engine
        .open_session(&as_session(&parent), None, child)
        .await
        .unwrap();
    assert_eq!(
        code(mint(&test, &child, Some("write")).await),
        "access_denied"
    );
    assert_eq!(
        mint(&test, &child, None).await.unwrap().scope.to_string(),
        "read"
    );
}

#[tokio::test]
async fn a_child_has_at_most_what_its_parent_has() {
    let (test, zone) = world().await;
    let narrow = OpenSession {
        authority: Some(only_read()),
        ..OpenSession::default()
    };
    let parent = open(&test, &zone, "anton", narrow).await.unwrap();
    assert_eq!(
        code(mint(&test, &parent, Some("write")).await),
        "access_denied"
    );
    let wider = OpenSession {
        authority: Some(slice(serde_json::json!(
            [{"resource": "resource://items", "scopes": ["read", "write"]}]
        ))),
        ..child_of(&parent)
    };
    let refused = open(&test, &zone, "anton", wider).await;
    let Err(IssueError::NotNarrower { resource, scope }) = refused else {
        panic!("a child was given more than its parent has");
    };
    assert_eq!(
        (resource.to_string().as_str(), scope.as_str()),
        ("resource://items", "write")
    );
    let child = open(&test, &zone, "anton", child_of(&parent))
        .await
        .unwrap();
    assert_eq!(
        code(mint(&test, &child, Some("write")).await),
        "access_denied"
    );
    let mandate = mint(&test, &child, None).await.unwrap();
    assert_eq!(mandate.scope.to_string(), "read");
    let opened = test.engine.open_mandate(&mandate.text).await.unwrap();
    assert_eq!(opened.claims().anc, [Anchor::Session(parent.session.id)]);
    assert!(child.session.expires_at <= parent.session.expires_at);
    // What policy does not let the parent have is beyond it too.
    let of_berta = OpenSession {
        authority: Some(only_read()),
        ..OpenSession::default()
    };
    let refused = open(&test, &zone, "berta", of_berta).await;
    assert_eq!(code(refused), "not_narrower");
}

#[tokio::test]
async fn a_child_cannot_use_its_parent() {
    let (test, zone) = world().await;
    let parent = open(&test, &zone, "anton", OpenSession::default())
        .await
        .unwrap();
    let narrow = OpenSession {
        authority: Some(only_read()),
        ..child_of(&parent)
    };
    let child = test
        .engine
        .open_session(&as_session(&parent), None, narrow)
        .await
        .unwrap();
    let mut request = IssueRequest {
        resources: vec!["resource://items".to_owned()],
        session_id: Some(parent.session.id),
        ..IssueRequest::new(as_session(&child), "req_mint")
    };
    assert_eq!(code(test.engine.issue(request).await), "invalid_grant");
    // Nor by a mandate of the parent that it got hold of.
    let parents = mint(&test, &parent, Some("write")).await.unwrap();
    request = IssueRequest {
        subject_token: Some(parents.text),
        ..IssueRequest::new(as_session(&child), "req_exchange")
    };
    assert_eq!(code(test.engine.issue(request).await), "invalid_grant");
    let engine = &test.engine;
    let own = as_session(&child);
    let id = parent.session.id;
    assert_eq!(
        code(engine.close_session(&own, None, id, "r").await),
        "invalid_grant"
    );
    assert_eq!(
        code(engine.beat_session(&own, None, id, 1, "r").await),
        "invalid_grant"
    );
    let sibling = OpenSession {
        parent_id: Some(id),
        request_id: "r".to_owned(),
        ..OpenSession::default()
    };
    assert_eq!(
        code(engine.open_session(&own, None, sibling).await),
        "invalid_grant"
    );
}

#[tokio::test]
async fn what_stands_on_a_session_ends_with_it() {
    let (test, zone) = world().await;
    let root = open(&test, &zone, "anton", OpenSession::default())
        .await
        .unwrap();
    let child = open(&test, &zone, "anton", child_of(&root)).await.unwrap();
    let grandchild = open(&test, &zone, "anton", child_of(&child)).await.unwrap();
    let mandate = mint(&test, &grandchild, None).await.unwrap();
    call(&test, &zone, &mandate.text, "GET").await.unwrap();
    let anchor = Anchor::Session(root.session.id);
    let receipt = test
        .engine
        .revoke(zone.id, &test.admin(), anchor, None)
        .await
        .unwrap();
    assert_eq!(receipt.revoked.get("session"), Some(&3));
    assert_eq!(
        call(&test, &zone, &mandate.text, "GET").await,
        Err(RefusalCode::MandateRevoked)
    );
    for opened in [&root, &child, &grandchild] {
        assert_ne!(code(mint(&test, opened, None).await), "ok");
    }
    // All of it is forgotten in time, and the ledger says so.
    test.engine.sweep_sessions(zone.id, true).await;
    test.engine.sweep_sessions(zone.id, true).await;
    test.engine.sweep_sessions(zone.id, true).await;
    let left = test
        .engine
        .list_sessions(zone.id, &test.admin(), &Default::default(), None, 10)
        .unwrap();
    assert!(left.items.is_empty());
    let events = zone.events(&test.engine).await;
    let ended = events
        .iter()
        .filter(|e| e.event_type == EventType::SessionExpired);
    assert_eq!(ended.count(), 3);
}

#[tokio::test]
async fn a_new_holder_fences_the_one_before() {
    let (test, zone) = world().await;
    let opened = open(&test, &zone, "anton", OpenSession::default())
        .await
        .unwrap();
    let id = opened.session.id;
    let old = mint(&test, &opened, None).await.unwrap();
    let anton = zone.credentials("anton");
    let beat = |generation| {
        test.engine
            .beat_session(&anton, None, id, generation, "req_beat")
    };
    beat(1).await.unwrap();
    assert_eq!(code(beat(3).await), "stale_generation");
    let (_, taken) = beat(2).await.unwrap();
    assert_eq!(taken.generation, 2);
    assert_eq!(code(beat(1).await), "stale_generation");
    // Neither the old holder's mandate nor what it had minted is good any more.
    assert_eq!(code(mint(&test, &opened, None).await), "invalid_grant");
    assert_eq!(
        call(&test, &zone, &old.text, "GET").await,
        Err(RefusalCode::MandateRevoked)
    );
    let request = IssueRequest {
        session_id: Some(id),
        resources: vec!["resource://items".to_owned()],
        ..IssueRequest::new(zone.credentials("anton"), "req_mint")
    };
    let new = test.engine.issue(request).await.unwrap();
    call(&test, &zone, &new.text, "GET").await.unwrap();
}

#[tokio::test]
async fn a_session_without_heartbeats_ends() {
    let (test, zone) = world().await;
    let beating = OpenSession {
        heartbeat_seconds: Some(10),
        ..OpenSession::default()
    };
    let opened = open(&test, &zone, "anton", beating).await.unwrap();
    let mandate = mint(&test, &opened, None).await.unwrap();
    let own = as_session(&opened);
    for _ in 0..3 {
        test.clock.advance(jiff::SignedDuration::from_secs(9));
        let id = opened.session.id;
        test.engine
            .beat_session(&own, None, id, 1, "req_beat")
            .await
            .unwrap();
    }
    call(&test, &zone, &mandate.text, "GET").await.unwrap();
    test.clock.advance(jiff::SignedDuration::from_secs(10));
    assert_eq!(
        call(&test, &zone, &mandate.text, "GET").await,
        Err(RefusalCode::MandateRevoked)
    );
    assert_eq!(code(mint(&test, &opened, None).await), "invalid_grant");
    test.engine.sweep_sessions(zone.id, false).await;
    assert_eq!(code(mint(&test, &opened, None).await), "invalid_client");
}

#[tokio::test]
async fn a_root_is_narrowed_within_what_its_labels_permit() {
    let cedar = "permit (principal in Application::\"anton\", action, resource) \
                 when { principal.labels.contains(\"support\") };";
    let test = TestEngine::in_memory().await;
    let mut spec = SeededZone::spec(cedar);
    for application in &mut spec.applications {
        application.labels = ["support".parse().unwrap()].into();
    }
    let zone = test.seed("labelled", spec).await;
    let narrow = |labels: &[&str]| OpenSession {
        labels: labels.iter().map(|label| label.parse().unwrap()).collect(),
        authority: Some(only_read()),
        ..OpenSession::default()
    };
    let opened = open(&test, &zone, "anton", narrow(&["support"])).await;
    mint(&test, &opened.unwrap(), Some("read")).await.unwrap();
    let without = open(&test, &zone, "anton", narrow(&[])).await;
    assert_eq!(code(without), "not_narrower");
}

#[tokio::test]
async fn sessions_are_bounded() {
    let (test, zone) = world().await;
    let mut parent = open(&test, &zone, "anton", OpenSession::default())
        .await
        .unwrap();
    for _ in 0..caracal_engine::MAX_SESSION_DEPTH {
        parent = open(&test, &zone, "anton", child_of(&parent))
            .await
            .unwrap();
    }
    mint(&test, &parent, None).await.unwrap();
    let deeper = open(&test, &zone, "anton", child_of(&parent)).await;
    assert_eq!(code(deeper), "depth_exceeded");
    for (wanted, expected) in [
        (
            OpenSession {
                ttl_seconds: Some(0),
                ..OpenSession::default()
            },
            "invalid_request",
        ),
        (
            OpenSession {
                heartbeat_seconds: Some(1),
                ..OpenSession::default()
            },
            "invalid_request",
        ),
        (
            OpenSession {
                authority: Some(Authority::default()),
                ..OpenSession::default()
            },
            "invalid_request",
        ),
        (
            OpenSession {
                parent_id: Some(SessionId::from_uuid(uuid::Uuid::nil())),
                ..OpenSession::default()
            },
            "invalid_grant",
        ),
        (
            OpenSession {
                authority: Some(slice(serde_json::json!(
                    [{"resource": "resource://none", "scopes": ["read"]}]
                ))),
                ..OpenSession::default()
            },
            "invalid_target",
        ),
        (
            OpenSession {
                authority: Some(slice(serde_json::json!(
                    [{"resource": "resource://items", "scopes": ["none"]}]
                ))),
                ..OpenSession::default()
            },
            "invalid_scope",
        ),
    ] {
        assert_eq!(code(open(&test, &zone, "anton", wanted).await), expected);
    }
    let events = zone.events(&test.engine).await;
    let denied: Vec<_> = events
        .iter()
        .filter(|e| e.event_type == EventType::SessionDenied)
        .filter_map(|e| e.reason.as_deref())
        .collect();
    assert_eq!(
        denied,
        [
            "depth_exceeded",
            "invalid_request",
            "invalid_request",
            "invalid_request",
            "invalid_grant",
            "invalid_target",
            "invalid_scope"
        ]
    );
}

#[tokio::test]
async fn what_is_kept_in_memory_goes_with_a_session() {
    let (test, zone) = world().await;
    let kept = || {
        let figures = test.engine.figures();
        (figures.heartbeats, figures.purses)
    };
    let beat = async |opened: &OpenedSession| {
        let (own, id) = (as_session(opened), opened.session.id);
        let beaten = test.engine.beat_session(&own, None, id, 1, "req_beat");
        beaten.await.unwrap();
    };
    let plain = open(&test, &zone, "anton", OpenSession::default())
        .await
        .unwrap();
    beat(&plain).await;
    assert_eq!(kept(), (0, 0), "one that needs none is not remembered");
    let wanted = || OpenSession {
        heartbeat_seconds: Some(10),
        calls: Some(100),
        ..OpenSession::default()
    };
    for ended in ["closed", "swept"] {
        let opened = open(&test, &zone, "anton", wanted()).await.unwrap();
        beat(&opened).await;
        let mandate = mint(&test, &opened, None).await.unwrap();
        call(&test, &zone, &mandate.text, "GET").await.unwrap();
        assert_eq!(kept(), (1, 1));
        if ended == "closed" {
            let (own, id) = (as_session(&opened), opened.session.id);
            let closed = test.engine.close_session(&own, None, id, "req_close");
            closed.await.unwrap();
        } else {
            test.clock.advance(jiff::SignedDuration::from_secs(11));
            test.engine.sweep_sessions(zone.id, false).await;
        }
        assert_eq!(kept(), (0, 0), "{ended}");
    }
}

#[tokio::test]
async fn nothing_is_left_of_a_budget_whose_session_is_closed_meanwhile() {
    let (test, zone) = world().await;
    for first in ["close", "call"] {
        let wanted = OpenSession {
            calls: Some(100),
            ..OpenSession::default()
        };
        let opened = open(&test, &zone, "anton", wanted).await.unwrap();
        let mandate = mint(&test, &opened, None).await.unwrap();
        let stalled = Stalled::new();
        test.store()
            .fail_commit(CommitFault::Stall(stalled.clone()));
        let anton = zone.credentials("anton");
        let id = opened.session.id;
        let close = async {
            if first == "call" {
                stalled.reached().await;
            }
            let closed = test.engine.close_session(&anton, None, id, "req_close");
            closed.await.unwrap();
            stalled.release();
        };
        let calling = async {
            if first == "close" {
                stalled.reached().await;
            }
            let called = call(&test, &zone, &mandate.text, "GET").await;
            stalled.release();
            called
        };
        let ((), called) = tokio::join!(close, calling);
        let expected = match first {
            "close" => Ok(()),
            _ => Err(RefusalCode::MandateRevoked),
        };
        assert_eq!(called, expected, "{first}");
        let stored = test.store().load(zone.id).await.unwrap();
        let left = stored.documents.iter();
        let left = left.filter(|document| document.kind == Kind::Budget);
        assert_eq!(left.count(), 0, "{first} came first");
        assert_eq!(test.engine.figures().purses, 0, "{first}");
    }
}

#[tokio::test]
async fn a_session_of_another_application_looks_like_none() {
    let (test, zone) = world().await;
    let opened = open(&test, &zone, "anton", OpenSession::default())
        .await
        .unwrap();
    let engine = &test.engine;
    let berta = zone.credentials("berta");
    let id = opened.session.id;
    assert_eq!(
        code(engine.get_session(&berta, None, id).await),
        "invalid_grant"
    );
    assert_eq!(
        code(engine.close_session(&berta, None, id, "r").await),
        "invalid_grant"
    );
    let request = IssueRequest {
        session_id: Some(id),
        resources: vec!["resource://items".to_owned()],
        ..IssueRequest::new(zone.credentials("berta"), "req_mint")
    };
    assert_eq!(code(engine.issue(request).await), "invalid_grant");
}

#[tokio::test]
async fn revoking_and_lifting_an_application_ends_its_sessions_for_good() {
    let (test, zone) = world().await;
    let opened = open(&test, &zone, "anton", OpenSession::default())
        .await
        .unwrap();
    let anchor = Anchor::Application(zone.id_of("anton"));
    let admin = test.admin();
    let receipt = test
        .engine
        .revoke(zone.id, &admin, anchor, None)
        .await
        .unwrap();
    test.engine.lift(zone.id, &admin, receipt.id).await.unwrap();
    let request = IssueRequest {
        session_id: Some(opened.session.id),
        resources: vec!["resource://items".to_owned()],
        ..IssueRequest::new(zone.credentials("anton"), "req_mint")
    };
    assert_eq!(code(test.engine.issue(request).await), "invalid_grant");
    // A new one is as good as ever.
    let again = open(&test, &zone, "anton", OpenSession::default())
        .await
        .unwrap();
    mint(&test, &again, None).await.unwrap();
}

#[tokio::test]
async fn an_exchanged_mandate_is_narrower_and_ends_with_its_source() {
    let (test, zone) = world().await;
    let source = zone
        .mint(
            &test.engine,
            &["resource://items", "resource://notes"],
            None,
        )
        .await
        .unwrap();
    let exchange = |scope: Option<&str>, resource: Option<&str>, ttl| IssueRequest {
        subject_token: Some(source.text.clone()),
        scope: scope.map(str::to_owned),
        resources: resource.iter().map(ToString::to_string).collect(),
        ttl_seconds: ttl,
        ..IssueRequest::new(zone.credentials("anton"), "req_exchange")
    };
    let engine = &test.engine;
    let narrow = engine
        .issue(exchange(Some("read"), Some("resource://items"), None))
        .await
        .unwrap();
    let opened = engine.open_mandate(&narrow.text).await.unwrap();
    assert_eq!(opened.claims().scope.to_string(), "read");
    assert_eq!(opened.claims().anc, [Anchor::Mandate(source.id)]);
    call(&test, &zone, &narrow.text, "GET").await.unwrap();
    assert_eq!(
        call(&test, &zone, &narrow.text, "POST").await,
        Err(RefusalCode::ScopeMissing)
    );
    // It does not outlive its source.
    test.clock.advance(jiff::SignedDuration::from_secs(200));
    let late = engine.issue(exchange(None, None, Some(900))).await.unwrap();
    assert!(late.expires_in <= 100, "{}", late.expires_in);
    // What it was narrowed from does not come back.
    let again = IssueRequest {
        subject_token: Some(narrow.text.clone()),
        scope: Some("write".to_owned()),
        ..IssueRequest::new(zone.credentials("anton"), "req_exchange")
    };
    assert_eq!(code(engine.issue(again).await), "access_denied");
    let beyond = IssueRequest {
        subject_token: Some(narrow.text.clone()),
        resources: vec!["resource://notes".to_owned()],
        ..IssueRequest::new(zone.credentials("anton"), "req_exchange")
    };
    assert_eq!(code(engine.issue(beyond).await), "invalid_target");
    let stolen = IssueRequest {
        subject_token: Some(source.text.clone()),
        ..IssueRequest::new(zone.credentials("berta"), "req_exchange")
    };
    assert_eq!(code(engine.issue(stolen).await), "invalid_grant");
    let anchor = Anchor::Mandate(source.id);
    engine
        .revoke(zone.id, &test.admin(), anchor, None)
        .await
        .unwrap();
    assert_eq!(
        call(&test, &zone, &late.text, "GET").await,
        Err(RefusalCode::MandateRevoked)
    );
    assert_eq!(
        code(engine.issue(exchange(None, None, None)).await),
        "invalid_grant"
    );
}

#[tokio::test]
async fn a_session_is_there_after_a_start_and_gone_after_its_time() {
    let (test, zone) = world().await;
    let short = OpenSession {
        ttl_seconds: Some(60),
        ..OpenSession::default()
    };
    let opened = open(&test, &zone, "anton", short).await.unwrap();
    let mandate = mint(&test, &opened, None).await.unwrap();
    assert!(mandate.expires_in <= 60);
    let permit = zone
        .call(&test.engine, &mandate.text, "items", "GET", "/v1/x")
        .await
        .unwrap();
    assert!(permit.max_stream() <= std::time::Duration::from_secs(60));
    test.clock.advance(jiff::SignedDuration::from_secs(61));
    test.engine.sweep_sessions(zone.id, false).await;
    assert!(permit.cut().is_cancelled());
    let found = test
        .engine
        .find_session(zone.id, &test.admin(), opened.session.id);
    assert!(found.is_err());
}
