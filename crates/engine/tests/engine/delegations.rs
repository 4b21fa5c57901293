//! Delegations: narrowing, lending across applications, paths, depth, budgets, and their end.

use std::sync::Arc;

use caracal_core::{
    Anchor, Authority, Delegation, DelegationId, DelegationStatus, EventType, Receiver, RefusalCode,
};
use caracal_engine::{
    CreateDelegation, IssueError, IssueRequest, IssuedMandate, OpenSession, OpenedSession,
};
use caracal_testkit::{SeededZone, TestEngine};

use super::sessions::{as_session, call, code, only_read, open, slice};

const LENDING: &str = "permit (principal in Application::\"anton\", action, resource);";

pub(crate) async fn world(cedar: &str) -> (TestEngine, SeededZone) {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(cedar).await;
    (test, zone)
}

pub(crate) async fn opened(
    test: &TestEngine,
    zone: &SeededZone,
    application: &str,
) -> OpenedSession {
    open(test, zone, application, OpenSession::default())
        .await
        .unwrap()
}

pub(crate) fn lends(
    from: &OpenedSession,
    to: &OpenedSession,
    authority: Authority,
) -> CreateDelegation {
    CreateDelegation {
        from: from.session.id,
        via: None,
        to: Receiver::Session(to.session.id),
        authority,
        ttl_seconds: None,
        max_depth: None,
        calls: None,
        idempotency: None,
        request_id: "req_lend".to_owned(),
    }
}

pub(crate) async fn lend(
    test: &TestEngine,
    from: &OpenedSession,
    wanted: CreateDelegation,
) -> Result<Delegation, IssueError> {
    let caller = as_session(from);
    test.engine.create_delegation(&caller, None, wanted).await
}

pub(crate) async fn accept(
    test: &TestEngine,
    by: &OpenedSession,
    id: DelegationId,
) -> Result<Delegation, IssueError> {
    let (caller, session) = (as_session(by), by.session.id);
    test.engine
        .accept_delegation(&caller, None, id, session, "req_accept")
        .await
}

pub(crate) async fn mint_by(
    test: &TestEngine,
    session: &OpenedSession,
    by: Option<DelegationId>,
    scope: Option<&str>,
) -> Result<IssuedMandate, IssueError> {
    let request = IssueRequest {
        session_id: Some(session.session.id),
        delegation_id: by,
        resources: vec!["resource://items".to_owned()],
        scope: scope.map(str::to_owned),
        ..IssueRequest::new(as_session(session), "req_mint")
    };
    test.engine.issue(request).await
}

fn both() -> Authority {
    slice(serde_json::json!([{"resource": "resource://items", "scopes": ["read", "write"]}]))
}

