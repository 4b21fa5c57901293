//! Subjects: who the work is done for, proved, never said.

use caracal_core::{Anchor, ApprovalId, ApprovalStatus, Event, EventType, RefusalCode, SubjectId};
use caracal_engine::{IssueError, IssueRequest, IssuerSpec, OpenSession, OpenedSession, Verdict};
use caracal_testkit::{OutsideIssuer, SeededZone, TestEngine};
use serde_json::{Value, json};

use super::sessions::{as_session, call, child_of, code, mint, open};

const ALL: &str = "permit (principal, action, resource);";
const HELD: &str = "permit (principal, action == Action::\"read\", resource);
    @approval(\"subject\") permit (principal, action == Action::\"write\", resource);";

struct World {
    test: TestEngine,
    zone: SeededZone,
    issuer: OutsideIssuer,
}

impl World {
    async fn start(cedar: &str) -> Self {
        Self::with(cedar, |spec| spec).await
    }

    async fn with(cedar: &str, change: impl FnOnce(IssuerSpec) -> IssuerSpec) -> Self {
        let test = TestEngine::in_memory().await;
        let issuer = OutsideIssuer::new("https://people.example");
        let mut spec = SeededZone::spec(cedar);
        spec.issuers.push(change(issuer.people("people")));
        let zone = test.seed("acme", spec).await;
        Self { test, zone, issuer }
    }

    fn person(&self, sub: &str) -> Value {
        self.issuer.person(sub, self.test.engine.now())
    }

    fn token(&self, sub: &str) -> String {
        self.issuer.sign(&self.person(sub))
    }

    fn subject(&self, sub: &str) -> SubjectId {
        let engine = &self.test.engine;
        let found = engine.find_subject(self.zone.id, &self.test.admin(), "people", sub);
        found.unwrap()
    }

    async fn open(&self, token: String) -> Result<OpenedSession, IssueError> {
        let wanted = OpenSession {
            subject_token: Some(token),
            ..OpenSession::default()
        };
        open(&self.test, &self.zone, "anton", wanted).await
    }

    /// What an ID token comes to.
    async fn outcome(&self, claims: &Value) -> &'static str {
        let opened = self.open(self.issuer.sign(claims)).await;
        opened.map_or_else(|error| error.reason(), |_| "accepted")
    }

    fn asks(&self, token: String) -> IssueRequest {
        IssueRequest {
            id_token: Some(token),
            ..self.zone.asks("anton", &["resource://items"], None)
        }
    }

    async fn last(&self, event_type: EventType) -> Event {
        let events = self.zone.events(&self.test.engine).await;
        let mut events = events.into_iter().filter(|e| e.event_type == event_type);
        events.next_back().unwrap()
    }

    /// A person's ID token that was made to decide about an approval.
    fn deciding(&self, sub: &str, approval: ApprovalId) -> String {
        let mut claims = self.person(sub);
        claims["nonce"] = approval.to_string().into();
        self.issuer.sign(&claims)
    }

    async fn decide(&self, token: &str, id: ApprovalId, verdict: Verdict) -> &'static str {
        let reason = Some("it is mine".to_owned());
        let engine = &self.test.engine;
        let decided = engine
            .decide_as_subject(token, id, verdict, reason, "req_decide")
            .await;
        decided.map_or_else(|error| error.reason(), |held| held.value.status.as_str())
    }
}

fn with(mut claims: Value, member: &str, value: impl Into<Value>) -> Value {
    claims[member] = value.into();
    claims
}

