//! Approvals: one person, one request, once.

use std::time::{Duration, Instant};

use caracal_core::{ApprovalId, ApprovalStatus, RequestPath, Role};
use caracal_engine::{
    Admin, AdminError, Authorized, CallRequest, IssueError, IssueRequest, IssuedMandate,
    MAX_PENDING_OF_APPLICATION, OpenSession, Permit, Refusal, Selector, Verdict, ZoneSpec,
};
use caracal_testkit::{AppendFault, CommitFault, SeededZone, Stalled, TestEngine};
use futures_util::future::join_all;

use super::sessions::{as_session, open};

const HELD_MINT: &str = "permit (principal, action == Action::\"read\", resource);
    @approval(\"operator\") permit (principal in Application::\"anton\", action == Action::\"write\", resource);";
const HELD_CALL: &str = "permit (principal, action, resource) when { context.request.method == \"GET\" };
    @approval(\"operator\") permit (principal, action, resource) when { context.request.method == \"POST\" };";

async fn person(test: &TestEngine, zone: &SeededZone, name: &str, role: Role) -> Admin {
    let made = test
        .engine
        .create_token(
            &test.admin(),
            Some(zone.id),
            name.parse().unwrap(),
            role,
            86_400,
        )
        .await;
    let text = made.unwrap().text.unwrap();
    let operator = test.engine.authenticate_operator(&text).unwrap();
    Admin::new(operator, "req_decide")
}

fn asks(zone: &SeededZone, resource: &str, scope: &str) -> IssueRequest {
    zone.asks("anton", &[resource], Some(scope))
}

fn held<T>(result: Result<T, IssueError>) -> ApprovalId {
    match result.err().unwrap() {
        IssueError::InteractionRequired { approval, .. } => approval,
        other => panic!("{other:?}"),
    }
}

fn code<T>(result: Result<T, IssueError>) -> &'static str {
    result.map_or_else(|error| error.code(), |_| "ok")
}

async fn issue(test: &TestEngine, request: IssueRequest) -> Result<IssuedMandate, IssueError> {
    test.engine.issue(request).await
}

async fn decide(
    test: &TestEngine,
    zone: &SeededZone,
    admin: &Admin,
    id: ApprovalId,
    verdict: Verdict,
) -> Result<ApprovalStatus, AdminError> {
    let reason = Some("looked at it".to_owned());
    let decided = test
        .engine
        .decide_approval(zone.id, admin, id, verdict, reason)
        .await;
    decided.map(|held| held.value.status)
}

fn using(request: IssueRequest, id: ApprovalId) -> IssueRequest {
    IssueRequest {
        approval_id: Some(id),
        ..request
    }
}

/// A call with a body, as the Gateway makes it.
async fn call(
    test: &TestEngine,
    mandate: &str,
    (method, query, header, body): (&str, &str, &str, &[u8]),
) -> Result<Permit, Refusal> {
    let engine = &test.engine;
    let opened = engine.open_mandate(mandate).await.unwrap();
    let selector = Selector {
        name: Some("items".to_owned()),
        ..Selector::default()
    };
    let target = engine
        .select_resource(opened, &selector, "req_call")
        .await?;
    let mut request = CallRequest {
        query: vec![query.to_owned()],
        sent_query: query,
        headers: vec![("content-type".to_owned(), header.to_owned())],
        ..CallRequest::new("req_call", method, RequestPath::parse("/v1/x").unwrap())
    };
    let target = match engine.authorize_call(target, &request).await? {
        Authorized::Permit(permit) => return Ok(permit),
        Authorized::Held(target) => target,
    };
    request.body = Some(body);
    match engine.authorize_call(target, &request).await? {
        Authorized::Permit(permit) => Ok(permit),
        Authorized::Held(_) => panic!("held although the body is known"),
    }
}

fn approval_of(result: Result<Permit, Refusal>) -> ApprovalId {
    let refusal = result.err().unwrap();
    assert_eq!(refusal.code.as_str(), "approval_required", "{refusal:?}");
    refusal.approval.unwrap()
}

#[tokio::test]
async fn a_mandate_is_held_then_issued_once() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(HELD_MINT).await;
    let eve = person(&test, &zone, "eve", Role::Approver).await;
    assert_eq!(
        code(issue(&test, asks(&zone, "resource://items", "read")).await),
        "ok"
    );
    let wanted = || asks(&zone, "resource://items", "read write");
    let id = held(issue(&test, wanted()).await);
    assert_eq!(
        held(issue(&test, wanted()).await),
        id,
        "identical requests ask once"
    );
    assert_eq!(
        held(issue(&test, using(wanted(), id)).await),
        id,
        "nobody decided yet"
    );
    let shown = test.engine.get_approval(zone.id, &eve, id).unwrap();
    let text = test
        .engine
        .show_approval(zone.id, &eve, &shown.value)
        .unwrap();
    assert!(
        text.contains("every call under these scopes") && text.contains("read write"),
        "{text}"
    );

    let status = decide(&test, &zone, &eve, id, Verdict::Approve)
        .await
        .unwrap();
    assert_eq!(status, ApprovalStatus::Approved);
    let issued = issue(&test, using(wanted(), id)).await.unwrap();
    let opened = test.engine.open_mandate(&issued.text).await.unwrap();
    assert_eq!(opened.claims().apr, Some(id));
    assert!(
        call(&test, &issued.text, ("POST", "", "", b""))
            .await
            .is_ok(),
        "it covers every call"
    );
    assert_eq!(
        code(issue(&test, using(wanted(), id)).await),
        "invalid_grant",
        "it was used"
    );
    let types = zone.event_types(&test.engine).await;
    let position = |name: &str| types.iter().position(|t| *t == name).unwrap();
    assert!(position("approval.requested") < position("approval.approved"));
    assert!(position("approval.approved") < position("approval.consumed"));
    let issued = types.iter().rposition(|t| *t == "mandate.issued").unwrap();
    assert!(position("approval.consumed") < issued);
}