#[tokio::test]
async fn within_an_application_a_delegation_is_active_at_once_and_narrow() {
    let (test, zone) = world(LENDING).await;
    let narrow = OpenSession {
        authority: Some(slice(serde_json::json!(
            [{"resource": "resource://notes", "scopes": ["read"]}]
        ))),
        ..OpenSession::default()
    };
    let lender = opened(&test, &zone, "anton").await;
    let borrower = open(&test, &zone, "anton", narrow).await.unwrap();
    assert_eq!(
        code(mint_by(&test, &borrower, None, Some("read")).await),
        "access_denied"
    );
    let lent = lend(&test, &lender, lends(&lender, &borrower, only_read()))
        .await
        .unwrap();
    assert_eq!(lent.status, DelegationStatus::Active);
    // The only delegation that suffices is found by itself.
    let mandate = mint_by(&test, &borrower, None, Some("read")).await.unwrap();
    let claims = test.engine.open_mandate(&mandate.text).await.unwrap();
    assert_eq!(claims.claims().dlg, [lent.id]);
    assert_eq!(claims.claims().anc, [Anchor::Session(lender.session.id)]);
    call(&test, &zone, &mandate.text, "GET").await.unwrap();
    assert_eq!(
        code(mint_by(&test, &borrower, Some(lent.id), Some("write")).await),
        "access_denied"
    );
    // Two that suffice have to be told apart.
    let second = lend(&test, &lender, lends(&lender, &borrower, both()))
        .await
        .unwrap();
    let refused = mint_by(&test, &borrower, None, Some("read")).await;
    let Err(IssueError::InvalidTarget(why)) = refused else {
        panic!("one of two was chosen");
    };
    assert!(why.contains(&lent.id.to_string()) && why.contains(&second.id.to_string()));
    mint_by(&test, &borrower, Some(second.id), Some("write"))
        .await
        .unwrap();
    // Ending it ends what it gave, and nothing else.
    let receipt = test
        .engine
        .end_delegation(&as_session(&lender), None, lent.id, "req_end")
        .await
        .unwrap();
    assert_eq!(receipt.revoked.get("delegation"), Some(&1));
    let told = zone.events(&test.engine).await;
    let told = told
        .iter()
        .rfind(|event| event.event_type == EventType::AuthorityRevoked)
        .unwrap();
    assert_eq!(
        (told.operator.as_deref(), told.session),
        (None, Some(lender.session.id))
    );
    assert_eq!(told.application, Some(zone.id_of("anton")));
    assert_eq!(
        call(&test, &zone, &mandate.text, "GET").await,
        Err(RefusalCode::MandateRevoked)
    );
    assert_eq!(
        code(mint_by(&test, &borrower, Some(lent.id), None).await),
        "invalid_grant"
    );
    mint_by(&test, &borrower, None, Some("read")).await.unwrap();
}

#[tokio::test]
async fn what_the_lender_lacks_is_the_counterexample() {
    let (test, zone) = world(LENDING).await;
    let narrow = OpenSession {
        authority: Some(only_read()),
        ..OpenSession::default()
    };
    let lender = open(&test, &zone, "anton", narrow).await.unwrap();
    let borrower = opened(&test, &zone, "anton").await;
    let refused = lend(&test, &lender, lends(&lender, &borrower, both())).await;
    let Err(IssueError::NotNarrower { resource, scope }) = refused else {
        panic!("more was lent than there was");
    };
    assert_eq!(
        (resource.to_string().as_str(), scope.as_str()),
        ("resource://items", "write")
    );
}

#[tokio::test]
async fn across_applications_it_is_offered_and_policy_is_asked_to_lend() {
    let only_read = "permit (principal in Application::\"anton\", action == Action::\"read\", resource);\
                     permit (principal in Application::\"anton\", action == Action::\"caracal:lend\",\
                     resource == Resource::\"resource://items\") when { context.actor.application == Application::\"berta\" };";
    let (test, zone) = world(only_read).await;
    let lender = opened(&test, &zone, "anton").await;
    let borrower = opened(&test, &zone, "berta").await;
    let other = opened(&test, &zone, "berta").await;
    let items = super::sessions::only_read();
    let notes = slice(serde_json::json!([{"resource": "resource://notes", "scopes": ["read"]}]));
    let refused = lend(&test, &lender, lends(&lender, &borrower, notes)).await;
    assert_eq!(code(refused), "access_denied");
    let offer = lend(&test, &lender, lends(&lender, &borrower, items))
        .await
        .unwrap();
    assert_eq!(offer.status, DelegationStatus::Offered);
    assert_eq!(
        code(mint_by(&test, &borrower, Some(offer.id), None).await),
        "invalid_grant"
    );
    assert_eq!(code(accept(&test, &other, offer.id).await), "invalid_grant");
    let accepted = accept(&test, &borrower, offer.id).await.unwrap();
    assert_eq!(accepted.receiver, Some(borrower.session.id));
    // Accepting again changes nothing.
    assert_eq!(accept(&test, &borrower, offer.id).await.unwrap(), accepted);
    assert_eq!(
        code(mint_by(&test, &other, Some(offer.id), None).await),
        "invalid_grant"
    );
    let mandate = mint_by(&test, &borrower, None, None).await.unwrap();
    let opened = test.engine.open_mandate(&mandate.text).await.unwrap();
    let claims = opened.claims();
    let (anton, berta) = (zone.ids["anton"].clone(), zone.ids["berta"].clone());
    assert_eq!(
        (claims.sub.clone(), claims.client_id.to_string()),
        (anton, berta.clone())
    );
    assert_eq!(claims.act.as_ref().unwrap().sub.to_string(), berta);
    call(&test, &zone, &mandate.text, "GET").await.unwrap();
    // What the receiver's application is revoked for, its borrowed authority is too.
    let anchor = Anchor::Application(zone.id_of("berta"));
    test.engine
        .revoke(zone.id, &test.admin(), anchor, None)
        .await
        .unwrap();
    assert_eq!(
        call(&test, &zone, &mandate.text, "GET").await,
        Err(RefusalCode::MandateRevoked)
    );
}

