//! Who may do something under a session: the holder of its key, and nobody while it is suspended.

use caracal_core::{Confirmation, EventType, RefusalCode, SessionStatus, SuspendedBy};
use caracal_engine::{IssueRequest, OpenSession, OpenedSession};
use caracal_testkit::TestEngine;

use super::sessions::{as_session, call, child_of, code, mint, open, world};

#[tokio::test]
async fn nothing_goes_on_under_a_suspended_session() {
    let (test, zone) = world().await;
    let root = open(&test, &zone, "anton", OpenSession::default())
        .await
        .unwrap();
    let child = open(&test, &zone, "anton", child_of(&root)).await.unwrap();
    let mandate = mint(&test, &child, None).await.unwrap();
    let permit = zone
        .call(&test.engine, &mandate.text, "items", "GET", "/v1/x")
        .await
        .unwrap();
    let own = as_session(&root);
    let id = root.session.id;
    let set = |status| {
        test.engine
            .set_session_status(&own, None, id, status, "req_set")
    };
    let berta = zone.credentials("berta");
    let introspected = || test.engine.introspect(&berta, None, &mandate.text);
    assert!(introspected().await.unwrap().is_some());
    set(SessionStatus::Suspended).await.unwrap();
    assert_eq!(introspected().await.unwrap(), None);
    assert!(permit.cut().is_cancelled());
    assert_eq!(
        call(&test, &zone, &mandate.text, "GET").await,
        Err(RefusalCode::SessionSuspended)
    );
    assert_eq!(code(mint(&test, &child, None).await), "session_suspended");
    assert_eq!(code(mint(&test, &root, None).await), "session_suspended");
    // Whoever runs under it does not bring it back.
    assert_eq!(code(set(SessionStatus::Active).await), "access_denied");
    let anton = zone.credentials("anton");
    test.engine
        .set_session_status(&anton, None, id, SessionStatus::Active, "req_set")
        .await
        .unwrap();
    assert!(introspected().await.unwrap().is_some());
    call(&test, &zone, &mandate.text, "GET").await.unwrap();
    mint(&test, &child, None).await.unwrap();
}

#[tokio::test]
async fn only_the_key_acts_under_a_session_that_is_bound() {
    let (test, zone) = world().await;
    let jkt = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
    let bound = OpenSession {
        cnf: Some(Confirmation {
            jkt: jkt.to_owned(),
        }),
        request_id: "req_open".to_owned(),
        ..OpenSession::default()
    };
    let anton = zone.credentials("anton");
    let engine = &test.engine;
    // Whoever opens it need not have the key: the one that it is for does.
    let opened = engine.open_session(&anton, None, bound).await.unwrap();
    assert_eq!(bound_to(&test, &opened).await.as_deref(), Some(jkt));
    let request = |key: Option<&str>| IssueRequest {
        key: key.map(str::to_owned),
        session_id: Some(opened.session.id),
        resources: vec!["resource://items".to_owned()],
        ..IssueRequest::new(zone.credentials("anton"), "req_mint")
    };
    let other = "1ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
    for key in [None, Some(other)] {
        assert_eq!(code(engine.issue(request(key)).await), "invalid_dpop_proof");
        let closed = engine
            .close_session(&anton, key, opened.session.id, "r")
            .await;
        assert_eq!(code(closed), "invalid_dpop_proof");
    }
    engine.issue(request(Some(jkt))).await.unwrap();
    let own = as_session(&opened);
    let id = opened.session.id;
    let seen = engine.get_session(&own, None, id).await;
    assert_eq!(code(seen), "invalid_dpop_proof");
    engine.get_session(&own, Some(jkt), id).await.unwrap();
    // Nor does it ask about, or end, a mandate.
    let ask = |key| engine.introspect(&own, key, &opened.mandate.as_ref().unwrap().text);
    assert_eq!(code(ask(None).await), "invalid_dpop_proof");
    assert!(ask(Some(jkt)).await.unwrap().is_some());
    let minted = engine.issue(request(Some(jkt))).await.unwrap();
    let revoke = |key| engine.revoke_own(&own, key, &minted.text, "req_revoke");
    assert_eq!(code(revoke(None).await), "invalid_dpop_proof");
    revoke(Some(jkt)).await.unwrap();
    let told = zone.events(engine).await;
    let told = told
        .iter()
        .rfind(|event| event.event_type == EventType::AuthorityRevoked)
        .unwrap();
    assert_eq!((told.operator.as_deref(), told.session), (None, Some(id)));
    // A child is bound to no key, or to the one that is named for it: not to its parent's.
    let child = |cnf: Option<&str>| OpenSession {
        cnf: cnf.map(|jkt| Confirmation {
            jkt: jkt.to_owned(),
        }),
        request_id: "req_child".to_owned(),
        ..child_of(&opened)
    };
    for named in [None, Some(other), Some(jkt)] {
        let opened = engine.open_session(&own, Some(jkt), child(named)).await;
        let opened = opened.unwrap();
        assert_eq!(bound_to(&test, &opened).await.as_deref(), named);
    }
    let unheld = engine.open_session(&own, None, child(Some(other))).await;
    assert_eq!(code(unheld), "invalid_dpop_proof");
    // A root without `cnf` is as the request was: its mandate is bound where a key is proven.
    let root = OpenSession {
        request_id: "req_open".to_owned(),
        ..OpenSession::default()
    };
    let root = engine.open_session(&anton, Some(jkt), root).await.unwrap();
    assert_eq!(bound_to(&test, &root).await.as_deref(), Some(jkt));
}

