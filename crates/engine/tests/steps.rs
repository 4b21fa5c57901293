//! The process ends at every step between the state file and the ledger file, also while it
//! recovers from such an end: nothing that was acknowledged is lost, and no event is there twice.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and a process has to be started to end"
)]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use caracal_core::{Event, EventType, Revision};
use caracal_engine::{Outcome, ZoneSpec};
use caracal_store::{Embedded, OpenOptions, StateStore, Step, StepHook};
use caracal_testkit::{FakeClock, SeededZone, TestEngine};

/// Where the child works; set only in the child.
const DIR: &str = "CARACAL_TEST_STEP_DIR";
/// At which step it dies, and how often it passes that step before.
const STEP: &str = "CARACAL_TEST_STEP";

const POLICY: &str =
    r#"permit (principal, action == Action::"read", resource == Resource::"resource://items");"#;

/// The zone, as one process leaves it to the next.
#[derive(serde::Serialize, serde::Deserialize)]
struct Left {
    zone: String,
    ids: HashMap<String, String>,
    secrets: HashMap<String, String>,
}

impl Left {
    fn find(dir: &Path) -> Option<SeededZone> {
        let text = std::fs::read(dir.join("zone.json")).ok()?;
        let left: Self = serde_json::from_slice(&text).unwrap();
        Some(SeededZone {
            id: left.zone.parse().unwrap(),
            ids: left.ids,
            secrets: left.secrets,
        })
    }

    fn leave(dir: &Path, zone: &SeededZone) {
        let left = Self {
            zone: zone.id.to_string(),
            ids: zone.ids.clone(),
            secrets: zone.secrets.clone(),
        };
        let text = serde_json::to_vec(&left).unwrap();
        std::fs::write(dir.join("zone.json"), text).unwrap();
    }
}

/// A hook that ends the process at the `n`th time of a step.
fn ending(step: String, times: u32) -> StepHook {
    let left = AtomicU32::new(times);
    Arc::new(move |at: Step| {
        if format!("{at:?}") == step && left.fetch_sub(1, Ordering::Relaxed) == 0 {
            std::process::abort();
        }
    })
}

/// Not a test of its own: what the others start, and what dies.
#[tokio::test(flavor = "multi_thread")]
async fn child() {
    let (Ok(dir), Ok(step)) = (std::env::var(DIR), std::env::var(STEP)) else {
        return;
    };
    let dir = Path::new(&dir);
    let (step, times) = step.split_once(':').unwrap();
    let options = OpenOptions {
        on_step: Some(ending(step.to_owned(), times.parse().unwrap())),
        ..OpenOptions::default()
    };
    let test = TestEngine::embedded(dir, options, FakeClock::new()).await;
    let zone = Left::find(dir).unwrap();
    let engine = &test.engine;
    let mut acknowledged = File::options()
        .create(true)
        .append(true)
        .open(dir.join("acknowledged"))
        .unwrap();
    let run = std::process::id();
    for n in 0.. {
        // Side by side, so that steps of one are steps of several.
        let spec = |m| SeededZone::application(&format!("app-{run}-{n}-{m}"));
        let admin = test.admin();
        let (a, b, mandate) = tokio::join!(
            engine.create_application(zone.id, &admin, spec(0)),
            engine.create_application(zone.id, &admin, spec(1)),
            zone.mint(engine, &["resource://items"], Some("read")),
        );
        for created in [a, b] {
            let id = created.unwrap().application.value.id;
            writeln!(acknowledged, "application {id}").unwrap();
        }
        let mandate = mandate.unwrap();
        writeln!(acknowledged, "mandate {}", mandate.id).unwrap();
        let permit = zone
            .call(engine, &mandate.text, "items", "GET", "/v1/x")
            .await;
        let permit = permit.unwrap();
        writeln!(acknowledged, "receipt {}", permit.receipt()).unwrap();
        permit.finish(Outcome {
            status: Some(200),
            reason: None,
        });
        assert!(n < 1000, "the step never comes");
    }
}

/// Runs a child that must die at its step.
fn die(dir: &Path, step: Step, times: u32) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env(DIR, dir)
        .env(STEP, format!("{step:?}:{times}"))
        .env("RUST_BACKTRACE", "0")
        .output()
        .unwrap();
    use std::os::unix::process::ExitStatusExt as _;
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.signal(), Some(6), "{step:?}:{times}: {said}");
}

