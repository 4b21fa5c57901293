//! What is kept for how long: events by the zone's retention, and nothing for ever that nobody
//! needs.

use caracal_core::{Anchor, Event, EventType, LogId, Retention, ZoneId};
use caracal_engine::{Admin, AdminError, Engine, Operator, Query, ZoneSpec};
use caracal_store::OpenOptions;
use caracal_testkit::{FakeClock, SeededZone, TestEngine};
use jiff::SignedDuration;

const ALL: &str = "permit (principal, action, resource);";
const ITEMS: &[&str] = &["resource://items"];

fn admin() -> Admin {
    Admin::new(Operator::local(), "req_1")
}

fn days(days: i64) -> SignedDuration {
    SignedDuration::from_hours(days * 24)
}

async fn keep(engine: &Engine, zone: ZoneId, days: Option<u32>) {
    let spec = ZoneSpec {
        retention: Some(days.map(|days| Retention::days(days).unwrap())),
        ..ZoneSpec::default()
    };
    engine.apply(zone, &admin(), spec).await.unwrap();
}

async fn mint(test: &TestEngine, zone: &SeededZone, count: usize) {
    for _ in 0..count {
        zone.mint(&test.engine, ITEMS, None).await.unwrap();
    }
}

async fn pruned(engine: &Engine, zone: ZoneId) -> (LogId, u64) {
    let log = engine.list_logs(zone, &admin()).unwrap().pop().unwrap().id;
    let tree = engine.get_pruned(zone, &admin(), log).await.unwrap();
    (log, tree.size)
}