#[tokio::test]
async fn what_is_forbidden_to_the_borrower_no_lender_gives() {
    let cedar = "permit (principal in Application::\"anton\", action, resource);\
                 forbid (principal in Application::\"berta\", action == Action::\"write\", resource);";
    let (test, zone) = world(cedar).await;
    let lender = opened(&test, &zone, "anton").await;
    let borrower = opened(&test, &zone, "berta").await;
    let offer = lend(&test, &lender, lends(&lender, &borrower, both()))
        .await
        .unwrap();
    accept(&test, &borrower, offer.id).await.unwrap();
    assert_eq!(
        code(mint_by(&test, &borrower, None, Some("write")).await),
        "access_denied"
    );
    let mandate = mint_by(&test, &borrower, None, None).await.unwrap();
    assert_eq!(mandate.scope.to_string(), "read");
}

#[tokio::test]
async fn a_forbid_that_comes_later_holds_for_calls_of_the_borrower() {
    let (test, zone) = world(LENDING).await;
    let lender = opened(&test, &zone, "anton").await;
    let borrower = opened(&test, &zone, "berta").await;
    let offer = lend(&test, &lender, lends(&lender, &borrower, both()))
        .await
        .unwrap();
    accept(&test, &borrower, offer.id).await.unwrap();
    let mandate = mint_by(&test, &borrower, None, Some("write"))
        .await
        .unwrap();
    call(&test, &zone, &mandate.text, "POST").await.unwrap();
    let forbids = format!(
        "{LENDING} forbid (principal in Application::\"berta\", action == Action::\"write\", resource);"
    );
    let spec = SeededZone::spec(&forbids);
    test.engine
        .apply(zone.id, &test.admin(), spec)
        .await
        .unwrap();
    assert_eq!(
        call(&test, &zone, &mandate.text, "POST").await,
        Err(RefusalCode::PolicyDenied)
    );
}

#[tokio::test]
async fn what_policy_does_not_lend_any_more_is_not_minted() {
    let (test, zone) = world(LENDING).await;
    let lender = opened(&test, &zone, "anton").await;
    let borrower = opened(&test, &zone, "berta").await;
    let within = opened(&test, &zone, "anton").await;
    let offer = lend(&test, &lender, lends(&lender, &borrower, both()))
        .await
        .unwrap();
    accept(&test, &borrower, offer.id).await.unwrap();
    let own = lend(&test, &lender, lends(&lender, &within, both()))
        .await
        .unwrap();
    let before = mint_by(&test, &borrower, Some(offer.id), None)
        .await
        .unwrap();
    let source = mint_by(&test, &lender, None, None).await.unwrap();
    let exchange = || IssueRequest {
        session_id: Some(borrower.session.id),
        delegation_id: Some(offer.id),
        subject_token: Some(source.text.clone()),
        ..IssueRequest::new(as_session(&borrower), "req_exchange")
    };
    test.engine.issue(exchange()).await.unwrap();
    let forbids = format!(
        "{LENDING} forbid (principal, action == Action::\"caracal:lend\", \
         resource == Resource::\"resource://items\") \
         when {{ context.actor.application == Application::\"berta\" }};"
    );
    let spec = SeededZone::spec(&forbids);
    test.engine
        .apply(zone.id, &test.admin(), spec)
        .await
        .unwrap();
    for named in [Some(offer.id), None] {
        for scope in [Some("read"), None] {
            let refused = mint_by(&test, &borrower, named, scope).await;
            assert_eq!(code(refused), "access_denied", "{named:?} {scope:?}");
        }
    }
    assert_eq!(code(test.engine.issue(exchange()).await), "access_denied");
    // Within an application nothing is lent; what was minted before is not asked again.
    mint_by(&test, &within, Some(own.id), None).await.unwrap();
    call(&test, &zone, &before.text, "GET").await.unwrap();
    let denied = zone.events(&test.engine).await;
    let denied = denied
        .iter()
        .rfind(|event| event.event_type == EventType::MandateDenied)
        .unwrap();
    assert_eq!(denied.reason.as_deref(), Some("access_denied"));
}

