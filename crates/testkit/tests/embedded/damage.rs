//! Files that somebody tampered with, or lost.

use std::path::Path;

use caracal_core::Event;
use caracal_ledger::{TreeState, leaf_hash};
use caracal_store::{Embedded, EvidenceStore, LedgerFile, Query, StoreError};
use caracal_testkit::conformance::{Ids, TestLog, event};
use rusqlite::Connection;

use super::open;

const LEAVES: u64 = 300;

/// A directory whose ledger has one log of 300 leaves.
async fn filled(dir: &Path) -> TestLog {
    let store = open(dir);
    let log = TestLog::new(Ids::zone());
    log.open(&store).await;
    store
        .append((0..LEAVES).map(|_| log.entry()).collect())
        .await
        .unwrap();
    found(&store, &log).await;
    store.close().await;
    log
}

async fn found(store: &Embedded, log: &TestLog) -> u64 {
    let query = Query {
        zone: Some(log.zone),
        limit: 10_000,
        ..Query::default()
    };
    store.search(query).await.unwrap().leaves.len() as u64
}

fn tamper(dir: &Path, file: &str, sql: &str) {
    Connection::open(dir.join(file))
        .unwrap()
        .execute_batch(sql)
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_whose_end_is_gone_is_damaged_and_others_go_on() {
    for sql in [
        "DELETE FROM events WHERE seq = 300",
        "DELETE FROM events WHERE seq > 100",
        "DELETE FROM events",
        "UPDATE events SET body = CAST('{}' AS BLOB) WHERE seq = 300",
        "UPDATE events SET body = NULL WHERE seq = 300",
        "UPDATE events SET body = CAST(body AS TEXT) WHERE seq = 300",
        "UPDATE heads SET size = size - 1",
        "UPDATE heads SET size = -1",
        "UPDATE heads SET edge = x'00'",
        "UPDATE heads SET edge = zeroblob(length(edge))",
        "UPDATE heads SET edge = 'text'",
        "UPDATE heads SET revision = 'x'",
        "UPDATE heads SET checkpoint = NULL",
        "UPDATE heads SET last_seq = 299",
        "UPDATE heads SET last_leaf = x'00'",
        "DELETE FROM heads",
    ] {
        let dir = tempfile::tempdir().unwrap();
        let log = filled(dir.path()).await;
        tamper(dir.path(), "ledger.db", sql);
        let store = open(dir.path());
        assert_eq!(store.set_aside(), None);
        let head = store.head(log.id).await.unwrap();
        assert!(head.damaged, "{sql}");
        if !sql.starts_with("DELETE FROM heads") {
            let Ok(state) = std::panic::catch_unwind(|| {
                log.at(TreeState {
                    size: head.size,
                    edge: head.edge,
                })
            }) else {
                continue;
            };
            assert!(
                matches!(store.open_log(state).await, Err(StoreError::Damaged(_))),
                "{sql}"
            );
        }
        // A new log takes its place; no sequence number is used again.
        let next = TestLog::new(log.zone);
        next.open(&store).await;
        assert_eq!(store.append(vec![next.entry()]).await.unwrap()[0].index, 0);
        assert!(
            *store.tail().borrow() > LEAVES || sql.starts_with("DELETE FROM"),
            "{sql}"
        );
        assert_eq!(store.read(next.id, 0, 10).await.unwrap().len(), 1, "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leaf_in_the_middle_stops_nobody_and_its_stored_hash_stays() {
    let deep = format!(
        "UPDATE events SET body = CAST('{}' AS BLOB) WHERE seq = 7",
        "[".repeat(50_000)
    );
    for sql in [
        "UPDATE events SET body = CAST(replace(CAST(body AS TEXT), 'application', 'resource') AS BLOB) WHERE seq = 7",
        "UPDATE events SET body = x'ff00fe' WHERE seq = 7",
        "UPDATE events SET body = 7 WHERE seq = 7",
        "DELETE FROM events WHERE seq = 7",
        "INSERT INTO events VALUES (-5, x'00'), (301, CAST('{\"log\":7,\"index\":-1}' AS BLOB))",
        &deep,
    ] {
        for rebuild in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            let log = filled(dir.path()).await;
            let hashes = LedgerFile::open_read_only(dir.path())
                .unwrap()
                .leaf_hashes(log.id)
                .1;
            assert_eq!(hashes.len() as u64, LEAVES);
            tamper(dir.path(), "ledger.db", sql);
            if rebuild {
                std::fs::remove_file(dir.path().join("index.db")).unwrap();
            }
            let store = open(dir.path());
            log.open(&store).await;
            assert_eq!(
                store.append(vec![log.entry()]).await.unwrap()[0].index,
                LEAVES,
                "{sql}"
            );
            assert!(found(&store, &log).await >= LEAVES, "{sql}");
            store.close().await;
            let file = LedgerFile::open_read_only(dir.path()).unwrap();
            if !rebuild {
                assert_eq!(file.leaf_hashes(log.id).1[..300], hashes, "the hint stays");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreadable_ledger_is_set_aside() {
    let damage: [fn(&Path); 4] = [
        |path| std::fs::write(path, b"no database").unwrap(),
        |path| {
            let mut bytes = std::fs::read(path).unwrap();
            bytes[100..].fill(0xee);
            std::fs::write(path, bytes).unwrap();
        },
        |path| {
            Connection::open(path)
                .unwrap()
                .execute_batch("DROP TABLE events")
                .unwrap()
        },
        |path| {
            Connection::open(path)
                .unwrap()
                .execute_batch("DROP TABLE heads")
                .unwrap()
        },
    ];
    for (n, damage) in damage.iter().enumerate() {
        let dir = tempfile::tempdir().unwrap();
        let log = filled(dir.path()).await;
        for round in 1..=2 {
            damage(&dir.path().join("ledger.db"));
            let store = open(dir.path());
            let aside = dir.path().join(format!("ledger.db.damaged-{round}"));
            assert_eq!(store.set_aside(), Some(aside.clone()), "damage {n}");
            assert!(aside.exists());
            assert!(
                store.head(log.id).await.unwrap().damaged,
                "the log that was lost is not begun again"
            );
            let next = TestLog::new(log.zone);
            next.open(&store).await;
            store.append(vec![next.entry()]).await.unwrap();
            assert_eq!(
                found(&store, &next).await,
                1,
                "the index is that of the new ledger"
            );
            store.close().await;
            drop(store);
            let store = open(dir.path());
            assert_eq!(store.set_aside(), None);
            assert!(store.head(log.id).await.unwrap().damaged);
            assert!(!store.head(next.id).await.unwrap().damaged);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_or_emptied_ledger_leaves_damaged_logs() {
    let loss: [fn(&Path); 2] = [
        |path| std::fs::remove_file(path).unwrap(),
        |path| std::fs::write(path, b"").unwrap(),
    ];
    for lose in loss {
        let dir = tempfile::tempdir().unwrap();
        let log = filled(dir.path()).await;
        lose(&dir.path().join("ledger.db"));
        let store = open(dir.path());
        assert!(store.head(log.id).await.unwrap().damaged);
        assert_eq!(found(&store, &log).await, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_does_not_fit_is_built_anew() {
    let damage: [fn(&Path); 7] = [
        |path| std::fs::remove_file(path).unwrap(),
        |path| std::fs::write(path, b"no database").unwrap(),
        |path| {
            let mut bytes = std::fs::read(path).unwrap();
            bytes[100..].fill(0xee);
            std::fs::write(path, bytes).unwrap();
        },
        |path| {
            Connection::open(path)
                .unwrap()
                .execute_batch("DROP TABLE tiles")
                .unwrap()
        },
        |path| {
            Connection::open(path)
                .unwrap()
                .execute_batch("PRAGMA user_version = 2")
                .unwrap()
        },
        |path| {
            Connection::open(path)
                .unwrap()
                .execute_batch("UPDATE meta SET value = 9999 WHERE key = 'seq'")
                .unwrap()
        },
        |path| {
            Connection::open(path)
                .unwrap()
                .execute_batch("UPDATE meta SET value = zeroblob(16) WHERE key = 'ledger'")
                .unwrap()
        },
    ];
    for damage in damage {
        let dir = tempfile::tempdir().unwrap();
        let log = filled(dir.path()).await;
        damage(&dir.path().join("index.db"));
        let store = open(dir.path());
        assert_eq!(found(&store, &log).await, LEAVES);
        assert_eq!(store.tile(log.id, 0, 1, 44).await.unwrap().len(), 44 * 32);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_lags_catches_up_and_one_that_breaks_later_is_built_anew() {
    let dir = tempfile::tempdir().unwrap();
    let log = filled(dir.path()).await;
    let old = std::fs::read(dir.path().join("index.db")).unwrap();
    {
        let store = open(dir.path());
        log.open(&store).await;
        store
            .append((0..10).map(|_| log.entry()).collect())
            .await
            .unwrap();
        store.close().await;
    }
    std::fs::write(dir.path().join("index.db"), old).unwrap();
    let store = open(dir.path());
    assert_eq!(found(&store, &log).await, LEAVES + 10);
    log.open(&store).await;
    store.close().await;
    drop(store);
    // Its right edge is gone: it is noticed with the next leaf.
    tamper(dir.path(), "index.db", "DELETE FROM tiles");
    let store = open(dir.path());
    log.open(&store).await;
    store.append(vec![log.entry()]).await.unwrap();
    assert_eq!(found(&store, &log).await, LEAVES + 11);
    assert_eq!(store.tile(log.id, 0, 1, 55).await.unwrap().len(), 55 * 32);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ledger_can_be_read_without_a_server() {
    let dir = tempfile::tempdir().unwrap();
    let log = filled(dir.path()).await;
    let store = open(dir.path());
    log.open(&store).await;
    let before = LedgerFile::open_read_only(dir.path()).unwrap();
    let more: Vec<_> = (0..2000).map(|_| event(log.zone)).collect();
    store
        .append(more.iter().map(|event| log.entry_of(event)).collect())
        .await
        .unwrap();
    found(&store, &log).await;
    assert_eq!(before.rows().count(), 300, "it sees one moment");

    let file = LedgerFile::open_read_only(dir.path()).unwrap();
    let rows: Vec<_> = file.rows().collect::<Result<_, _>>().unwrap();
    assert!(rows.iter().map(|(seq, _)| *seq).eq(1..=2300));
    let last: Event = serde_json::from_slice(&rows.last().unwrap().1).unwrap();
    assert_eq!(last.id, more.last().unwrap().id);
    let hashes: Vec<_> = rows.iter().map(|(_, leaf)| leaf_hash(leaf)).collect();
    assert_eq!(file.leaf_hashes(log.id).1, hashes);
    let heads = file.heads().unwrap();
    assert_eq!(
        (heads.len(), heads[0].log, heads[0].size),
        (1, log.id, 2300)
    );
    assert_eq!(
        heads[0].checkpoint,
        store.head(log.id).await.unwrap().checkpoint
    );
}