fn held<T>(result: Result<T, IssueError>) -> ApprovalId {
    match result.err().unwrap() {
        IssueError::InteractionRequired { approval, .. } => approval,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_session_works_for_whom_its_id_token_proves() {
    let world = World::start(ALL).await;
    let opened = world.open(world.token("alice")).await.unwrap();
    let alice = world.subject("alice");
    assert_eq!(opened.session.subject, Some(alice));
    assert_ne!(world.subject("bob"), alice);
    let event = world.last(EventType::SessionOpened).await;
    assert_eq!(event.subject, Some(alice));

    let mandate = mint(&world.test, &opened, None).await.unwrap();
    let claims = world.test.engine.open_mandate(&mandate.text).await.unwrap();
    assert_eq!(claims.claims().sub, alice.to_string());
    assert_eq!(claims.claims().client_id, opened.session.application);
    call(&world.test, &world.zone, &mandate.text, "GET")
        .await
        .unwrap();
    let event = world.last(EventType::CallStarted).await;
    assert_eq!(event.subject, Some(alice));

    // Nothing of the person is in any event.
    let events = world.zone.events(&world.test.engine).await;
    let text = serde_json::to_string(&events).unwrap();
    assert!(!text.contains("alice"), "{text}");

    // A child works for the same person, and says nothing else.
    let caller = as_session(&opened);
    let child = |token: Option<String>| {
        let wanted = OpenSession {
            subject_token: token,
            ..child_of(&opened)
        };
        world.test.engine.open_session(&caller, None, wanted)
    };
    for token in [None, Some(world.token("alice"))] {
        assert_eq!(child(token).await.unwrap().session.subject, Some(alice));
    }
    let other = child(Some(world.token("bob"))).await.map(drop).unwrap_err();
    assert_eq!(other.reason(), "other_subject");
    // The same person after a start of the server.
    let World { test, zone, issuer } = world;
    let test = test.restart().await;
    let world = World { test, zone, issuer };
    assert_eq!(world.subject("alice"), alice);
}

#[tokio::test]
async fn policy_knows_the_subject() {
    let test = World::start(ALL).await;
    let alice = test.subject("alice");
    let cedar = format!(
        "permit (principal, action, resource) when {{ principal has subject && principal.subject == Subject::\"{alice}\" }};"
    );
    let spec = caracal_engine::ZoneSpec {
        policies: vec![SeededZone::policy("rules", &cedar)],
        ..Default::default()
    };
    let engine = &test.test.engine;
    engine
        .apply(test.zone.id, &test.test.admin(), spec)
        .await
        .unwrap();
    for (token, expected) in [
        (Some(test.token("alice")), "ok"),
        (Some(test.token("bob")), "access_denied"),
        (None, "access_denied"),
    ] {
        let request = IssueRequest {
            id_token: token,
            ..test.zone.asks("anton", &["resource://items"], None)
        };
        assert_eq!(code(engine.issue(request).await), expected);
    }
}

/// One of the holes of Caracal 1.0: whoever opened a session could say for whom.
#[tokio::test]
async fn nobody_is_a_subject_without_proof() {
    let world = World::start(ALL).await;
    let engine = &world.test.engine;
    let alice = world.subject("alice");
    let mandate = world
        .zone
        .mint(engine, &["resource://items"], None)
        .await
        .unwrap();
    let workloads = OutsideIssuer::new("https://ci.example");
    let spec = IssuerSpec {
        audiences: vec![OutsideIssuer::CLIENT.to_owned()],
        ..workloads.workloads("ci")
    };
    engine
        .create_issuer(world.zone.id, &world.test.admin(), spec)
        .await
        .unwrap();
    let now = engine.now();
    let forged = OutsideIssuer::new(&world.issuer.url);
    let unknown = OutsideIssuer::new("https://unknown.example");
    let own = with(
        world.person("alice"),
        "iss",
        world
            .zone
            .id_of::<caracal_core::ApplicationId>("anton")
            .to_string(),
    );
    for (token, expected) in [
        (alice.to_string(), "malformed"),
        (String::new(), "malformed"),
        ("e30.e30.".to_owned(), "malformed"),
        (mandate.text.clone(), "malformed"),
        (forged.sign(&world.person("alice")), "bad_signature"),
        (world.issuer.sign(&own), "unknown_issuer"),
        (
            unknown.sign(&unknown.person("alice", now)),
            "unknown_issuer",
        ),
        // One that may prove applications proves no people.
        (
            workloads.sign(&workloads.person("alice", now)),
            "unknown_issuer",
        ),
    ] {
        let refused = world.open(token.clone()).await.map(drop).unwrap_err();
        assert_eq!(refused.code(), "invalid_grant", "{token}");
        assert_eq!(refused.reason(), expected, "{token}");
        let event = world.last(EventType::SessionDenied).await;
        assert_eq!(event.reason.as_deref(), Some(expected));
        let refused = engine
            .issue(world.asks(token.clone()))
            .await
            .map(drop)
            .unwrap_err();
        assert_eq!(refused.reason(), expected, "{token}");
        let event = world.last(EventType::MandateDenied).await;
        assert_eq!(event.reason.as_deref(), Some(expected));
    }
    let events = world.zone.events(engine).await;
    assert!(events.iter().all(|event| event.subject.is_none()));

    // A session without a Subject gets none afterwards, and one of a person no other.
    let plain = open(&world.test, &world.zone, "anton", OpenSession::default())
        .await
        .unwrap();
    let alices = world.open(world.token("alice")).await.unwrap();
    for (session, token) in [(&plain, "alice"), (&alices, "bob")] {
        let request = IssueRequest {
            session_id: Some(session.session.id),
            ..world.asks(world.token(token))
        };
        let refused = engine.issue(request).await.map(drop).unwrap_err();
        assert_eq!(refused.reason(), "other_subject");
    }
    let request = IssueRequest {
        session_id: Some(alices.session.id),
        ..world.asks(world.token("alice"))
    };
    assert_eq!(code(engine.issue(request).await), "ok");
}

#[tokio::test]
async fn an_id_token_that_is_wrong_is_refused_in_its_own_words() {
    let world = World::start(ALL).await;
    let now = world.test.engine.now().as_second();
    let alice = || world.person("alice");
    for (member, value, expected) in [
        ("aud", json!("another-client"), "wrong_audience"),
        (
            "aud",
            json!([OutsideIssuer::CLIENT, "another-client"]),
            "wrong_audience",
        ),
        ("azp", json!("another-client"), "wrong_audience"),
        ("azp", json!(OutsideIssuer::CLIENT), "accepted"),
        ("exp", json!(now - 61), "expired"),
        ("iat", json!(now + 300), "not_yet_valid"),
        ("iat", json!(now - 3661), "too_old"),
        ("iat", json!(null), "undated"),
        ("nonce", json!("n-0S6_WzA2Mj"), "accepted"),
        (
            "nonce",
            json!(ApprovalId::new(world.test.engine.now(), &[0; 10]).to_string()),
            "made_for_approval",
        ),
        ("sub", json!(""), "subject_empty"),
        ("sub", json!("x".repeat(256)), "subject_too_long"),
        ("sub", json!("x".repeat(255)), "accepted"),
        ("sub", json!("alice\u{0}"), "subject_characters"),
        ("sub", json!("alice\n"), "subject_characters"),
        ("sub", json!("\u{202e}ecila"), "subject_characters"),
        ("sub", json!("alice\u{2066}"), "subject_characters"),
        ("sub", json!("ali\u{200b}ce"), "subject_characters"),
        ("sub", json!(7), "malformed"),
    ] {
        let claims = with(alice(), member, value);
        assert_eq!(world.outcome(&claims).await, expected, "{claims}");
    }
}

#[tokio::test]
async fn an_id_token_is_good_once_where_its_issuer_says_so() {
    let world = World::with(ALL, |spec| IssuerSpec {
        single_use: true,
        ..spec
    })
    .await;
    let claims = with(world.person("alice"), "nonce", "n-0S6_WzA2Mj");
    assert_eq!(world.outcome(&claims).await, "accepted");
    assert_eq!(world.outcome(&claims).await, "replayed");
    // Also for another application, and at the token endpoint.
    let token = world.issuer.sign(&claims);
    let again = IssueRequest {
        id_token: Some(token),
        ..world.zone.asks("berta", &["resource://items"], None)
    };
    let refused = world.test.engine.issue(again).await.map(drop).unwrap_err();
    assert_eq!(refused.reason(), "replayed");
}

#[tokio::test]
async fn a_mandate_for_a_person_ends_with_them() {
    let world = World::start(ALL).await;
    let engine = &world.test.engine;
    let alice = world.subject("alice");
    let issued = engine
        .issue(world.asks(world.token("alice")))
        .await
        .unwrap();
    let opened = engine.open_mandate(&issued.text).await.unwrap();
    assert_eq!(opened.claims().sub, alice.to_string());
    let event = world.last(EventType::MandateIssued).await;
    assert_eq!(event.subject, Some(alice));
    // What it is exchanged for is hers too.
    let exchange = |text: &str| IssueRequest {
        subject_token: Some(text.to_owned()),
        ..world
            .zone
            .asks("anton", &["resource://items"], Some("read"))
    };
    let narrow = engine.issue(exchange(&issued.text)).await.unwrap();
    let claims = engine.open_mandate(&narrow.text).await.unwrap();
    assert_eq!(claims.claims().sub, alice.to_string());
    call(&world.test, &world.zone, &narrow.text, "GET")
        .await
        .unwrap();
    assert_eq!(
        world.last(EventType::CallStarted).await.subject,
        Some(alice)
    );
    let session = world.open(world.token("alice")).await.unwrap();
    let bobs = world.open(world.token("bob")).await.unwrap();

    let admin = world.test.admin();
    engine
        .revoke(world.zone.id, &admin, Anchor::Subject(alice), None)
        .await
        .unwrap();
    for text in [&issued.text, &narrow.text] {
        let dead = call(&world.test, &world.zone, text, "GET").await;
        assert_eq!(dead, Err(RefusalCode::MandateRevoked));
    }
    assert_eq!(
        code(engine.issue(exchange(&issued.text)).await),
        "invalid_grant"
    );
    assert_ne!(code(mint(&world.test, &session, None).await), "ok");
    for refused in [
        world.open(world.token("alice")).await.map(drop),
        engine
            .issue(world.asks(world.token("alice")))
            .await
            .map(drop),
    ] {
        assert_eq!(code(refused), "access_denied");
    }
    assert_eq!(code(mint(&world.test, &bobs, None).await), "ok");
}

#[tokio::test]
async fn the_subject_decides_and_nobody_else() {
    let world = World::start(HELD).await;
    let opened = world.open(world.token("alice")).await.unwrap();
    let ask = || mint(&world.test, &opened, Some("write"));
    let id = held(ask().await);
    let alice = world.subject("alice");
    // What the agent was given to open the session with decides nothing.
    for (token, expected) in [
        (world.token("alice"), "not_for_approval"),
        (
            world.deciding("alice", ApprovalId::new(world.test.engine.now(), &[1; 10])),
            "not_for_approval",
        ),
        (
            OutsideIssuer::new(&world.issuer.url).sign(&world.person("alice")),
            "bad_signature",
        ),
        (opened.mandate.as_ref().unwrap().text.clone(), "malformed"),
        (world.deciding("bob", id), "access_denied"),
    ] {
        let decided = world.decide(&token, id, Verdict::Approve).await;
        assert_eq!(decided, expected, "{token}");
    }
    let event = world.last(EventType::ApprovalDenied).await;
    assert_eq!(
        (event.subject, event.approval),
        (Some(world.subject("bob")), Some(id))
    );
    let admin = world.test.admin();
    let operator = world
        .test
        .engine
        .decide_approval(world.zone.id, &admin, id, Verdict::Approve, None)
        .await;
    assert!(operator.is_err(), "an operator decided for the Subject");
    assert_eq!(held(ask().await), id);

    let token = world.deciding("alice", id);
    assert_eq!(world.decide(&token, id, Verdict::Approve).await, "approved");
    assert_eq!(
        world.decide(&token, id, Verdict::Reject).await,
        "already_decided"
    );
    let event = world.last(EventType::ApprovalApproved).await;
    assert_eq!(event.subject, Some(alice));
    let engine = &world.test.engine;
    let kept = engine
        .get_approval(world.zone.id, &admin, id)
        .unwrap()
        .value;
    assert_eq!(kept.status, ApprovalStatus::Approved);
    assert_eq!(kept.decided_by, Some(alice.to_string()));
    let request = IssueRequest {
        approval_id: Some(id),
        resources: vec!["resource://items".to_owned()],
        scope: Some("write".to_owned()),
        ..IssueRequest::new(as_session(&opened), "req_mint")
    };
    assert_eq!(code(engine.issue(request).await), "ok");

    // And who says no.
    let other = open(
        &world.test,
        &world.zone,
        "berta",
        OpenSession {
            subject_token: Some(world.token("alice")),
            ..OpenSession::default()
        },
    );
    let other = other.await.unwrap();
    let id = held(mint(&world.test, &other, Some("write")).await);
    assert_eq!(
        world
            .decide(&world.deciding("alice", id), id, Verdict::Reject)
            .await,
        "rejected"
    );
}

#[tokio::test]
async fn an_approval_of_one_person_is_not_used_for_another() {
    let world = World::start(HELD).await;
    let engine = &world.test.engine;
    let ask = |sub: &str, approval: Option<ApprovalId>| {
        let request = IssueRequest {
            scope: Some("write".to_owned()),
            approval_id: approval,
            ..world.asks(world.token(sub))
        };
        engine.issue(request)
    };
    // The session of these mandates comes with them: only the person tells them apart.
    let alices = held(ask("alice", None).await);
    let bobs = held(ask("bob", None).await);
    assert_ne!(alices, bobs);
    let token = world.deciding("alice", alices);
    assert_eq!(
        world.decide(&token, alices, Verdict::Approve).await,
        "approved"
    );
    assert_eq!(code(ask("bob", Some(alices)).await), "invalid_grant");
    assert_eq!(code(ask("alice", Some(alices)).await), "ok");
    // What an operator decides is not the Subject's.
    let unknown = ApprovalId::new(engine.now(), &[9; 10]);
    let token = world.deciding("alice", unknown);
    assert_eq!(
        world.decide(&token, unknown, Verdict::Approve).await,
        "access_denied"
    );
}
