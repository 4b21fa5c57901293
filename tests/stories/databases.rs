//! Databases that cannot be used: each is told apart, and none is touched.

use std::path::Path;

use rusqlite::Connection;

use crate::harness::{Output, Stack};

/// A home with data that no stack is using.
fn stopped() -> Stack {
    let stack = Stack::start();
    stack.apply("zone: acme\napplications: [{ name: anton }]\n");
    stack.cli(&["down"]).ok();
    assert!(
        !stack.file("state.db-wal").exists(),
        "a copy of `state.db` alone would not be whole"
    );
    stack
}

#[track_caller]
fn refused(stack: &Stack, words: &[&str]) {
    for command in [&["up"][..], &["serve"]] {
        let output: Output = stack.cli(command).fails(1);
        for word in words {
            assert!(
                output.stderr.contains(word),
                "no `{word}` in: {}",
                output.stderr
            );
        }
        assert!(!output.stderr.contains("panicked"), "{}", output.stderr);
    }
    stack.cli(&["status"]).fails(1);
}

/// Files beside a database come and go with every opening; the database itself must not change.
fn bytes(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

#[test]
fn a_file_that_is_no_database_is_left_alone() {
    for name in ["state.db", "ledger.db"] {
        let mut stack = stopped();
        let path = stack.file(name);
        let kept = stack.beside().join("kept");
        std::fs::rename(&path, &kept).unwrap();
        std::fs::write(&path, "dear diary").unwrap();
        if name == "state.db" {
            refused(&stack, &[name, "not a caracal database"]);
            assert_eq!(bytes(&path), b"dear diary");
            std::fs::rename(&kept, &path).unwrap();
        }
        // A damaged log does not stop `up`: it is put aside, and nothing is lost.
        stack.up();
        if name == "ledger.db" {
            let aside = std::fs::read_dir(&stack.home)
                .unwrap()
                .map(|e| e.unwrap().path());
            let aside = aside.filter(|p| p.is_file() && bytes(p) == b"dear diary");
            assert_eq!(aside.count(), 1, "the file is gone");
            assert!(stack.cli(&["logs"]).ok().stdout.contains("was moved to"));
        }
        assert_eq!(
            stack.cli(&["app", "list", "--json"]).ok().json()["items"][0]["name"],
            "anton"
        );
    }
}

#[test]
fn a_database_of_another_program_is_left_alone() {
    let stack = stopped();
    let path = stack.file("state.db");
    std::fs::remove_file(&path).unwrap();
    let other = Connection::open(&path).unwrap();
    other
        .execute_batch("CREATE TABLE bookmarks (url TEXT); INSERT INTO bookmarks VALUES ('x');")
        .unwrap();
    drop(other);
    let before = bytes(&path);
    refused(&stack, &["state.db", "another program"]);
    assert_eq!(bytes(&path), before);
}

#[test]
fn a_database_of_a_newer_release_is_left_alone() {
    for name in ["state.db", "ledger.db"] {
        let mut stack = stopped();
        let path = stack.file(name);
        let set = |version: u32| {
            let newer = Connection::open(&path).unwrap();
            newer.pragma_update(None, "user_version", version).unwrap();
            newer
                .pragma_update_and_check(None, "wal_checkpoint", "TRUNCATE", |_| Ok(()))
                .unwrap();
        };
        let known: u32 = Connection::open(&path)
            .unwrap()
            .pragma_query_value(None, "user_version", |r| r.get(0))
            .unwrap();
        set(99);
        let before = bytes(&path);
        refused(&stack, &[name, "newer", "99"]);
        assert_eq!(bytes(&path), before, "{name}");
        set(known);
        stack.up();
        assert_eq!(
            stack.cli(&["app", "list", "--json"]).ok().json()["items"][0]["name"],
            "anton"
        );
    }
}

#[test]
fn a_database_that_cannot_be_read_is_told_apart() {
    let mut stack = stopped();
    let path = stack.file("state.db");
    // A directory in its place cannot be read by any user, root included.
    let kept = stack.beside().join("kept");
    std::fs::rename(&path, &kept).unwrap();
    std::fs::create_dir(&path).unwrap();
    refused(&stack, &["state.db", "cannot be"]);
    std::fs::remove_dir(&path).unwrap();
    std::fs::rename(&kept, &path).unwrap();

    // The head of a database, and then nothing that makes sense.
    let whole = bytes(&path);
    let mut damaged = whole.clone();
    damaged[200..].fill(0x5a);
    std::fs::write(&path, &damaged).unwrap();
    refused(&stack, &["cannot be opened"]);
    std::fs::write(&path, &whole).unwrap();
    stack.up();
    assert_eq!(
        stack.cli(&["app", "list", "--json"]).ok().json()["items"][0]["name"],
        "anton"
    );
}

#[test]
fn the_search_index_is_made_again_when_it_is_lost() {
    let mut stack = stopped();
    for damage in [None, Some("nonsense")] {
        let path = stack.file("index.db");
        assert!(path.exists());
        for suffix in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(stack.file(&format!("index.db{suffix}")));
        }
        if let Some(text) = damage {
            std::fs::write(&path, text).unwrap();
        }
        stack.up();
        let types: Vec<_> = stack
            .events("acme")
            .iter()
            .map(|e| e["type"].clone())
            .collect();
        assert!(
            types.contains(&"zone.created".into())
                && types.contains(&"application.registered".into()),
            "{types:?}"
        );
        stack.cli(&["down"]).ok();
    }
}