#[tokio::test]
async fn an_approval_is_for_its_request_and_its_asker_only() {
    let test = TestEngine::in_memory().await;
    let cedar = HELD_MINT.replace("principal in Application::\"anton\"", "principal");
    let zone = test.seed_policy(&cedar).await;
    let eve = person(&test, &zone, "eve", Role::Approver).await;
    let id = held(issue(&test, asks(&zone, "resource://items", "write")).await);
    decide(&test, &zone, &eve, id, Verdict::Approve)
        .await
        .unwrap();
    for other in [
        asks(&zone, "resource://notes", "write"),
        asks(&zone, "resource://items", "read write"),
        zone.asks("berta", &["resource://items"], Some("write")),
    ] {
        assert_eq!(code(issue(&test, using(other, id)).await), "invalid_grant");
    }
    let opened = open(&test, &zone, "anton", OpenSession::default())
        .await
        .unwrap();
    let in_session = IssueRequest {
        session_id: Some(opened.session.id),
        ..asks(&zone, "resource://items", "write")
    };
    assert_eq!(
        code(issue(&test, using(in_session, id)).await),
        "invalid_grant"
    );
    let wanted = asks(&zone, "resource://items", "write");
    assert_eq!(
        code(issue(&test, using(wanted, id)).await),
        "ok",
        "it was not used up"
    );
}

#[tokio::test]
async fn of_many_that_use_an_approval_at_once_one_does() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(HELD_MINT).await;
    let eve = person(&test, &zone, "eve", Role::Approver).await;
    let wanted = || asks(&zone, "resource://items", "write");
    let id = held(issue(&test, wanted()).await);
    decide(&test, &zone, &eve, id, Verdict::Approve)
        .await
        .unwrap();
    let tries = (0..8).map(|_| issue(&test, using(wanted(), id)));
    let results = join_all(tries).await;
    assert_eq!(results.iter().filter(|r| r.is_ok()).count(), 1);
    assert!(
        results
            .into_iter()
            .filter_map(Result::err)
            .all(|e| e.code() == "invalid_grant")
    );
}

#[tokio::test]
async fn of_many_identical_requests_at_once_one_asks() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(HELD_MINT).await;
    let tries = (0..8).map(|_| issue(&test, asks(&zone, "resource://items", "write")));
    let ids: Vec<_> = join_all(tries).await.into_iter().map(held).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
}

#[tokio::test]
async fn of_two_deciders_one_decides() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(HELD_MINT).await;
    let eve = person(&test, &zone, "eve", Role::Approver).await;
    let max = person(&test, &zone, "max", Role::Admin).await;
    let id = held(issue(&test, asks(&zone, "resource://items", "write")).await);
    let (yes, no) = tokio::join!(
        decide(&test, &zone, &eve, id, Verdict::Approve),
        decide(&test, &zone, &max, id, Verdict::Reject),
    );
    assert_eq!([&yes, &no].iter().filter(|r| r.is_ok()).count(), 1);
    let lost = yes.err().or(no.err()).unwrap();
    assert!(matches!(lost, AdminError::AlreadyDecided(_)), "{lost}");
}

