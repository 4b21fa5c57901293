//! Processes that end in the middle of something.

#![expect(
    clippy::disallowed_methods,
    reason = "a process has to be started to be killed"
)]

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use caracal_core::{CommitId, Revision, ZoneId};
use caracal_ledger::{LeafHash, TreeState, leaf_hash};
use caracal_store::{Commit, Embedded, EvidenceStore, OpenOptions, StateStore, Step, Write};
use caracal_testkit::conformance::{TestLog, document, event};
use uuid::Uuid;

use super::open;

/// Where the child works; set only in the child.
const DIR: &str = "CARACAL_TEST_KILL_DIR";
/// At which step it dies.
const STEP: &str = "CARACAL_TEST_KILL_STEP";
/// How often it passes that step before.
const TIMES: u32 = 20;

fn id(n: u64) -> Uuid {
    Uuid::from_u64_pair(7, n)
}

fn zone() -> ZoneId {
    ZoneId::from_uuid(id(0))
}

/// Not a test of its own: what [`nothing_that_was_acknowledged_is_lost`] starts and kills.
#[tokio::test(flavor = "multi_thread")]
async fn child() {
    let (Ok(dir), Ok(step)) = (std::env::var(DIR), std::env::var(STEP)) else {
        return;
    };
    let dir = Path::new(&dir);
    let left = AtomicU32::new(TIMES);
    let on_step: caracal_store::StepHook = Arc::new(move |at: Step| {
        if format!("{at:?}") == step && left.fetch_sub(1, Ordering::Relaxed) == 0 {
            std::process::abort();
        }
    });
    let options = OpenOptions {
        on_step: Some(on_step),
        ..OpenOptions::default()
    };
    let store = Embedded::open(dir, options).unwrap();
    let log = TestLog::new(zone());
    log.open(&store).await;
    let mut acknowledged = std::fs::File::create(dir.join("acknowledged")).unwrap();
    writeln!(acknowledged, "log {}", log.id).unwrap();
    for n in 1.. {
        let writes = vec![Write::Put(document(zone(), id(n), 1))];
        let events = vec![event(zone())];
        let commit = Commit {
            id: CommitId::from_uuid(id(n)),
            zone: zone(),
            reads: Vec::new(),
            writes,
            events,
        };
        store.commit(commit).await.unwrap();
        writeln!(acknowledged, "commit {n}").unwrap();
        let receipts = store.append(vec![log.entry(), log.entry()]).await.unwrap();
        for receipt in receipts {
            writeln!(
                acknowledged,
                "leaf {} {}",
                receipt.index,
                receipt.leaf.to_base64()
            )
            .unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_was_acknowledged_is_lost() {
    for step in Step::ALL {
        let dir = tempfile::tempdir().unwrap();
        let status = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "kill::child"])
            .env(DIR, dir.path())
            .env(STEP, format!("{step:?}"))
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .status()
            .unwrap();
        assert!(!status.success(), "it was to be killed at {step:?}");
        check(dir.path(), step).await;
    }
}

async fn check(dir: &Path, step: Step) {
    let store = open(dir);
    let acknowledged = std::fs::read_to_string(dir.join("acknowledged")).unwrap();
    let log = acknowledged
        .lines()
        .next()
        .and_then(|line| line.strip_prefix("log "))
        .unwrap()
        .parse()
        .unwrap();
    let head = store.head(log).await.unwrap();
    assert!(!head.damaged, "{step:?}");
    let leaves = store.read(log, 0, usize::MAX).await.unwrap();
    let mut tree = TreeState::new();
    leaves
        .iter()
        .for_each(|(_, leaf)| tree.append(leaf_hash(leaf)));
    assert_eq!(
        tree,
        TreeState {
            size: head.size,
            edge: head.edge
        },
        "{step:?}"
    );
    assert_eq!(head.size % 2, 0, "all leaves of a call or none: {step:?}");

    let (mut commits, mut appended) = (0, 0);
    for line in acknowledged.lines().skip(1) {
        let words: Vec<_> = line.split(' ').collect();
        match words[..] {
            ["commit", n] => {
                let n: u64 = n.parse().unwrap();
                let position = store
                    .find_commit(zone(), CommitId::from_uuid(id(n)))
                    .await
                    .unwrap();
                assert_eq!(position.unwrap().revision, Revision(n), "{step:?}");
                commits = n;
            }
            ["leaf", index, hash] => {
                let index: usize = index.parse().unwrap();
                assert_eq!(
                    LeafHash::from_base64(hash),
                    Some(leaf_hash(&leaves[index].1)),
                    "{step:?}"
                );
                appended += 1;
            }
            _ => panic!("{line}"),
        }
    }
    assert!(commits >= u64::from(TIMES) && appended >= u64::from(TIMES) - 1);
    // What was in flight happened as a whole or not at all.
    let stored = store.load(zone()).await.unwrap();
    assert_eq!(stored.documents.len() as u64, stored.position.revision.0);
    assert!(
        [commits, commits + 1].contains(&stored.position.revision.0),
        "{step:?}"
    );
    assert!([appended, appended + 2].contains(&head.size), "{step:?}");
    assert_eq!(
        stored.position.revision.0 == commits + 1,
        step == Step::AfterStateCommit,
        "{step:?}"
    );
    assert_eq!(
        head.size == appended + 2,
        step == Step::AfterLedgerCommit,
        "{step:?}"
    );
}