#[tokio::test]
async fn an_offer_to_an_application_is_for_the_first_session_that_accepts() {
    let (test, zone) = world(LENDING).await;
    let lender = opened(&test, &zone, "anton").await;
    let offer = CreateDelegation {
        to: Receiver::Application(zone.id_of("berta")),
        ..lends(&lender, &lender, only_read())
    };
    let offer = lend(&test, &lender, offer).await.unwrap();
    let first = opened(&test, &zone, "berta").await;
    let second = opened(&test, &zone, "berta").await;
    let (a, b) = tokio::join!(
        accept(&test, &first, offer.id),
        accept(&test, &second, offer.id)
    );
    let codes = [code(a), code(b)];
    assert!(
        codes.contains(&"ok") && codes.contains(&"invalid_grant"),
        "{codes:?}"
    );
}

#[tokio::test]
async fn cycles_depth_and_self_delegation_are_refused() {
    let (test, zone) = world(LENDING).await;
    let mut sessions = Vec::new();
    for _ in 0..10 {
        sessions.push(opened(&test, &zone, "anton").await);
    }
    let themselves = lend(
        &test,
        &sessions[0],
        lends(&sessions[0], &sessions[0], only_read()),
    )
    .await;
    assert_eq!(code(themselves), "self_delegation");
    let first = CreateDelegation {
        max_depth: Some(7),
        ..lends(&sessions[0], &sessions[1], only_read())
    };
    let mut last = lend(&test, &sessions[0], first).await.unwrap();
    let first = last.id;
    for n in 1..8 {
        let deeper = CreateDelegation {
            via: Some(last.id),
            max_depth: Some(7 - u32::try_from(n).unwrap()),
            ..lends(&sessions[n], &sessions[n + 1], only_read())
        };
        last = lend(&test, &sessions[n], deeper).await.unwrap();
    }
    assert_eq!(last.depth, 8);
    let mandate = mint_by(&test, &sessions[8], Some(last.id), None)
        .await
        .unwrap();
    call(&test, &zone, &mandate.text, "GET").await.unwrap();
    let beyond = CreateDelegation {
        via: Some(last.id),
        ..lends(&sessions[8], &sessions[9], only_read())
    };
    assert_eq!(
        code(lend(&test, &sessions[8], beyond).await),
        "depth_exceeded"
    );
    let no_further = lend(
        &test,
        &sessions[0],
        lends(&sessions[0], &sessions[9], only_read()),
    )
    .await
    .unwrap();
    let further = CreateDelegation {
        via: Some(no_further.id),
        ..lends(&sessions[9], &sessions[8], only_read())
    };
    assert_eq!(
        code(lend(&test, &sessions[9], further).await),
        "depth_exceeded"
    );
    let one = CreateDelegation {
        max_depth: Some(2),
        ..lends(&sessions[2], &sessions[9], only_read())
    };
    let one = lend(&test, &sessions[2], one).await.unwrap();
    let back = CreateDelegation {
        via: Some(one.id),
        ..lends(&sessions[9], &sessions[2], only_read())
    };
    assert_eq!(
        code(lend(&test, &sessions[9], back).await),
        "delegation_cycle"
    );
    // The end of the first ends all of it, and the receipt counts it.
    let anchor = Anchor::Delegation(first);
    let receipt = test
        .engine
        .revoke(zone.id, &test.admin(), anchor, None)
        .await
        .unwrap();
    assert_eq!(receipt.revoked.get("delegation"), Some(&8));
    assert_eq!(
        call(&test, &zone, &mandate.text, "GET").await,
        Err(RefusalCode::MandateRevoked)
    );
}

