//! Whose file it is, and of which format.

use std::path::Path;

use caracal_store::{Embedded, LedgerFile, OpenOptions, StateStore, StoreError};
use rusqlite::Connection;

use super::open;

fn refused(dir: &Path) -> StoreError {
    let before = contents(dir);
    let error = Embedded::open(dir, OpenOptions::default()).unwrap_err();
    assert!(contents(dir) == before, "something was touched");
    error
}

fn contents(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().unwrap().is_file())
        .map(|entry| {
            (
                entry.file_name().into_string().unwrap(),
                std::fs::read(entry.path()).unwrap(),
            )
        })
        .collect();
    files.sort();
    files
}

#[test]
fn a_state_file_of_something_else_is_refused() {
    for content in [
        &b"not a database at all"[..],
        b"SQLite format 2\0 and more",
        b"x",
    ] {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("state.db"), content).unwrap();
        assert!(matches!(refused(dir.path()), StoreError::Foreign { .. }));
    }
    for sql in [
        "CREATE TABLE mine (a)",
        "PRAGMA application_id = 7",
        "PRAGMA user_version = 1",
    ] {
        let dir = tempfile::tempdir().unwrap();
        Connection::open(dir.path().join("state.db"))
            .unwrap()
            .execute_batch(sql)
            .unwrap();
        assert!(
            matches!(refused(dir.path()), StoreError::Foreign { .. }),
            "{sql}"
        );
    }
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("state.db")).unwrap();
    assert!(matches!(refused(dir.path()), StoreError::Unreadable { .. }));
}

#[test]
fn an_empty_file_is_a_new_store() {
    let dir = tempfile::tempdir().unwrap();
    for file in ["state.db", "ledger.db", "index.db"] {
        std::fs::write(dir.path().join(file), b"").unwrap();
    }
    assert_eq!(open(dir.path()).set_aside(), None);
}

#[test]
fn a_newer_file_is_refused() {
    for (file, format) in [("state.db", 2), ("ledger.db", 2)] {
        let dir = tempfile::tempdir().unwrap();
        drop(open(dir.path()));
        Connection::open(dir.path().join(file))
            .unwrap()
            .pragma_update(None, "user_version", 99)
            .unwrap();
        let error = refused(dir.path());
        assert!(
            matches!(&error, StoreError::Newer { found: 99, known, path } if *known == format && path.ends_with(file)),
            "{error}"
        );
    }
}

#[test]
fn a_ledger_of_another_program_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    Connection::open(dir.path().join("ledger.db"))
        .unwrap()
        .execute_batch("CREATE TABLE mine (a)")
        .unwrap();
    assert!(matches!(refused(dir.path()), StoreError::Foreign { .. }));
}

#[test]
fn the_marks_are_in_the_files_themselves() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    for (file, mark) in [
        ("state.db", b"CRCS"),
        ("ledger.db", b"CRCL"),
        ("index.db", b"CRCI"),
    ] {
        let bytes = std::fs::read(dir.path().join(file)).unwrap();
        assert_eq!(&bytes[68..72], mark, "{file}");
    }
}

#[test]
fn a_directory_without_a_ledger_has_none_to_read() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(
        LedgerFile::open_read_only(dir.path()),
        Err(StoreError::Unreadable { .. })
    ));
    assert!(contents(dir.path()).is_empty());
}

#[tokio::test]
async fn a_damaged_state_file_is_an_error_and_no_empty_store() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    let path = dir.path().join("state.db");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[100..].fill(0xff);
    std::fs::write(&path, bytes).unwrap();
    match Embedded::open(dir.path(), OpenOptions::default()) {
        Err(StoreError::Damaged(_) | StoreError::Unreadable { .. }) => {}
        Err(error) => panic!("{error:?}"),
        Ok(store) => assert!(store.list_zones().await.is_err()),
    }
}
