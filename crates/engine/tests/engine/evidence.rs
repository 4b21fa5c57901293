//! Evidence before effect: what happens when the ledger or the store fails.

use std::time::Duration;

use caracal_engine::AdminError;
use caracal_testkit::{AppendFault, CommitFault, SeededZone, Stalled, TestEngine};

const ALL: &str = "permit (principal, action, resource);";
const ITEMS: &[&str] = &["resource://items"];

fn is_done<T>(result: Result<T, AdminError>) -> Option<bool> {
    match result {
        Err(AdminError::Unavailable { done, .. }) => Some(done),
        _ => None,
    }
}

/// The revisions of the commits whose events are in the log, in the order of the log.
async fn revisions(test: &TestEngine, zone: &SeededZone) -> Vec<u64> {
    let events = zone.events(&test.engine).await;
    let mut found: Vec<u64> = events.iter().filter_map(|e| e.revision).collect();
    let unique: std::collections::BTreeSet<_> = events.iter().map(|e| e.id).collect();
    assert_eq!(unique.len(), events.len(), "an event stands there twice");
    assert!(found.is_sorted(), "{found:?}");
    found.dedup();
    found
}

#[tokio::test]
async fn without_evidence_nothing_is_issued_and_nothing_goes_out() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await;
    let engine = &test.engine;
    let text = zone.mint(engine, ITEMS, None).await.unwrap().text;
    for fault in [AppendFault::Before, AppendFault::After, AppendFault::Full] {
        test.store().fail_append(fault);
        let issued = zone.mint(engine, ITEMS, None).await;
        assert_eq!(issued.err().unwrap().code(), "temporarily_unavailable");
        assert!(!engine.is_ready());
        assert!(zone.mint(engine, ITEMS, None).await.is_ok());
        assert!(engine.is_ready());
    }
    for (fault, path) in [
        (AppendFault::Before, "/v1/x"),
        (AppendFault::After, "/v1/x"),
        (AppendFault::Full, "/v1/x"),
        // A denial needs its evidence too.
        (AppendFault::Before, "/v2/x"),
    ] {
        test.store().fail_append(fault);
        let called = zone.call(engine, &text, "items", "GET", path).await;
        assert_eq!(called.err().unwrap().code.as_str(), "ledger_unavailable");
    }
    test.store().fail_append(AppendFault::Before);
    let denied = zone.mint(engine, ITEMS, Some("admin")).await;
    assert_eq!(denied.err().unwrap().code(), "temporarily_unavailable");
    assert!(
        zone.call(engine, &text, "items", "GET", "/v1/x")
            .await
            .is_ok()
    );
    assert_eq!(engine.live_calls(), 0);
}

#[tokio::test]
async fn a_commit_of_unknown_outcome_is_looked_up() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await;
    let create = async |name: &str| {
        let spec = SeededZone::application(name);
        test.engine
            .create_application(zone.id, &test.admin(), spec)
            .await
    };
    test.store().fail_commit(CommitFault::After);
    let created = create("after").await.unwrap();
    assert!(created.client_secret.is_some());
    test.store().fail_commit(CommitFault::Before);
    assert_eq!(is_done(create("before").await), Some(false));
    test.store().fail_commit(CommitFault::Full);
    assert_eq!(is_done(create("full").await), Some(false));
    let names = test
        .engine
        .list_applications(zone.id, &test.admin(), None, 100)
        .unwrap();
    let names: Vec<_> = names
        .items
        .iter()
        .map(|a| a.value.name.to_string())
        .collect();
    assert_eq!(names, ["after", "anton", "berta"]);
}

/// The ledger is away: the change holds at once, its event comes when the ledger is back.
#[tokio::test(start_paused = true)]
async fn the_event_of_a_commit_comes_when_the_ledger_is_back() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await;
    let before = revisions(&test, &zone).await;
    let mut changes = Vec::new();
    for (i, name) in ["one", "two", "three"].into_iter().enumerate() {
        // Each is confirmed for ten seconds, and the appender tries ten times a second.
        if i == 0 {
            (0..400).for_each(|_| test.store().fail_append(AppendFault::Before));
        }
        let spec = SeededZone::application(name);
        let made = test
            .engine
            .create_application(zone.id, &test.admin(), spec)
            .await;
        changes.push(is_done(made));
        assert!(
            test.engine
                .get_application(zone.id, &test.admin(), name)
                .is_ok()
        );
    }
    assert_eq!(changes, [Some(true); 3]);
    assert_eq!(revisions(&test, &zone).await, before);
    tokio::time::sleep(Duration::from_secs(60)).await;
    let last = before.last().unwrap();
    let expected: Vec<u64> = before
        .iter()
        .copied()
        .chain([last + 1, last + 2, last + 3])
        .collect();
    assert_eq!(revisions(&test, &zone).await, expected);
}

/// The leaves are durable but the answer was lost: they must not be written again.
#[tokio::test(start_paused = true)]
async fn the_events_of_a_commit_are_written_once() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await;
    for name in ["one", "two"] {
        test.store().fail_append(AppendFault::After);
        let spec = SeededZone::application(name);
        test.engine
            .create_application(zone.id, &test.admin(), spec)
            .await
            .unwrap();
    }
    let found = revisions(&test, &zone).await;
    assert_eq!(found, (1..=found.len() as u64).collect::<Vec<_>>());
}

/// The process dies between the commit and its events: the next one copies exactly those.
#[tokio::test(start_paused = true)]
async fn a_restart_copies_exactly_what_the_ledger_lacks() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await;
    let complete = revisions(&test, &zone).await.len() as u64;
    let stalled = Stalled::new();
    test.store()
        .fail_append(AppendFault::Stall(stalled.clone()));
    for name in ["one", "two"] {
        let spec = SeededZone::application(name);
        let made = test
            .engine
            .create_application(zone.id, &test.admin(), spec)
            .await;
        assert_eq!(is_done(made), Some(true));
    }
    assert_eq!(revisions(&test, &zone).await.len() as u64, complete);
    let test = test.crash().await;
    let expected: Vec<u64> = (1..=complete + 2).collect();
    assert_eq!(revisions(&test, &zone).await, expected);
    let test = test.restart().await;
    assert_eq!(revisions(&test, &zone).await, expected);
    let types = zone.event_types(&test.engine).await;
    let registered = types
        .iter()
        .filter(|t| **t == "application.registered")
        .count();
    assert_eq!(registered, 4);
}

/// One zone's revocation holds though the ledger is away.
#[tokio::test(start_paused = true)]
async fn a_revocation_holds_without_the_ledger() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await;
    let issued = zone.mint(&test.engine, ITEMS, None).await.unwrap();
    let live = zone
        .call(&test.engine, &issued.text, "items", "GET", "/v1/x")
        .await
        .unwrap();
    let stalled = Stalled::new();
    test.store()
        .fail_append(AppendFault::Stall(stalled.clone()));
    let anchor = caracal_core::Anchor::Mandate(issued.id);
    let revoked = test
        .engine
        .revoke(zone.id, &test.admin(), anchor, None)
        .await;
    assert_eq!(is_done(revoked), Some(true));
    assert!(live.cut().is_cancelled());
    let called = zone
        .call(&test.engine, &issued.text, "items", "GET", "/v1/x")
        .await;
    assert_eq!(called.err().unwrap().code.as_str(), "mandate_revoked");
    stalled.release();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(
        zone.event_types(&test.engine)
            .await
            .contains(&"authority.revoked")
    );
}