#[tokio::test]
async fn who_may_not_decide_does_not() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(HELD_MINT).await;
    let id = held(issue(&test, asks(&zone, "resource://items", "write")).await);
    let auditor = person(&test, &zone, "auditor", Role::Auditor).await;
    let refused = decide(&test, &zone, &auditor, id, Verdict::Approve).await;
    assert!(matches!(
        refused,
        Err(AdminError::Forbidden { needed: "approver" })
    ));
    let held = test.engine.get_approval(zone.id, &auditor, id).unwrap();
    assert!(
        test.engine
            .show_approval(zone.id, &auditor, &held.value)
            .is_err()
    );
    let local = decide(&test, &zone, &test.admin(), id, Verdict::Approve).await;
    assert!(matches!(local, Err(AdminError::NotApprover(_))));

    let allowed = ZoneSpec {
        self_approval: Some(true),
        ..ZoneSpec::default()
    };
    test.engine
        .apply(zone.id, &test.admin(), allowed)
        .await
        .unwrap();
    let local = decide(&test, &zone, &test.admin(), id, Verdict::Approve).await;
    assert_eq!(
        local.unwrap(),
        ApprovalStatus::Approved,
        "the activation voided nothing"
    );
}

#[tokio::test]
async fn only_an_owner_lets_people_approve_for_themselves() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(HELD_MINT).await;
    let admin = person(&test, &zone, "max", Role::Admin).await;
    let allowed = ZoneSpec {
        self_approval: Some(true),
        ..ZoneSpec::default()
    };
    let refused = test.engine.apply(zone.id, &admin, allowed).await;
    assert!(matches!(
        refused,
        Err(AdminError::Forbidden { needed: "owner" })
    ));
}

#[tokio::test]
async fn what_a_person_rejects_stays_rejected_for_a_while() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(HELD_MINT).await;
    let eve = person(&test, &zone, "eve", Role::Approver).await;
    let wanted = || asks(&zone, "resource://items", "write");
    let id = held(issue(&test, wanted()).await);
    decide(&test, &zone, &eve, id, Verdict::Reject)
        .await
        .unwrap();
    for request in [wanted(), using(wanted(), id)] {
        match issue(&test, request).await.err().unwrap() {
            IssueError::AccessDenied { gate, why } => {
                assert_eq!(gate, "approval");
                assert!(why.contains("looked at it"), "{why}");
            }
            other => panic!("{other:?}"),
        }
    }
    test.clock.advance_seconds(601);
    assert_ne!(
        held(issue(&test, wanted()).await),
        id,
        "one may ask again later"
    );
}

#[tokio::test]
async fn an_approval_ends_in_time_and_is_forgotten() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(HELD_MINT).await;
    let eve = person(&test, &zone, "eve", Role::Approver).await;
    let wanted = |resource| asks(&zone, resource, "write");
    let late = held(issue(&test, wanted("resource://items")).await);
    let unused = held(issue(&test, wanted("resource://notes")).await);
    test.clock.advance_seconds(599);
    decide(&test, &zone, &eve, unused, Verdict::Approve)
        .await
        .unwrap();
    test.clock.advance_seconds(1);
    let decided = decide(&test, &zone, &eve, late, Verdict::Approve).await;
    assert!(matches!(decided, Err(AdminError::AlreadyDecided(_))));
    let issued = issue(&test, using(wanted("resource://notes"), unused)).await;
    assert!(issued.unwrap().expires_in <= 300);
    let consumed = test.engine.get_approval(zone.id, &eve, unused).unwrap();
    assert_eq!(consumed.value.status, ApprovalStatus::Consumed);
    test.engine.sweep_sessions(zone.id, false).await;
    let held = test.engine.get_approval(zone.id, &eve, late).unwrap();
    assert_eq!(held.value.status, ApprovalStatus::Expired);
    test.clock.advance_seconds(3601 + 600);
    test.engine.sweep_sessions(zone.id, false).await;
    assert!(test.engine.get_approval(zone.id, &eve, late).is_err());
    let types = zone.event_types(&test.engine).await;
    for expected in ["approval.expired", "approval.forgotten"] {
        assert!(types.contains(&expected), "{expected}");
    }
}