#[tokio::test]
async fn a_borrowed_delegation_ends_with_its_lender() {
    let (test, zone) = world(LENDING).await;
    let lender = opened(&test, &zone, "anton").await;
    let borrower = opened(&test, &zone, "anton").await;
    let lent = lend(&test, &lender, lends(&lender, &borrower, only_read()))
        .await
        .unwrap();
    let mandate = mint_by(&test, &borrower, Some(lent.id), None)
        .await
        .unwrap();
    let permit = zone
        .call(&test.engine, &mandate.text, "items", "GET", "/v1/x")
        .await
        .unwrap();
    let own = as_session(&lender);
    test.engine
        .close_session(&own, None, lender.session.id, "r")
        .await
        .unwrap();
    assert!(permit.cut().is_cancelled());
    assert_eq!(
        code(mint_by(&test, &borrower, Some(lent.id), None).await),
        "invalid_grant"
    );
    mint_by(&test, &borrower, None, None).await.unwrap();
    test.engine.sweep_sessions(zone.id, true).await;
    let left = test
        .engine
        .list_delegations(zone.id, &test.admin(), None, 10)
        .unwrap();
    assert!(left.items.is_empty());
}

#[tokio::test]
async fn a_receiver_exchanges_the_lenders_mandate_only_with_its_delegation() {
    let (test, zone) = world(LENDING).await;
    let lender = opened(&test, &zone, "anton").await;
    let borrower = opened(&test, &zone, "berta").await;
    let offer = lend(&test, &lender, lends(&lender, &borrower, both()))
        .await
        .unwrap();
    accept(&test, &borrower, offer.id).await.unwrap();
    let source = mint_by(&test, &lender, None, Some("read")).await.unwrap();
    let exchange = |by| IssueRequest {
        session_id: Some(borrower.session.id),
        delegation_id: by,
        subject_token: Some(source.text.clone()),
        ..IssueRequest::new(as_session(&borrower), "req_exchange")
    };
    assert_eq!(
        code(test.engine.issue(exchange(None)).await),
        "invalid_grant"
    );
    // Nor by its name alone: not without the session that may use it, nor from another.
    let other = opened(&test, &zone, "berta").await;
    for session in [None, Some(other.session.id)] {
        let stolen = IssueRequest {
            session_id: session,
            delegation_id: Some(offer.id),
            subject_token: Some(source.text.clone()),
            ..IssueRequest::new(zone.credentials("berta"), "req_exchange")
        };
        assert_eq!(code(test.engine.issue(stolen).await), "invalid_grant");
    }
    let narrow = test.engine.issue(exchange(Some(offer.id))).await.unwrap();
    let opened = test.engine.open_mandate(&narrow.text).await.unwrap();
    let claims = opened.claims();
    assert_eq!(claims.scope.to_string(), "read");
    assert!(claims.anc.contains(&Anchor::Mandate(source.id)));
    assert!(claims.anc.contains(&Anchor::Session(lender.session.id)));
    assert_eq!(claims.sid, borrower.session.id);
    call(&test, &zone, &narrow.text, "GET").await.unwrap();
    let anchor = Anchor::Mandate(source.id);
    test.engine
        .revoke(zone.id, &test.admin(), anchor, None)
        .await
        .unwrap();
    assert_eq!(
        call(&test, &zone, &narrow.text, "GET").await,
        Err(RefusalCode::MandateRevoked)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_budget_shared_by_fifty_sessions_admits_exactly_its_calls() {
    let (test, zone) = world(LENDING).await;
    let root = open(
        &test,
        &zone,
        "anton",
        OpenSession {
            calls: Some(1000),
            ..OpenSession::default()
        },
    )
    .await
    .unwrap();
    let (test, zone) = (Arc::new(test), Arc::new(zone));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let child = OpenSession {
            parent_id: Some(root.session.id),
            ..OpenSession::default()
        };
        let child = open(&test, &zone, "anton", child).await.unwrap();
        let mandate = mint_by(&test, &child, None, None).await.unwrap();
        let (test, zone) = (Arc::clone(&test), Arc::clone(&zone));
        tasks.spawn(async move {
            let mut admitted = 0;
            for _ in 0..30 {
                match call(&test, &zone, &mandate.text, "GET").await {
                    Ok(()) => admitted += 1,
                    Err(code) => assert_eq!(code, RefusalCode::BudgetExhausted),
                }
            }
            admitted
        });
    }
    assert_eq!(tasks.join_all().await.into_iter().sum::<u32>(), 1000);
    let events = zone.events(&test.engine).await;
    let count = |kind| events.iter().filter(|e| e.event_type == kind).count();
    assert_eq!(count(EventType::CallStarted), 1000);
    assert_eq!(count(EventType::CallDenied), 500);
}

/// Calls until nothing is admitted any more, and at most so many times.
async fn drain(test: &TestEngine, zone: &SeededZone, mandate: &str, most: u32) -> u32 {
    let mut admitted = 0;
    for _ in 0..most {
        match call(test, zone, mandate, "GET").await {
            Ok(()) => admitted += 1,
            Err(code) => {
                assert_eq!(code, RefusalCode::BudgetExhausted);
                break;
            }
        }
    }
    admitted
}

#[tokio::test]
async fn a_budget_is_exact_over_stops_and_never_exceeded_over_crashes() {
    for crashes in [false, true] {
        let (mut test, zone) = world(LENDING).await;
        let lender = opened(&test, &zone, "anton").await;
        let borrower = opened(&test, &zone, "anton").await;
        let limited = CreateDelegation {
            calls: Some(200),
            ..lends(&lender, &borrower, only_read())
        };
        let lent = lend(&test, &lender, limited).await.unwrap();
        let mandate = mint_by(&test, &borrower, Some(lent.id), None)
            .await
            .unwrap();
        let mut admitted = 0;
        for _ in 0..10 {
            admitted += drain(&test, &zone, &mandate.text, 17).await;
            test = if crashes {
                test.crash().await
            } else {
                test.restart().await
            };
        }
        admitted += drain(&test, &zone, &mandate.text, 1000).await;
        if crashes {
            assert!((1..200).contains(&admitted), "{admitted}");
        } else {
            assert_eq!(admitted, 200);
        }
    }
}

#[tokio::test]
async fn a_session_that_lends_to_its_own_child_pays_once_a_call() {
    let (test, zone) = world(LENDING).await;
    let limited = OpenSession {
        calls: Some(3),
        ..OpenSession::default()
    };
    let root = open(&test, &zone, "anton", limited).await.unwrap();
    let child = OpenSession {
        parent_id: Some(root.session.id),
        ..OpenSession::default()
    };
    let child = open(&test, &zone, "anton", child).await.unwrap();
    let lent = lend(&test, &root, lends(&root, &child, only_read()))
        .await
        .unwrap();
    let mandate = mint_by(&test, &child, Some(lent.id), None).await.unwrap();
    assert_eq!(drain(&test, &zone, &mandate.text, 10).await, 3);
    // An exchange stays on the path of its source, and ends with its delegation.
    let exchange = IssueRequest {
        subject_token: Some(mandate.text.clone()),
        ..IssueRequest::new(as_session(&child), "req_exchange")
    };
    let exchanged = test.engine.issue(exchange).await.unwrap();
    let opened = test.engine.open_mandate(&exchanged.text).await.unwrap();
    assert_eq!(opened.claims().dlg, [lent.id]);
}
