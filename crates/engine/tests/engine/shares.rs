//! One application leaves room for the others.

use caracal_core::Receiver;
use caracal_engine::{Admin, CreateDelegation, Idempotency, OpenSession, ZoneLimits};
use caracal_testkit::{SeededZone, TestEngine};

use super::sessions::{code, only_read, open};

const ALL: &str = "permit (principal, action, resource);";

async fn world(limits: ZoneLimits) -> (TestEngine, SeededZone) {
    let test = TestEngine::limited(limits).await;
    let zone = test.seed_policy(ALL).await;
    (test, zone)
}

#[tokio::test]
async fn one_application_opens_its_share_of_sessions_and_no_more() {
    let (test, zone) = world(ZoneLimits::of(5, 5)).await;
    let open = async |application| {
        let opened = open(&test, &zone, application, OpenSession::default()).await;
        opened.map(|opened| opened.session.id)
    };
    let first = open("anton").await.unwrap();
    for _ in 0..2 {
        assert_eq!(code(open("anton").await), "ok");
    }
    assert_eq!(code(open("anton").await), "application_limit_exceeded");
    for _ in 0..2 {
        assert_eq!(code(open("berta").await), "ok", "others have room");
    }
    assert_eq!(code(open("berta").await), "limit_exceeded");
    let caller = zone.credentials("anton");
    let closed = test.engine.close_session(&caller, None, first, "req_1");
    closed.await.unwrap();
    assert_eq!(code(open("anton").await), "ok", "what is closed gives room");
}

#[tokio::test]
async fn one_application_lends_its_share_of_delegations_and_no_more() {
    let (test, zone) = world(ZoneLimits::of(100, 3)).await;
    let lend = async |application: &str| {
        let opened = open(&test, &zone, application, OpenSession::default()).await;
        let wanted = CreateDelegation {
            from: opened.unwrap().session.id,
            via: None,
            to: Receiver::Application(zone.id_of("anton")),
            authority: only_read(),
            ttl_seconds: None,
            max_depth: None,
            calls: None,
            idempotency: None,
            request_id: "req_1".to_owned(),
        };
        let caller = zone.credentials(application);
        code(test.engine.create_delegation(&caller, None, wanted).await)
    };
    assert_eq!(lend("anton").await, "ok");
    assert_eq!(lend("anton").await, "ok");
    assert_eq!(lend("anton").await, "application_limit_exceeded");
    assert_eq!(lend("berta").await, "ok", "others have room");
    assert_eq!(lend("berta").await, "delegation_limit_exceeded");
}

/// An application that floods the zone with keys, also from many sessions, makes room for itself
/// and keeps what an operator's write was answered.
#[tokio::test]
async fn an_application_pushes_out_no_answers_but_its_own() {
    const MANY: usize = 10_100;
    let (test, zone) = world(ZoneLimits::of(2 * MANY, 10)).await;
    let keyed = |key: String| Idempotency {
        input: key.clone().into_bytes(),
        key,
    };
    let admin = Admin {
        idempotency: Some(keyed("operator".to_owned())),
        ..test.admin()
    };
    let create = || {
        let spec = SeededZone::application("new");
        test.engine.create_application(zone.id, &admin, spec)
    };
    let made = create().await.unwrap();
    test.clock.advance_seconds(1);
    for n in 0..MANY {
        let wanted = OpenSession {
            idempotency: Some(keyed(format!("key {n}"))),
            ..OpenSession::default()
        };
        let opened = open(&test, &zone, "anton", wanted).await;
        assert_eq!(code(opened), "ok", "{n}");
    }
    let again = create().await.unwrap();
    assert_eq!(made.client_secret, again.client_secret);
}