#[tokio::test]
async fn a_mandate_never_outlives_its_approval() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(HELD_MINT).await;
    let eve = person(&test, &zone, "eve", Role::Approver).await;
    let wanted = || IssueRequest {
        ttl_seconds: Some(900),
        ..asks(&zone, "resource://items", "write")
    };
    let id = held(issue(&test, wanted()).await);
    decide(&test, &zone, &eve, id, Verdict::Approve)
        .await
        .unwrap();
    test.clock.advance_seconds(500);
    let issued = issue(&test, using(wanted(), id)).await.unwrap();
    assert!(issued.expires_in <= 100, "{}", issued.expires_in);
}

#[tokio::test]
async fn what_ends_the_asker_ends_the_approval() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(HELD_MINT).await;
    let eve = person(&test, &zone, "eve", Role::Approver).await;
    let opened = open(&test, &zone, "anton", OpenSession::default())
        .await
        .unwrap();
    let request = |resource: &str| IssueRequest {
        resources: vec![resource.to_owned()],
        scope: Some("write".to_owned()),
        ..IssueRequest::new(as_session(&opened), "req_mint")
    };
    let pending = held(issue(&test, request("resource://items")).await);
    let approved = held(issue(&test, request("resource://notes")).await);
    decide(&test, &zone, &eve, approved, Verdict::Approve)
        .await
        .unwrap();
    test.engine
        .revoke(
            zone.id,
            &test.admin(),
            caracal_core::Anchor::Session(opened.session.id),
            None,
        )
        .await
        .unwrap();
    let decided = decide(&test, &zone, &eve, pending, Verdict::Approve).await;
    assert!(matches!(decided, Err(AdminError::AlreadyDecided(_))));
    assert_ne!(
        code(issue(&test, using(request("resource://notes"), approved)).await),
        "ok"
    );
    test.engine.sweep_sessions(zone.id, true).await;
    test.engine.sweep_sessions(zone.id, true).await;
    for id in [pending, approved] {
        let held = test.engine.get_approval(zone.id, &eve, id).unwrap();
        assert_eq!(held.value.status, ApprovalStatus::Expired);
    }
}

#[tokio::test]
async fn a_lifted_revocation_brings_no_approval_back() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(HELD_MINT).await;
    let eve = person(&test, &zone, "eve", Role::Approver).await;
    let wanted = || asks(&zone, "resource://items", "write");
    let id = held(issue(&test, wanted()).await);
    decide(&test, &zone, &eve, id, Verdict::Approve)
        .await
        .unwrap();
    let anchor = caracal_core::Anchor::Application(zone.id_of("anton"));
    let receipt = test
        .engine
        .revoke(zone.id, &test.admin(), anchor, None)
        .await
        .unwrap();
    test.engine
        .lift(zone.id, &test.admin(), receipt.id)
        .await
        .unwrap();
    assert_eq!(
        code(issue(&test, using(wanted(), id)).await),
        "invalid_grant"
    );
    assert_ne!(held(issue(&test, wanted()).await), id);
}

#[tokio::test]
async fn a_subject_that_is_not_there_is_not_asked() {
    let test = TestEngine::in_memory().await;
    let zone = test
        .seed_policy(&HELD_MINT.replace("\"operator\"", "\"subject\""))
        .await;
    let denied = issue(&test, asks(&zone, "resource://items", "write")).await;
    assert_eq!(code(denied), "access_denied");
}

#[tokio::test]
async fn an_application_asks_only_so_often_at_a_time() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(HELD_CALL).await;
    let mandate = zone
        .mint(&test.engine, &["resource://items"], None)
        .await
        .unwrap()
        .text;
    for i in 0..MAX_PENDING_OF_APPLICATION {
        let body = i.to_string();
        approval_of(call(&test, &mandate, ("POST", "", "", body.as_bytes())).await);
    }
    let over = call(&test, &mandate, ("POST", "", "", b"one more")).await;
    assert_eq!(over.err().unwrap().code.as_str(), "rate_limited");
    let same = call(&test, &mandate, ("POST", "", "", b"0")).await;
    approval_of(same);
}

