//! Old leaves go: what stays is provable, whoever dies or reads meanwhile.

#![expect(
    clippy::disallowed_methods,
    reason = "a process has to be started to be killed"
)]

use std::path::Path;
use std::sync::Arc;

use caracal_core::{CommitId, Revision, ZoneId};
use caracal_ledger::{
    LeafHash, LedgerError, LogVerifier, TileSource, TreeState, leaf_hash, open_checkpoint,
    prove_inclusion, verify_inclusion,
};
use caracal_store::{
    Commit, Embedded, EvidenceStore, LedgerFile, OpenOptions, Query, StateStore, Step, StoreError,
    Write,
};
use caracal_testkit::conformance::{TestLog, document, event};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::open;

/// Where the child works; set only in the child.
const DIR: &str = "CARACAL_TEST_PRUNE_DIR";
/// At which step it dies.
const STEP: &str = "CARACAL_TEST_PRUNE_STEP";

fn zone() -> ZoneId {
    ZoneId::from_uuid(Uuid::from_u128(77))
}

/// The time of the sample events, moved on.
fn after(days: i64) -> Timestamp {
    let time = event(zone()).time;
    time.checked_add(SignedDuration::from_hours(days * 24))
        .unwrap()
}

async fn fill(store: &Embedded, log: &TestLog, old: usize, young: usize) {
    let mut entries: Vec<_> = (0..old).map(|_| log.entry()).collect();
    for _ in 0..young {
        let mut event = event(zone());
        event.time = after(10);
        entries.push(log.entry_of(&event));
    }
    let mut entries = entries.into_iter().peekable();
    while entries.peek().is_some() {
        let some = entries.by_ref().take(500).collect();
        store.append(some).await.unwrap();
    }
}

async fn prune_to(store: &Embedded, log: &TestLog, below: u64) {
    let mut start = 0;
    while start < below {
        let next = store.prune(log.id, below, &log.verifier()).await.unwrap();
        assert!(next > start || next == 0, "{start} {next}");
        start = next;
    }
}

/// The tiles of a log, fetched beforehand.
struct Tiles<'a>(&'a rusqlite::Connection, String);

impl TileSource for Tiles<'_> {
    fn tile(&self, level: u8, n: u64, width: u16) -> Result<Vec<u8>, LedgerError> {
        let data: Result<Vec<u8>, _> = self.0.query_row(
            "SELECT data FROM tiles WHERE log = $1 AND level = $2 AND n = $3",
            (&self.1, level, i64::try_from(n).unwrap()),
            |row| row.get(0),
        );
        let mut data = data.map_err(|error| LedgerError::Source(error.to_string()))?;
        data.truncate(usize::from(width) * 32);
        Ok(data)
    }
}

