//! Logs: damage, proofs, and the embedded store below.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use caracal_store::{OpenOptions, Step};
use caracal_testkit::{FakeClock, SeededZone, TestEngine};

const ALL: &str = "permit (principal, action, resource);";
const ITEMS: &[&str] = &["resource://items"];

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_ledger_is_replaced_by_a_new_log() {
    let dir = tempfile::tempdir().unwrap();
    let test = TestEngine::embedded(dir.path(), OpenOptions::default(), FakeClock::new()).await;
    let zone = test.seed_policy(ALL).await;
    let text = zone.mint(&test.engine, ITEMS, None).await.unwrap().text;
    test.engine.close().await;
    let clock = test.clock.clone();
    drop(test);
    for file in ["ledger.db", "ledger.db-wal", "ledger.db-shm"] {
        let _ = std::fs::remove_file(dir.path().join(file));
    }
    let test = TestEngine::embedded(dir.path(), OpenOptions::default(), clock).await;
    let logs = test.engine.list_logs(zone.id, &test.admin()).unwrap();
    assert_eq!(logs.len(), 2);
    assert!(
        zone.call(&test.engine, &text, "items", "GET", "/v1/x")
            .await
            .is_ok()
    );
    assert!(zone.mint(&test.engine, ITEMS, None).await.is_ok());
    let spec = SeededZone::application("later");
    test.engine
        .create_application(zone.id, &test.admin(), spec)
        .await
        .unwrap();
    let events = zone.events(&test.engine).await;
    let opened: Vec<_> = events
        .iter()
        .filter(|e| e.event_type.as_str() == "log.opened")
        .collect();
    assert_eq!(opened.len(), 1);
    assert_eq!(opened[0].target, Some(logs[1].id.to_string()));
    assert!(events.iter().all(|e| e.log == Some(logs[1].id)));
    // A healthy log is kept.
    let test = test.restart().await;
    let logs = test.engine.list_logs(zone.id, &test.admin()).unwrap();
    assert_eq!(logs.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_proved_to_whoever_has_the_key() {
    let test = TestEngine::in_memory().await;
    let zone = test.seed_policy(ALL).await;
    for _ in 0..300 {
        zone.mint(&test.engine, ITEMS, None).await.unwrap();
    }
    let events = zone.events(&test.engine).await;
    for event in [
        &events[0],
        &events[255],
        &events[256],
        events.last().unwrap(),
    ] {
        let id = event.id.to_string();
        let proof = test
            .engine
            .prove_event(zone.id, &test.admin(), &id)
            .await
            .unwrap();
        let checkpoint =
            caracal_ledger::open_checkpoint(&proof.checkpoint, &proof.verifier).unwrap();
        caracal_ledger::verify_inclusion(&proof.proof, &checkpoint.root).unwrap();
        let leaf = test
            .engine
            .get_event(zone.id, &test.admin(), &id)
            .await
            .unwrap();
        assert_eq!(proof.proof.leaf, caracal_ledger::leaf_hash(&leaf));
        assert_eq!(Some(proof.proof.index), event.index);
    }
    let other = test.seed_policy(ALL).await;
    let id = events[0].id.to_string();
    assert!(
        test.engine
            .prove_event(other.id, &test.admin(), &id)
            .await
            .is_err()
    );
    let log = events[0].log.unwrap();
    assert!(
        test.engine
            .read_log(other.id, &test.admin(), log, 0, 10)
            .await
            .is_err()
    );
    assert!(
        test.engine
            .get_checkpoint(other.id, &test.admin(), log)
            .await
            .is_err()
    );
    for (level, n, width) in [
        (0, 9, 1),
        (0, 0, 0),
        (8, 0, 1),
        (255, u64::MAX, 256),
        (0, 0, 257),
    ] {
        let tile = test
            .engine
            .get_tile(zone.id, &test.admin(), log, level, n, width)
            .await;
        assert!(tile.is_err(), "{level}/{n}.p/{width}");
    }
}

/// The process dies when the state is durable and the ledger is not.
#[tokio::test(flavor = "multi_thread")]
async fn a_death_between_the_files_loses_no_event() {
    let dir = tempfile::tempdir().unwrap();
    let armed = Arc::new(AtomicBool::new(false));
    let hook = Arc::clone(&armed);
    let options = OpenOptions {
        on_step: Some(Arc::new(move |step| {
            if step == Step::BeforeLedgerInsert && hook.load(Ordering::SeqCst) {
                // Ends the writer's thread, as the end of the process would.
                std::panic::resume_unwind(Box::new("killed"));
            }
        })),
        ..OpenOptions::default()
    };
    let test = TestEngine::embedded(dir.path(), options, FakeClock::new()).await;
    let zone = test.seed_policy(ALL).await;
    armed.store(true, Ordering::SeqCst);
    let spec = SeededZone::application("late");
    let admin = test.admin();
    let making = test.engine.create_application(zone.id, &admin, spec);
    let made = tokio::time::timeout(std::time::Duration::from_millis(300), making).await;
    assert!(made.is_err() || made.unwrap().is_err());
    let clock = test.clock.clone();
    test.engine.close().await;
    drop(test);
    let test = TestEngine::embedded(dir.path(), OpenOptions::default(), clock).await;
    assert!(
        test.engine
            .get_application(zone.id, &test.admin(), "late")
            .is_ok()
    );
    let events = zone.events(&test.engine).await;
    let late: Vec<_> = events
        .iter()
        .filter(|e| {
            e.target_name
                .as_ref()
                .is_some_and(|name| name.as_str() == "late")
        })
        .collect();
    assert_eq!(late.len(), 1);
    let unique: std::collections::BTreeSet<_> = events.iter().map(|e| e.id).collect();
    assert_eq!(unique.len(), events.len());
}