/// The key that the first mandate of a session is bound to.
async fn bound_to(test: &TestEngine, opened: &OpenedSession) -> Option<String> {
    let text = &opened.mandate.as_ref().unwrap().text;
    let opened = test.engine.open_mandate(text).await.unwrap();
    opened.claims().cnf.as_ref().map(|cnf| cnf.jkt.clone())
}

#[tokio::test]
async fn only_operators_resume_what_an_operator_suspended() {
    let (test, zone) = world().await;
    let root = open(&test, &zone, "anton", OpenSession::default())
        .await
        .unwrap();
    let child = open(&test, &zone, "anton", child_of(&root)).await.unwrap();
    let (anton, above) = (zone.credentials("anton"), as_session(&root));
    let id = child.session.id;
    let engine = &test.engine;
    let admin = test.admin();
    let by_operator = |status| engine.set_session_status_of(zone.id, &admin, id, status);
    let set = |caller, status| engine.set_session_status(caller, None, id, status, "req_set");
    let resume = |caller| set(caller, SessionStatus::Active);
    let suspend = |caller| set(caller, SessionStatus::Suspended);
    by_operator(SessionStatus::Suspended).await.unwrap();
    for caller in [&anton, &above] {
        assert_eq!(code(resume(caller).await), "suspended_by_operator");
        // Suspending it again does not make it one's own.
        let (_, session) = suspend(caller).await.unwrap();
        assert_eq!(session.suspended_by, Some(SuspendedBy::Operator));
        assert_eq!(code(resume(caller).await), "suspended_by_operator");
    }
    assert_eq!(code(mint(&test, &child, None).await), "session_suspended");
    let resumed = by_operator(SessionStatus::Active).await.unwrap();
    assert_eq!(resumed.suspended_by, None);
    mint(&test, &child, None).await.unwrap();
    // What a workload suspended it may resume, until an operator suspends it too.
    let (_, session) = suspend(&above).await.unwrap();
    assert_eq!(session.suspended_by, Some(SuspendedBy::Workload));
    resume(&anton).await.unwrap();
    suspend(&above).await.unwrap();
    by_operator(SessionStatus::Suspended).await.unwrap();
    assert_eq!(code(resume(&anton).await), "suspended_by_operator");
    let denied = zone.events(engine).await;
    let denied = denied
        .iter()
        .rfind(|event| event.event_type == EventType::SessionDenied)
        .unwrap();
    assert_eq!(denied.reason.as_deref(), Some("suspended_by_operator"));
    assert_eq!(denied.target.as_deref(), Some(id.to_string().as_str()));
}

#[tokio::test]
async fn a_stolen_bound_mandate_is_not_exchanged() {
    let (test, zone) = world().await;
    let jkt = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
    let request = IssueRequest {
        key: Some(jkt.to_owned()),
        ..zone.asks("anton", &["resource://items"], None)
    };
    let bound = test.engine.issue(request).await.unwrap();
    let exchange = |key: Option<&str>| IssueRequest {
        key: key.map(str::to_owned),
        subject_token: Some(bound.text.clone()),
        ..IssueRequest::new(zone.credentials("anton"), "req_exchange")
    };
    let thief = "1ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
    for key in [None, Some(thief)] {
        let exchanged = test.engine.issue(exchange(key)).await;
        assert_eq!(code(exchanged), "invalid_dpop_proof");
    }
    let own = test.engine.issue(exchange(Some(jkt))).await.unwrap();
    let opened = test.engine.open_mandate(&own.text).await.unwrap();
    assert_eq!(opened.claims().cnf.as_ref().unwrap().jkt, jkt);
}
