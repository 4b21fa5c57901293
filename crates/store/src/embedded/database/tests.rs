//! Formats: bringing an older file to a newer one, and refusing what is newer.

use super::*;

const FIRST: (&str, &str) = (
    "V1__first",
    "CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT NOT NULL); INSERT INTO things (name) VALUES ('kept');",
);

const OLD: Design = Design {
    application_id: 7,
    format: 1,
    shrinks: false,
    migrations: &[FIRST],
};

const NEW: Design = Design {
    application_id: 7,
    format: 3,
    shrinks: false,
    migrations: &[
        FIRST,
        (
            "V2__more",
            "ALTER TABLE things ADD COLUMN size INTEGER NOT NULL DEFAULT 4;",
        ),
        ("V3__larger", "UPDATE things SET size = 5;"),
    ],
};

const BROKEN: Design = Design {
    application_id: 7,
    format: 3,
    shrinks: false,
    migrations: &[
        FIRST,
        (
            "V2__more",
            "ALTER TABLE things ADD COLUMN size INTEGER NOT NULL DEFAULT 4;",
        ),
        ("V3__wrong", "INSERT INTO nowhere VALUES (1);"),
    ],
};

fn names(path: &Path) -> Vec<String> {
    let connection = Connection::open(path).unwrap();
    let mut statement = connection.prepare("SELECT name FROM things").unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

fn bak(path: &Path, suffix: &str) -> std::path::PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[test]
fn an_older_file_is_copied_and_then_brought_to_the_new_format() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f.db");
    let old = open(&path, &OLD).unwrap();
    // What still stands in the WAL has to come along.
    old.execute("INSERT INTO things (name) VALUES ('late')", [])
        .unwrap();
    std::mem::forget(old);
    let new = open(&path, &NEW).unwrap();
    assert_eq!(pragma(&new, "user_version").unwrap(), 3);
    let size: i64 = new
        .query_row("SELECT min(size) FROM things", [], |row| row.get(0))
        .unwrap();
    assert_eq!(size, 5);
    drop(new);
    // The copy is a whole database of the old format, which the old release can go on with.
    let kept = bak(&path, ".v1.bak");
    assert_eq!(names(&kept), ["kept", "late"]);
    let again = open(&kept, &OLD).unwrap();
    assert_eq!(pragma(&again, "user_version").unwrap(), 1);
    // The old release refuses the new file, by name.
    let refused = open(&path, &OLD).unwrap_err().to_string();
    for word in ["f.db", "format 3", "up to 1", env!("CARGO_PKG_VERSION")] {
        assert!(refused.contains(word), "{refused}");
    }
    // Opening it again copies nothing.
    drop(open(&path, &NEW).unwrap());
    assert!(!bak(&path, ".v1.bak-2").exists());
}

#[test]
fn a_migration_that_fails_leaves_the_old_file_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f.db");
    drop(open(&path, &OLD).unwrap());
    for suffix in [".v1.bak", ".v1.bak-2"] {
        let error = open(&path, &BROKEN).unwrap_err();
        assert!(
            matches!(&error, StoreError::Migration { copy, .. } if copy.ends_with(suffix)),
            "{error}"
        );
        assert!(error.to_string().contains("nowhere"), "{error}");
        assert!(bak(&path, suffix).exists());
    }
    // The release that wrote it goes on, and so does one whose migration works.
    let old = open(&path, &OLD).unwrap();
    assert_eq!(pragma(&old, "user_version").unwrap(), 1);
    drop(old);
    assert_eq!(names(&path), ["kept"]);
    let new = open(&path, &NEW).unwrap();
    assert_eq!(pragma(&new, "user_version").unwrap(), 3);
}

#[test]
fn a_copy_is_of_one_moment_while_others_write() {
    let dir = tempfile::tempdir().unwrap();
    let (path, to) = (dir.path().join("f.db"), dir.path().join("copy.db"));
    let writer = open(&path, &OLD).unwrap();
    for _ in 0..3000 {
        writer
            .execute(
                "INSERT INTO things (name) VALUES (hex(randomblob(2000)))",
                [],
            )
            .unwrap();
    }
    let reader = open_read_only(&path).unwrap();
    reader
        .execute_batch("BEGIN; SELECT count(*) FROM things;")
        .unwrap();
    let mut told = Vec::new();
    copy(&reader, &to, &mut |done, all| {
        told.push((done, all));
        writer
            .execute("INSERT INTO things (name) VALUES ('later')", [])
            .unwrap();
    })
    .unwrap();
    assert!(told.len() > 2 && told.is_sorted(), "{told:?}");
    assert!(told.last().is_some_and(|(done, all)| done == all));
    let copied = names(&to);
    assert_eq!(copied.len(), 3001);
    assert!(!copied.contains(&"later".to_owned()));
    assert_eq!(names(&path).len(), 3001 + told.len());
}

/// Fills a table and empties it again; how many pages the file has before and after.
fn fill_and_empty(connection: &Connection) -> (u32, u32) {
    connection
        .execute_batch(
            "CREATE TABLE heap (body BLOB);
             WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 4000)
             INSERT INTO heap SELECT randomblob(1000) FROM n;",
        )
        .unwrap();
    let full = pragma(connection, "page_count").unwrap();
    connection
        .execute_batch("BEGIN; DELETE FROM heap WHERE rowid % 100 > 0")
        .unwrap();
    while pragma(connection, "freelist_count").unwrap() > 256 {
        give_back(connection, 100).unwrap();
    }
    connection
        .execute_batch("COMMIT; PRAGMA wal_checkpoint(TRUNCATE)")
        .unwrap();
    (full, pragma(connection, "page_count").unwrap())
}

#[test]
fn a_file_that_shrinks_gives_its_pages_back() {
    let design = Design {
        shrinks: true,
        ..OLD
    };
    let dir = tempfile::tempdir().unwrap();
    let fresh = dir.path().join("fresh.db");
    let (full, left) = fill_and_empty(&open(&fresh, &design).unwrap());
    assert!(full > 1000 && left < 400, "{full} {left}");
    let size = std::fs::metadata(&fresh).unwrap().len();
    assert_eq!(size, u64::from(left) * 4096);

    // One of an older release is made so when it is opened.
    let old = dir.path().join("old.db");
    drop(open(&old, &OLD).unwrap());
    let opened = open(&old, &design).unwrap();
    let (full, left) = fill_and_empty(&opened);
    assert!(full > 1000 && left < 400, "{full} {left}");
    drop(opened);
    assert_eq!(names(&old), ["kept"]);
    assert_eq!(
        pragma(&open(&old, &design).unwrap(), "application_id").unwrap(),
        7
    );
}