/// Everything that is kept hashes to what was signed, and each kept leaf can be proved.
async fn check(dir: &Path, log: &TestLog, start: u64, size: u64) {
    let store = open(dir);
    let head = store.head(log.id).await.unwrap();
    assert!(!head.damaged);
    assert_eq!(head.size, size);
    let pruned = store.pruned(log.id).await.unwrap();
    assert_eq!(pruned.size, start);
    let note = head.checkpoint.unwrap();
    let signed = open_checkpoint(&note, &log.verifier()).unwrap();
    let leaves = store.read(log.id, 0, usize::MAX).await.unwrap();
    assert_eq!(leaves.first().map(|(index, _)| *index), Some(start));
    let mut tree = pruned.clone();
    leaves
        .iter()
        .for_each(|(_, leaf)| tree.append(leaf_hash(leaf)));
    assert_eq!((tree.size, tree.root()), (signed.size, signed.root));
    let query = Query {
        zone: Some(zone()),
        ascending: true,
        limit: 50,
        ..Query::default()
    };
    let found = store.search(query).await.unwrap();
    // Another log of the zone may have older ones.
    let of_log = format!("\"log\":\"{}\"", log.id);
    let mut found = found.leaves.iter().map(|(_, leaf)| leaf);
    let oldest = found.find(|leaf| String::from_utf8_lossy(leaf).contains(&of_log));
    assert_eq!(oldest, Some(&leaves[0].1));
    drop(store);

    let index = rusqlite::Connection::open(dir.join("index.db")).unwrap();
    let tiles = Tiles(&index, log.id.to_string());
    for (index, leaf) in [
        &leaves[0],
        &leaves[leaves.len() / 2],
        &leaves[leaves.len() - 1],
    ] {
        let proof = prove_inclusion(&tiles, *index, signed.size).unwrap();
        assert_eq!(proof.leaf, leaf_hash(leaf));
        verify_inclusion(&proof, &signed.root).unwrap();
    }
    let file = LedgerFile::open_read_only(dir).unwrap();
    assert_eq!(file.pruned(log.id).unwrap(), pruned);
    let (first, hashes) = file.leaf_hashes(log.id);
    assert!(first <= start && first + hashes.len() as u64 == size);
    let skipped = usize::try_from(start - first).unwrap();
    assert_eq!(hashes[skipped], leaf_hash(&leaves[0].1));
    let mut verifier = LogVerifier::new(log.id, Some(&log.verifier()));
    verifier.expect_checkpoint(&note, "the ledger");
    verifier.hint_leaf_hashes_from(first, hashes.into_iter());
    verifier.start_after(pruned);
    for (index, leaf) in &leaves {
        verifier.leaf(*index, leaf);
    }
    let report = verifier.finish();
    assert_eq!(report.covered, size);
    // The sample has no event that announces it; the engine's logs have.
    let bad = report.first_bad.map(|bad| bad.index);
    assert_eq!(bad, (start > 0).then_some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_stays_provable_also_when_the_index_is_built_anew() {
    let home = tempfile::tempdir().unwrap();
    let (log, other) = (TestLog::new(zone()), TestLog::new(zone()));
    let store = open(home.path());
    log.open(&store).await;
    other.open(&store).await;
    fill(&store, &log, 700, 0).await;
    fill(&store, &other, 20, 0).await;
    fill(&store, &log, 600, 100).await;

    let found = store.find_prunable(log.id, after(5), 1000).await.unwrap();
    assert_eq!(
        found.map(|found| (found.start, found.below)),
        Some((0, 1000))
    );
    let found = store.find_prunable(log.id, after(5), 10_000).await.unwrap();
    let found = found.unwrap();
    assert_eq!((found.below, found.is_idle), (1300, false));
    assert_eq!(found.oldest, after(0));
    assert_eq!(
        store.find_prunable(log.id, after(0), 10).await.unwrap(),
        None
    );

    for below in [1, 255, 256, 300, 1300] {
        prune_to(&store, &log, below).await;
        assert_eq!(store.pruned(log.id).await.unwrap().size, below);
    }
    let found = store.find_prunable(log.id, after(5), 10_000).await.unwrap();
    assert_eq!(found, None);
    assert_eq!(store.read(other.id, 0, 100).await.unwrap().len(), 20);
    drop(store);
    check(home.path(), &log, 1300, 1400).await;

    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(home.path().join(format!("index.db{suffix}")));
    }
    check(home.path(), &log, 1300, 1400).await;
    let store = open(home.path());
    log.open(&store).await;
    fill(&store, &log, 0, 300).await;
    prune_to(&store, &log, 1600).await;
    store.rebuild_index().await.unwrap();
    drop(store);
    check(home.path(), &log, 1600, 1700).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_leaf_stays_and_what_was_tampered_with_too() {
    let home = tempfile::tempdir().unwrap();
    let log = TestLog::new(zone());
    let store = open(home.path());
    log.open(&store).await;
    fill(&store, &log, 400, 0).await;
    // The index has all leaves as they were signed.
    assert_eq!(store.read(log.id, 0, 400).await.unwrap().len(), 400);
    let tampering = rusqlite::Connection::open(home.path().join("ledger.db")).unwrap();
    tampering
        .busy_timeout(std::time::Duration::from_secs(10))
        .unwrap();
    let damage =
        "UPDATE events SET body = replace(CAST(body AS TEXT), 'req_', 'rex_') WHERE seq = 300";
    tampering.execute(damage, []).unwrap();
    assert_eq!(
        store.prune(log.id, 400, &log.verifier()).await.unwrap(),
        256
    );
    let refused = store.prune(log.id, 400, &log.verifier()).await;
    assert!(
        matches!(refused, Err(StoreError::Damaged(_))),
        "{refused:?}"
    );
    assert_eq!(store.pruned(log.id).await.unwrap().size, 256);
    let other = TestLog::new(zone());
    let refused = store.prune(log.id, 400, &other.verifier()).await;
    assert!(
        matches!(refused, Err(StoreError::Damaged(_))),
        "{refused:?}"
    );
    let repair =
        "UPDATE events SET body = CAST(replace(body, 'rex_', 'req_') AS BLOB) WHERE seq = 300";
    tampering.execute(repair, []).unwrap();
    for _ in 0..3 {
        store.prune(log.id, 4000, &log.verifier()).await.unwrap();
    }
    assert_eq!(store.pruned(log.id).await.unwrap().size, 399);
    tampering
        .execute("DELETE FROM events WHERE seq = 400", [])
        .unwrap();
    fill(&store, &log, 2, 0).await;
    let refused = store.prune(log.id, 401, &log.verifier()).await;
    assert!(
        matches!(refused, Err(StoreError::Damaged(_))),
        "{refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_write_and_read_go_on() {
    let home = tempfile::tempdir().unwrap();
    let log = Arc::new(TestLog::new(zone()));
    let store = Arc::new(open(home.path()));
    log.open(&*store).await;
    fill(&store, &log, 6000, 10).await;
    let pruning = tokio::spawn({
        let (store, log) = (Arc::clone(&store), Arc::clone(&log));
        async move { prune_to(&store, &log, 6000).await }
    });
    let mut appended = 0;
    while !pruning.is_finished() {
        fill(&store, &log, 0, 5).await;
        appended += 5;
        let leaves = store.read(log.id, 0, 300).await.unwrap();
        let first = leaves[0].0;
        let consecutive = (first..).zip(&leaves).all(|(n, (index, _))| n == *index);
        assert!(consecutive, "what is read has no gap");
        // A verifier sees one moment of the file.
        let file = LedgerFile::open_read_only(home.path()).unwrap();
        let start = file.pruned(log.id).unwrap().size;
        let row = file.rows().next().unwrap().unwrap().1;
        assert!(String::from_utf8_lossy(&row).contains(&format!("\"index\":{start},")));
    }
    pruning.await.unwrap();
    drop(store);
    check(home.path(), &log, 6000, 6010 + appended).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_space_of_old_leaves_is_used_again() {
    let home = tempfile::tempdir().unwrap();
    let log = TestLog::new(zone());
    let store = open(home.path());
    log.open(&store).await;
    let pages = || {
        let file = rusqlite::Connection::open(home.path().join("ledger.db")).unwrap();
        let count =
            "SELECT (SELECT * FROM pragma_page_count()) - (SELECT * FROM pragma_freelist_count())";
        let all: i64 = file
            .query_row("SELECT * FROM pragma_page_count()", [], |row| row.get(0))
            .unwrap();
        let used: i64 = file.query_row(count, [], |row| row.get(0)).unwrap();
        (all, used)
    };
    fill(&store, &log, 8000, 0).await;
    let (full, _) = pages();
    for round in 1..=4 {
        prune_to(&store, &log, round * 7000).await;
        let (_, used) = pages();
        assert!(used < full / 4, "{used} of {full} pages are used");
        fill(&store, &log, 7000, 0).await;
        let (all, _) = pages();
        assert!(all <= full + full / 8, "{all} pages after {full}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_becomes_smaller() {
    let home = tempfile::tempdir().unwrap();
    let log = TestLog::new(zone());
    let store = open(home.path());
    log.open(&store).await;
    fill(&store, &log, 8000, 0).await;
    let pages = || -> i64 {
        let file = rusqlite::Connection::open(home.path().join("ledger.db")).unwrap();
        file.query_row("SELECT * FROM pragma_page_count()", [], |row| row.get(0))
            .unwrap()
    };
    let full = pages();
    prune_to(&store, &log, 7900).await;
    let left = pages();
    assert!(left * 2 < full, "{left} pages after {full}");
    // The disk has it back with the next checkpoint.
    let size = || {
        std::fs::metadata(home.path().join("ledger.db"))
            .unwrap()
            .len()
    };
    for _ in 0..1000 {
        if size() == u64::try_from(left).unwrap() * 4096 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(size(), u64::try_from(left).unwrap() * 4096);
    drop(store);
    check(home.path(), &log, 7900, 8000).await;
}

type Rows = Vec<(i64, i64, i64, String)>;

/// What an index says about where leaves are.
fn dump(dir: &Path) -> (Rows, usize) {
    let index = rusqlite::Connection::open(dir.join("index.db")).unwrap();
    let rows = "SELECT block, earliest, latest, '' FROM blocks
                UNION ALL SELECT block, term, 0, 'term' FROM terms
                UNION ALL SELECT block, first, last, log FROM ranges ORDER BY 1, 2, 3, 4";
    let mut statement = index.prepare(rows).unwrap();
    let rows = statement
        .query_map([], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })
        .unwrap();
    let rows: Rows = rows.map(Result::unwrap).collect();
    let blocks = rows.iter().filter(|row| row.3.is_empty()).count();
    (rows, blocks)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_index_says_of_old_leaves_goes_too() {
    let home = tempfile::tempdir().unwrap();
    let (log, other) = (TestLog::new(zone()), TestLog::new(zone()));
    let store = open(home.path());
    log.open(&store).await;
    other.open(&store).await;
    fill(&store, &log, 1500, 0).await;
    fill(&store, &other, 20, 0).await;
    fill(&store, &log, 3000, 100).await;
    prune_to(&store, &log, 4500).await;
    drop(store);
    // It happens beside everything else, at a start and from then on each minute.
    let store = open(home.path());
    let mut cleaned = dump(home.path());
    for _ in 0..1000 {
        if cleaned.1 == 2 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        cleaned = dump(home.path());
    }
    assert_eq!(cleaned.1, 2, "of five blocks two have leaves");
    assert_eq!(store.read(other.id, 0, 100).await.unwrap().len(), 20);
    drop(store);
    check(home.path(), &log, 4500, 4600).await;
    std::fs::remove_file(home.path().join("index.db")).unwrap();
    check(home.path(), &log, 4500, 4600).await;
    assert_eq!(dump(home.path()), cleaned, "as if it were built anew");
}

/// Not a test of its own: what [`a_death_at_any_step_leaves_what_verifies`] starts and kills.
#[tokio::test(flavor = "multi_thread")]
async fn child() {
    let (Ok(dir), Ok(step)) = (std::env::var(DIR), std::env::var(STEP)) else {
        return;
    };
    let dir = Path::new(&dir);
    let passed = std::sync::atomic::AtomicU32::new(0);
    let on_step: caracal_store::StepHook = Arc::new(move |at: Step| {
        let is_it = format!("{at:?}") == step;
        if is_it && passed.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 1 {
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
    fill(&store, &log, 700, 300).await;
    let kept = format!("{} {}", log.id, log.verifier());
    std::fs::write(dir.join("log"), kept).unwrap();
    prune_to(&store, &log, 700).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_death_at_any_step_leaves_what_verifies() {
    for (step, start) in [
        (Step::BeforePruneCommit, 256),
        (Step::AfterPruneCommit, 512),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let status = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "prune::child"])
            .env(DIR, dir.path())
            .env(STEP, format!("{step:?}"))
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .status()
            .unwrap();
        assert!(!status.success(), "it was to be killed at {step:?}");
        let kept = std::fs::read_to_string(dir.path().join("log")).unwrap();
        let (id, verifier) = kept.split_once(' ').unwrap();
        let id = id.parse().unwrap();
        let store = open(dir.path());
        let head = store.head(id).await.unwrap();
        let pruned = store.pruned(id).await.unwrap();
        assert_eq!((head.size, pruned.size), (1000, start), "{step:?}");
        let mut tree: TreeState = pruned;
        for (_, leaf) in store.read(id, 0, usize::MAX).await.unwrap() {
            tree.append(LeafHash(leaf_hash(&leaf).0));
        }
        let signed = open_checkpoint(&head.checkpoint.unwrap(), verifier).unwrap();
        assert_eq!((tree.size, tree.root()), (1000, signed.root), "{step:?}");
        // It goes on where it was.
        let mut next = start;
        while next < 700 {
            next = store.prune(id, 700, verifier).await.unwrap();
        }
        assert_eq!(store.pruned(id).await.unwrap().size, 700);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn old_commits_go_and_the_position_stays() {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path());
    let id = |n| Uuid::from_u64_pair(7, n);
    let mut position = None;
    for n in 1..=30 {
        let commit = Commit {
            id: CommitId::from_uuid(id(n)),
            zone: zone(),
            reads: Vec::new(),
            writes: vec![Write::Put(document(zone(), id(n), 1))],
            events: vec![event(zone())],
        };
        position = Some(store.commit(commit).await.unwrap());
    }
    let forget = |below, limit| store.forget_commits(zone(), Revision(below), limit);
    assert_eq!(forget(21, 15).await.unwrap(), 15);
    assert_eq!(forget(21, 15).await.unwrap(), 5);
    assert_eq!(forget(21, 15).await.unwrap(), 0);
    let left = store.list_commits(zone(), Revision(0), 100).await.unwrap();
    assert_eq!((left.len(), left[0].position.revision), (10, Revision(21)));
    let find = |n| store.find_commit(zone(), CommitId::from_uuid(id(n)));
    assert_eq!(find(20).await.unwrap(), None);
    assert_eq!(find(30).await.unwrap(), position);
    drop(store);
    let store = open(home.path());
    let snapshot = store.load(zone()).await.unwrap();
    assert_eq!(
        (Some(snapshot.position), snapshot.documents.len()),
        (position, 30)
    );
}