#[tokio::test]
async fn a_call_is_approved_to_the_byte_and_passes_once() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(HELD_CALL).await;
    let eve = person(&test, &zone, "eve", Role::Approver).await;
    let mandate = zone
        .mint(&test.engine, &["resource://items"], None)
        .await
        .unwrap()
        .text;
    assert!(call(&test, &mandate, ("GET", "", "", b"")).await.is_ok());
    let exact: (&str, &str, &str, &[u8]) = ("POST", "a=1", "text/plain", b"pay 10");
    let id = approval_of(call(&test, &mandate, exact).await);
    assert_eq!(approval_of(call(&test, &mandate, exact).await), id);
    let shown = test.engine.get_approval(zone.id, &eve, id).unwrap();
    let text = test
        .engine
        .show_approval(zone.id, &eve, &shown.value)
        .unwrap();
    for part in [
        "POST https://items.example.com/v1/x",
        "a=1",
        "content-type: text/plain",
        "pay 10",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    decide(&test, &zone, &eve, id, Verdict::Approve)
        .await
        .unwrap();
    let others: [(&str, &str, &str, &[u8]); 4] = [
        ("POST", "a=1", "text/plain", b"pay 11"),
        ("POST", "a=2", "text/plain", b"pay 10"),
        ("POST", "a=1", "text/html", b"pay 10"),
        ("POST", "a=1", "text/plain", b"pay 10 "),
    ];
    for other in others {
        assert_ne!(
            approval_of(call(&test, &mandate, other).await),
            id,
            "{other:?}"
        );
    }
    let permit = call(&test, &mandate, exact).await.unwrap();
    assert_ne!(
        approval_of(call(&test, &mandate, exact).await),
        id,
        "it was used"
    );
    drop(permit);
    let events = zone.events(&test.engine).await;
    let of_type = |name: &str| {
        events
            .iter()
            .filter(|e| e.event_type.as_str() == name && e.approval == Some(id))
            .count()
    };
    assert_eq!(
        (of_type("approval.consumed"), of_type("call.started")),
        (1, 1)
    );
    let holds = events
        .iter()
        .filter(|e| e.decision == Some(caracal_core::Decision::Hold));
    assert!(holds.count() >= 3);
    let log = serde_json::to_string(&events).unwrap();
    assert!(!log.contains("pay 1"), "no body in the log");
}

#[tokio::test]
async fn of_many_identical_calls_at_once_one_passes() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(HELD_CALL).await;
    let eve = person(&test, &zone, "eve", Role::Approver).await;
    let mandate = zone
        .mint(&test.engine, &["resource://items"], None)
        .await
        .unwrap()
        .text;
    let exact: (&str, &str, &str, &[u8]) = ("POST", "", "", b"x");
    let id = approval_of(call(&test, &mandate, exact).await);
    decide(&test, &zone, &eve, id, Verdict::Approve)
        .await
        .unwrap();
    let results = join_all((0..8).map(|_| call(&test, &mandate, exact))).await;
    assert_eq!(results.iter().filter(|r| r.is_ok()).count(), 1);
}

#[tokio::test]
async fn an_approval_of_which_nothing_was_sent_can_be_used_again() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(HELD_CALL).await;
    let eve = person(&test, &zone, "eve", Role::Approver).await;
    let mandate = zone
        .mint(&test.engine, &["resource://items"], None)
        .await
        .unwrap()
        .text;
    let exact: (&str, &str, &str, &[u8]) = ("POST", "", "", b"x");
    let id = approval_of(call(&test, &mandate, exact).await);
    decide(&test, &zone, &eve, id, Verdict::Approve)
        .await
        .unwrap();
    let permit = call(&test, &mandate, exact).await.unwrap();
    permit.release_approval().await;
    assert!(call(&test, &mandate, exact).await.is_ok());
    assert_ne!(approval_of(call(&test, &mandate, exact).await), id);
}

#[tokio::test]
async fn whoever_waits_is_woken_at_once() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(HELD_MINT).await;
    let eve = person(&test, &zone, "eve", Role::Approver).await;
    let id = held(issue(&test, asks(&zone, "resource://items", "write")).await);
    let caller = zone.credentials("anton");
    let limit = Duration::from_secs(25);
    let waiting = test.engine.wait_for_approval(&caller, None, id, limit);
    let began = Instant::now();
    let (found, decided) = tokio::join!(waiting, decide(&test, &zone, &eve, id, Verdict::Approve));
    decided.unwrap();
    assert_eq!(found.unwrap().status, ApprovalStatus::Approved);
    assert!(
        began.elapsed() < Duration::from_secs(1),
        "{:?}",
        began.elapsed()
    );
    let stranger = zone.credentials("berta");
    let other = test
        .engine
        .wait_for_approval(&stranger, None, id, limit)
        .await;
    assert_eq!(code(other), "invalid_grant");
}