/// A directory with a zone that is ready.
async fn prepared() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let test = TestEngine::embedded(dir.path(), OpenOptions::default(), FakeClock::new()).await;
    let spec = ZoneSpec {
        policies: vec![SeededZone::policy("rules", POLICY)],
        ..SeededZone::spec(POLICY)
    };
    let zone = test.seed("acme", spec).await;
    Left::leave(dir.path(), &zone);
    test.engine.close().await;
    dir
}

/// Opens what is left, and holds it to everything that was acknowledged.
async fn check(dir: &Path, name: &str) {
    let test = TestEngine::embedded(dir, OpenOptions::default(), FakeClock::new()).await;
    let zone = Left::find(dir).unwrap();
    let events = zone.events(&test.engine).await;
    let mut revision = Revision(0);
    let mut ids = BTreeSet::new();
    for (index, event) in (0..).zip(&events) {
        assert_eq!(event.index, Some(index), "{name}");
        assert!(
            ids.insert(event.id),
            "{name}: `{}` is there twice",
            event.id
        );
        if let Some(found) = event.revision.map(Revision) {
            let next = Revision(revision.0 + 1);
            assert!(
                [revision, next].contains(&found),
                "{name}: {found:?} after {revision:?}"
            );
            revision = found;
        }
    }
    let count = |kind: EventType, is: &dyn Fn(&Event) -> bool| {
        let found = events
            .iter()
            .filter(|event| event.event_type == kind && is(event));
        found.count()
    };
    let acknowledged = std::fs::read_to_string(dir.join("acknowledged")).unwrap_or_default();
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    for line in acknowledged.lines() {
        let (what, id) = line.split_once(' ').unwrap();
        *counts.entry(what).or_default() += 1;
        let found = match what {
            "application" => count(EventType::ApplicationRegistered, &|event| {
                event.target.as_deref() == Some(id)
            }),
            "mandate" => count(EventType::MandateIssued, &|event| {
                event
                    .mandate
                    .is_some_and(|mandate| mandate.to_string() == id)
            }),
            _ => {
                let receipt: caracal_ledger::Receipt = id.parse().unwrap();
                let index = usize::try_from(receipt.index).unwrap();
                let log = events.get(index).unwrap().log.unwrap();
                assert_eq!(log, receipt.log, "{name}");
                count(EventType::CallStarted, &|event| {
                    event.index == Some(receipt.index)
                })
            }
        };
        assert_eq!(found, 1, "{name}: {line}");
    }
    let applications = test
        .engine
        .list_applications(zone.id, &test.admin(), None, 1000)
        .unwrap();
    let stored: BTreeSet<String> = applications
        .items
        .iter()
        .map(|a| a.value.id.to_string())
        .collect();
    for line in acknowledged.lines() {
        if let Some(id) = line.strip_prefix("application ") {
            assert!(stored.contains(id), "{name}: `{id}` is gone");
        }
    }
    // The appender is where the state is: each commit's events, exactly once.
    test.engine.close().await;
    drop(test);
    let store = Embedded::open(dir, OpenOptions::default()).unwrap();
    let commits = store
        .list_commits(zone.id, Revision(0), 100_000)
        .await
        .unwrap();
    assert_eq!(
        commits.last().unwrap().position.revision,
        revision,
        "{name}"
    );
    let mut committed = 0;
    for commit in &commits {
        for event in &commit.events {
            committed += 1;
            assert!(
                ids.contains(&event.id),
                "{name}: `{}` was not copied",
                event.id
            );
        }
    }
    let with_revision = events
        .iter()
        .filter(|event| event.revision.is_some())
        .count();
    assert_eq!(with_revision, committed, "{name}");
    StateStore::close(&store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_at_any_step_loses_nothing_and_repeats_nothing() {
    for step in Step::ALL {
        let dir = prepared().await;
        // Later and later, over what the one before left.
        for times in [0, 1, 2, 7, 20] {
            die(dir.path(), step, times);
            check(dir.path(), &format!("{step:?}:{times}")).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_while_recovering_loses_nothing_and_repeats_nothing() {
    let ledger = [
        Step::BeforeLedgerInsert,
        Step::AfterLedgerInsert,
        Step::BeforeLedgerCommit,
        Step::AfterLedgerCommit,
    ];
    for first in ledger {
        let dir = prepared().await;
        // A commit is in the state and its events are not in the ledger…
        die(dir.path(), Step::AfterStateCommit, 5);
        // …and whoever copies them dies as well, at every step in turn.
        die(dir.path(), first, 0);
        for then in ledger {
            die(dir.path(), then, 0);
        }
        check(dir.path(), &format!("{first:?}")).await;
    }
}