async fn announcements(engine: &Engine, zone: ZoneId) -> Vec<Event> {
    let query = Query {
        event_type: Some(EventType::LogPruned.as_str().to_owned()),
        ascending: true,
        limit: 100,
        ..Query::default()
    };
    let page = engine.search_events(zone, &admin(), query).await.unwrap();
    let events = page
        .leaves
        .iter()
        .map(|(_, leaf)| serde_json::from_slice(leaf));
    events.map(Result::unwrap).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn events_go_when_their_time_is_over_and_are_announced_before() {
    let home = tempfile::tempdir().unwrap();
    let clock = FakeClock::new();
    let test = TestEngine::embedded(home.path(), OpenOptions::default(), clock).await;
    let zone = test.seed_policy(ALL).await;
    let engine = &test.engine;
    mint(&test, &zone, 400).await;
    test.clock.advance(days(20));
    mint(&test, &zone, 10).await;
    // For ever, until somebody says otherwise.
    assert_eq!(engine.prune_zone(zone.id).await.unwrap(), 0);
    keep(engine, zone.id, Some(30)).await;
    assert_eq!(engine.prune_zone(zone.id).await.unwrap(), 0);
    test.clock.advance(days(10));
    assert_eq!(
        engine.prune_zone(zone.id).await.unwrap(),
        0,
        "not a moment early"
    );
    test.clock.advance_seconds(1);
    let gone = engine.prune_zone(zone.id).await.unwrap();
    let (log, start) = pruned(engine, zone.id).await;
    assert!(gone == start && start >= 400, "{gone} {start}");
    let told = announcements(engine, zone.id).await;
    let [event] = told.as_slice() else {
        panic!("one announcement, not {told:?}");
    };
    let range = event.pruned.unwrap();
    assert_eq!((event.log, range.below, range.days), (Some(log), start, 30));
    assert_eq!(
        range.before,
        Retention::days(30).unwrap().cutoff(event.time)
    );
    assert!(range.is_lawful(event.index.unwrap(), event.time));
    let kept = zone.events(engine).await;
    assert_eq!(kept[0].index, Some(start));
    assert!(kept.iter().all(|event| event.time >= range.before));
    // The rest is proved as before, and mandates are minted as before.
    let proof = engine
        .prove_event(zone.id, &admin(), &kept[3].id.to_string())
        .await;
    let proof = proof.unwrap();
    let signed = caracal_ledger::open_checkpoint(&proof.checkpoint, &proof.verifier).unwrap();
    caracal_ledger::verify_inclusion(&proof.proof, &signed.root).unwrap();
    mint(&test, &zone, 1).await;

    // Few wait, at most a day; a retention that is taken away saves what is left.
    test.clock.advance(days(20));
    assert_eq!(engine.prune_zone(zone.id).await.unwrap(), 0);
    test.clock.advance(days(2));
    keep(engine, zone.id, None).await;
    assert_eq!(engine.prune_zone(zone.id).await.unwrap(), 0);
    keep(engine, zone.id, Some(30)).await;
    assert!(engine.prune_zone(zone.id).await.unwrap() >= 10);
    assert_eq!(announcements(engine, zone.id).await.len(), 2);
    // It goes on where it was after a new start.
    let test = test.restart().await;
    mint(&test, &zone, 1).await;
    test.clock.advance(days(40));
    assert!(test.engine.prune_zone(zone.id).await.unwrap() > 0);
    test.engine.close().await;
}

/// However much one zone has to let go.
#[tokio::test(flavor = "multi_thread")]
async fn zones_let_go_in_turns() {
    let home = tempfile::tempdir().unwrap();
    let clock = FakeClock::new();
    let test = TestEngine::embedded(home.path(), OpenOptions::default(), clock).await;
    let large = test.seed_policy(ALL).await;
    // Zones have their turns in the order in which they were made.
    test.clock.advance_seconds(1);
    let small = test.seed_policy(ALL).await;
    for zone in [&large, &small] {
        keep(&test.engine, zone.id, Some(1)).await;
    }
    mint(&test, &large, 4000).await;
    mint(&test, &small, 300).await;
    test.clock.advance(days(3));
    let test = test.restart().await;
    let engine = &test.engine;
    let of = |zone| async move { pruned(engine, zone).await.1 };
    while of(small.id).await < 300 {
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    let gone = of(large.id).await;
    assert!(gone < 4000, "{gone} of the larger zone went before");
    while of(large.id).await < 4000 {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    test.engine.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_without_anything_but_announcements_announces_no_more() {
    let home = tempfile::tempdir().unwrap();
    let clock = FakeClock::new();
    let test = TestEngine::embedded(home.path(), OpenOptions::default(), clock).await;
    let zone = test.seed_policy(ALL).await;
    keep(&test.engine, zone.id, Some(1)).await;
    for _ in 0..6 {
        test.clock.advance(days(3));
        test.engine.prune_zone(zone.id).await.unwrap();
    }
    assert_eq!(announcements(&test.engine, zone.id).await.len(), 1);
    test.engine.close().await;
}

#[tokio::test]
async fn only_an_owner_changes_how_long_evidence_is_kept() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await;
    let created = test
        .engine
        .create_token(
            &admin(),
            Some(zone.id),
            "ci".parse().unwrap(),
            caracal_core::Role::Admin,
            60,
        )
        .await
        .unwrap();
    let operator = test
        .engine
        .authenticate_operator(&created.text.unwrap())
        .unwrap();
    let weak = Admin::new(operator, "req_2");
    let spec = |retention| ZoneSpec {
        retention: Some(retention),
        ..ZoneSpec::default()
    };
    let wanted = Some(Retention::days(7).unwrap());
    let refused = test.engine.apply(zone.id, &weak, spec(wanted)).await;
    assert!(
        matches!(refused, Err(AdminError::Forbidden { needed: "owner" })),
        "{refused:?}"
    );
    // What changes nothing needs no owner, so that a file can be applied again.
    keep(&test.engine, zone.id, Some(7)).await;
    let applied = test
        .engine
        .apply(zone.id, &weak, spec(wanted))
        .await
        .unwrap();
    assert_eq!(applied.changes, []);
    let pruning = ZoneSpec {
        prune: true,
        ..SeededZone::spec(ALL)
    };
    let refused = test.engine.apply(zone.id, &weak, pruning).await;
    assert!(
        matches!(refused, Err(AdminError::Forbidden { .. })),
        "{refused:?}"
    );
    let exported = test.engine.export(zone.id, &admin()).unwrap();
    assert_eq!(exported.retention, wanted);
}

/// Lets the sweeper, which wakes once a minute, do its work.
async fn sweep() {
    tokio::time::sleep(std::time::Duration::from_secs(180)).await;
}

#[tokio::test(start_paused = true)]
async fn expired_tokens_go_after_a_month() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await;
    for (name, seconds) in [("short", 60), ("long", 60 * 24 * 3600)] {
        let role = caracal_core::Role::Viewer;
        test.engine
            .create_token(
                &admin(),
                Some(zone.id),
                name.parse().unwrap(),
                role,
                seconds,
            )
            .await
            .unwrap();
    }
    let names = || {
        let tokens = test.engine.list_tokens(&admin(), Some(zone.id)).unwrap();
        let names = tokens.iter().map(|token| token.value.name.to_string());
        names.collect::<Vec<_>>()
    };
    test.clock.advance(days(29));
    sweep().await;
    assert_eq!(names(), ["long", "short"]);
    test.clock.advance(days(2));
    sweep().await;
    assert_eq!(names(), ["long"]);
}

#[tokio::test(start_paused = true)]
async fn revocations_that_nothing_can_be_under_go() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await;
    let anchor = |name: &str| Anchor::Application(zone.id_of(name));
    let engine = &test.engine;
    for name in ["anton", "berta"] {
        engine
            .revoke(zone.id, &admin(), anchor(name), None)
            .await
            .unwrap();
    }
    let list = || engine.list_revocations(zone.id, &admin()).unwrap();
    test.clock.advance_seconds(5000);
    sweep().await;
    assert_eq!(list().len(), 2, "they hold as long as nobody lifts them");
    let lifted = list().pop().unwrap().value;
    engine.lift(zone.id, &admin(), lifted.id).await.unwrap();
    test.clock.advance_seconds(900);
    sweep().await;
    assert_eq!(
        list().len(),
        2,
        "what was issued before it was lifted may be alive"
    );
    test.clock.advance_seconds(61);
    sweep().await;
    let [held] = list().try_into().unwrap();
    assert_ne!(held.value.id, lifted.id);
    // The application goes, and what it was given ends with it.
    let Anchor::Application(id) = held.value.anchor else {
        panic!("{:?}", held.value.anchor);
    };
    engine
        .delete_application(zone.id, &admin(), &id.to_string())
        .await
        .unwrap();
    sweep().await;
    assert_eq!(list().len(), 0);
}

/// What a revocation has ended stays dead after it was lifted, also when nobody came to sweep it.
#[tokio::test]
async fn a_lifted_revocation_is_kept_as_long_as_what_it_ended_is_stored() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await;
    let engine = &test.engine;
    let wanted = caracal_engine::OpenSession {
        ttl_seconds: Some(20_000),
        ..Default::default()
    };
    let caller = zone.credentials("anton");
    let opened = engine.open_session(&caller, None, wanted).await.unwrap();
    let session = opened.session.id;
    let anchor = Anchor::Application(zone.id_of("anton"));
    let revoked = engine.revoke(zone.id, &admin(), anchor, None).await;
    let lifted = engine.lift(zone.id, &admin(), revoked.unwrap().id).await;
    let lifted = lifted.unwrap().value;
    test.clock.advance_seconds(5000);
    let mint = || {
        let mut asks = zone.asks("anton", ITEMS, None);
        asks.session_id = Some(session);
        engine.issue(asks)
    };
    let kept = || {
        let all = engine.list_revocations(zone.id, &admin()).unwrap();
        all.iter().any(|held| held.value.id == lifted.id)
    };
    engine.sweep(zone.id).await;
    assert!(kept(), "the session that it ended is still stored");
    assert_eq!(mint().await.err().unwrap().code(), "invalid_grant");
    engine.sweep_sessions(zone.id, true).await;
    engine.sweep(zone.id).await;
    assert!(!kept(), "nothing that it ended is left");
    assert_eq!(mint().await.err().unwrap().code(), "invalid_grant");
}

#[tokio::test(start_paused = true)]
async fn of_bundles_the_newest_and_the_active_one_are_kept() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await;
    let engine = &test.engine;
    let active = engine.list_policies(zone.id, &admin()).unwrap().0.unwrap();
    for n in 0..130 {
        test.clock.advance_seconds(1);
        let name = format!("p{n}");
        let policies = vec![SeededZone::policy(&name, ALL)];
        engine
            .store_bundle(zone.id, &admin(), policies)
            .await
            .unwrap();
    }
    sweep().await;
    let kept = engine.list_bundles(zone.id, &admin()).unwrap();
    assert_eq!(kept.len(), 100);
    assert!(kept.iter().any(|bundle| bundle.value.version == active));
    let oldest = kept.iter().filter(|bundle| bundle.value.version != active);
    let oldest = oldest.min_by_key(|bundle| bundle.value.created_at).unwrap();
    assert_eq!(oldest.value.policies[0].name.as_str(), "p31");
}