#[tokio::test]
async fn whoever_opened_a_session_does_not_approve_for_it() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(HELD_MINT).await;
    let max = person(&test, &zone, "max", Role::Admin).await;
    let eve = person(&test, &zone, "eve", Role::Approver).await;
    let application = zone.id_of("anton");
    let opened = test
        .engine
        .open_session_for(zone.id, &max, application, OpenSession::default())
        .await
        .unwrap();
    let child = OpenSession {
        request_id: "req_child".to_owned(),
        parent_id: Some(opened.session.id),
        ..OpenSession::default()
    };
    let child = test
        .engine
        .open_session(&as_session(&opened), None, child)
        .await
        .unwrap();
    for session in [&opened, &child] {
        let request = IssueRequest {
            resources: vec!["resource://items".to_owned()],
            scope: Some("write".to_owned()),
            ..IssueRequest::new(as_session(session), "req_mint")
        };
        let id = held(issue(&test, request).await);
        let own = decide(&test, &zone, &max, id, Verdict::Approve).await;
        assert!(matches!(own, Err(AdminError::NotApprover(_))));
        let other = decide(&test, &zone, &eve, id, Verdict::Approve).await;
        assert_eq!(other.unwrap(), ApprovalStatus::Approved);
    }
}

/// Waits until an approval was used and can be used again, since it had this version.
async fn approved_again(
    test: &TestEngine,
    zone: &SeededZone,
    eve: &Admin,
    id: ApprovalId,
    before: u64,
) {
    let held = || test.engine.get_approval(zone.id, eve, id).unwrap();
    let waiting = async {
        while held().version.0 < before + 2 || held().value.status != ApprovalStatus::Approved {
            tokio::task::yield_now().await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(10), waiting).await;
    assert!(waited.is_ok(), "it stays {:?}", held().value.status);
}

#[tokio::test]
async fn an_approval_whose_asker_goes_away_before_anything_left_can_be_used_again() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(HELD_CALL).await;
    let eve = person(&test, &zone, "eve", Role::Approver).await;
    let mandate = zone.mint(&test.engine, &["resource://items"], None).await;
    let mandate = mandate.unwrap().text;
    let post = || call(&test, &mandate, ("POST", "a=1", "", b"pay"));
    let id = approval_of(post().await);
    decide(&test, &zone, &eve, id, Verdict::Approve)
        .await
        .unwrap();
    // While it is being used, and while the start of the call is being written.
    let version = || {
        let held = test.engine.get_approval(zone.id, &eve, id).unwrap();
        held.version.0
    };
    for at_use in [true, false] {
        let before = version();
        let stalled = Stalled::new();
        if at_use {
            let fault = CommitFault::Stall(stalled.clone());
            test.store().fail_commit(fault);
        } else {
            // The first append is of the use.
            let through = Stalled::new();
            through.release();
            test.store().fail_append(AppendFault::Stall(through));
            let fault = AppendFault::Stall(stalled.clone());
            test.store().fail_append(fault);
        }
        tokio::select! {
            _ = post() => panic!("it was to wait"),
            () = stalled.reached() => {}
        }
        // The client is gone; what was on its way comes to its end.
        stalled.release();
        approved_again(&test, &zone, &eve, id, before).await;
    }
    assert!(post().await.is_ok());
    assert_eq!(
        test.engine
            .get_approval(zone.id, &eve, id)
            .unwrap()
            .value
            .status,
        ApprovalStatus::Consumed
    );
    let events = zone.events(&test.engine).await;
    let of = |kind: &str| {
        events
            .iter()
            .filter(|e| e.event_type.as_str() == kind)
            .count()
    };
    assert_eq!((of("approval.consumed"), of("approval.released")), (3, 2));
}

#[tokio::test]
async fn an_approval_of_a_mandate_that_nobody_got_can_be_used_again() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(HELD_MINT).await;
    let eve = person(&test, &zone, "eve", Role::Approver).await;
    let wanted = || asks(&zone, "resource://items", "write");
    let id = held(issue(&test, wanted()).await);
    decide(&test, &zone, &eve, id, Verdict::Approve)
        .await
        .unwrap();
    let before = test.engine.get_approval(zone.id, &eve, id).unwrap();
    let before = before.version.0;
    let stalled = Stalled::new();
    let through = Stalled::new();
    through.release();
    test.store().fail_append(AppendFault::Stall(through));
    test.store()
        .fail_append(AppendFault::Stall(stalled.clone()));
    tokio::select! {
        _ = issue(&test, using(wanted(), id)) => panic!("it was to wait"),
        () = stalled.reached() => {}
    }
    stalled.release();
    approved_again(&test, &zone, &eve, id, before).await;
    assert!(issue(&test, using(wanted(), id)).await.is_ok());
}
