//! Somebody with access to `ledger.db` tampers with it: `audit verify` names the log and the
//! lowest leaf that is not what was signed, and the stack goes on with a new log.

use rusqlite::Connection;
use serde_json::Value;

use crate::harness::{Client, LedgerRow, Protected, Stack, copy_of, log_of, open_ledger, rows_of};

/// A stopped stack with three logs, whose rows take turns.
struct Scene {
    protected: Protected,
    /// The log that is tampered with, and its leaves.
    log: String,
    rows: Vec<LedgerRow>,
    /// Another zone's log.
    other: String,
    total: u64,
}

impl Scene {
    async fn set() -> Self {
        let protected = Protected::start().await;
        let stack = &protected.stack;
        let applied = stack.apply(&Protected::zone_file("other", &protected.upstream));
        let other = stack.client(&applied, "anton");
        let mandate = protected.mint().await;
        let others = other.mint("resource://items", "items:read").await;
        for _ in 0..8 {
            protected.call(&mandate).await;
            let answer = other.call("GET", "/r/items/1", &others).await;
            assert_eq!(answer.status, 200);
        }
        let (log, other) = (log_of(stack, "acme"), log_of(stack, "other"));
        stack.cli(&["down"]).ok();
        let connection = open_ledger(&stack.home);
        let rows = rows_of(&connection, &log);
        let total = crate::harness::ledger_rows(&connection).len() as u64;
        assert!(rows.len() > 16, "{}", rows.len());
        drop(connection);
        Self {
            protected,
            log,
            rows,
            other,
            total,
        }
    }

    fn last(&self) -> u64 {
        self.rows.len() as u64 - 1
    }

    fn seq(&self, index: u64) -> i64 {
        self.rows[usize::try_from(index).unwrap()].seq
    }
}

fn execute(connection: &Connection, sql: &str) {
    connection
        .execute_batch(sql)
        .unwrap_or_else(|e| panic!("{sql}: {e}"));
}

fn set_body(connection: &Connection, seq: i64, body: &[u8]) {
    let changed = connection
        .execute("UPDATE events SET body = $1 WHERE seq = $2", (body, seq))
        .unwrap();
    assert_eq!(changed, 1);
}

/// The same length, valid JSON, canonical: only a digit of the time is another one.
fn subtly(body: &[u8]) -> Vec<u8> {
    let text = String::from_utf8(body.to_vec()).unwrap();
    let at = text.find("\"time\":\"20").unwrap() + "\"time\":\"20".len();
    let mut bytes = text.into_bytes();
    bytes[at] = if bytes[at] == b'9' {
        b'8'
    } else {
        bytes[at] + 1
    };
    assert_eq!(bytes.len(), body.len());
    serde_json::from_slice::<Value>(&bytes).unwrap();
    bytes
}

/// Moves every row from this one on by one, to make room.
fn make_room(connection: &Connection, seq: i64) {
    let sql = format!(
        "UPDATE events SET seq = -seq WHERE seq >= {seq}; UPDATE events SET seq = 1 - seq WHERE seq < 0;"
    );
    execute(connection, &sql);
}

struct Case {
    name: &'static str,
    tamper: fn(&Connection, &Scene),
    /// The first bad index, and that without the index's hints.
    bad: fn(&Scene) -> (u64, u64),
    /// Whether a server that starts on it can tell, and opens a new log.
    new_log: bool,
}

const CASES: &[Case] = &[
    Case {
        name: "an altered leaf",
        tamper: |c, s| {
            let text = String::from_utf8(s.rows[7].body.clone()).unwrap();
            let forged = text.replace("\"v\":1", "\"v\":2");
            assert_ne!(forged, text);
            set_body(c, s.seq(7), forged.as_bytes());
        },
        bad: |_| (7, 0),
        new_log: false,
    },
    Case {
        name: "a subtly altered leaf",
        tamper: |c, s| set_body(c, s.seq(7), &subtly(&s.rows[7].body)),
        bad: |_| (7, 0),
        new_log: false,
    },
    Case {
        name: "the first leaf altered",
        tamper: |c, s| set_body(c, s.seq(0), &subtly(&s.rows[0].body)),
        bad: |_| (0, 0),
        new_log: false,
    },
    Case {
        name: "the last leaf altered",
        tamper: |c, s| set_body(c, s.seq(s.last()), &subtly(&s.rows.last().unwrap().body)),
        bad: |s| (s.last(), 0),
        new_log: true,
    },
    Case {
        name: "two leaves altered",
        tamper: |c, s| {
            set_body(c, s.seq(11), &subtly(&s.rows[11].body));
            set_body(c, s.seq(5), &subtly(&s.rows[5].body));
        },
        bad: |_| (5, 0),
        new_log: false,
    },
    Case {
        name: "a leaf altered and a later one dropped",
        tamper: |c, s| {
            set_body(c, s.seq(5), &subtly(&s.rows[5].body));
            execute(c, &format!("DELETE FROM events WHERE seq = {}", s.seq(11)));
        },
        bad: |_| (5, 11),
        new_log: false,
    },
    Case {
        name: "a leaf without its spaces in order",
        tamper: |c, s| {
            let text = String::from_utf8(s.rows[7].body.clone()).unwrap();
            set_body(c, s.seq(7), text.replacen(':', ": ", 1).as_bytes());
        },
        bad: |_| (7, 7),
        new_log: false,
    },
    Case {
        name: "a leaf with another index",
        tamper: |c, s| {
            let text = String::from_utf8(s.rows[7].body.clone()).unwrap();
            set_body(
                c,
                s.seq(7),
                text.replace("\"index\":7,", "\"index\":8,").as_bytes(),
            );
        },
        bad: |_| (7, 7),
        new_log: false,
    },
    Case {
        name: "a leaf that claims another log",
        tamper: |c, s| {
            let text = String::from_utf8(s.rows[7].body.clone()).unwrap();
            set_body(c, s.seq(7), text.replace(&s.log, &s.other).as_bytes());
        },
        bad: |_| (7, 7),
        new_log: false,
    },
    Case {
        name: "a leaf that claims a log that never was",
        tamper: |c, s| {
            let text = String::from_utf8(s.rows[7].body.clone()).unwrap();
            let never = "log_00000000-0000-7000-8000-000000000000";
            set_body(c, s.seq(7), text.replace(&s.log, never).as_bytes());
        },
        bad: |_| (7, 7),
        new_log: false,
    },
    Case {
        name: "a dropped leaf",
        tamper: |c, s| execute(c, &format!("DELETE FROM events WHERE seq = {}", s.seq(9))),
        bad: |_| (9, 9),
        new_log: false,
    },
    Case {
        name: "the first leaf dropped",
        tamper: |c, s| execute(c, &format!("DELETE FROM events WHERE seq = {}", s.seq(0))),
        bad: |_| (0, 0),
        new_log: false,
    },
    Case {
        name: "two bodies swapped",
        tamper: |c, s| {
            set_body(c, s.seq(6), &s.rows[10].body);
            set_body(c, s.seq(10), &s.rows[6].body);
        },
        bad: |_| (6, 6),
        new_log: false,
    },
    Case {
        name: "two sequence numbers swapped",
        tamper: |c, s| {
            let (a, b) = (s.seq(6), s.seq(10));
            let sql = format!(
                "UPDATE events SET seq = -1 WHERE seq = {a}; UPDATE events SET seq = {a} WHERE seq = {b};
                 UPDATE events SET seq = {b} WHERE seq = -1;"
            );
            execute(c, &sql);
        },
        bad: |_| (6, 6),
        new_log: false,
    },
    Case {
        name: "two bodies swapped, with each other's index",
        tamper: |c, s| {
            let body = |of: usize, index: usize| {
                let text = String::from_utf8(s.rows[of].body.clone()).unwrap();
                let (old, new) = (format!("\"index\":{of},"), format!("\"index\":{index},"));
                text.replace(&old, &new).into_bytes()
            };
            set_body(c, s.seq(6), &body(10, 6));
            set_body(c, s.seq(10), &body(6, 10));
        },
        bad: |_| (6, 0),
        new_log: false,
    },
    Case {
        name: "the tail cut by one",
        tamper: |c, s| {
            execute(
                c,
                &format!("DELETE FROM events WHERE seq = {}", s.seq(s.last())),
            )
        },
        bad: |s| (s.last(), s.last()),
        new_log: true,
    },
    Case {
        name: "the tail cut by many",
        tamper: |c, s| {
            for row in &s.rows[8..] {
                execute(c, &format!("DELETE FROM events WHERE seq = {}", row.seq));
            }
        },
        bad: |_| (8, 8),
        new_log: true,
    },
    Case {
        name: "every leaf of the log gone",
        tamper: |c, s| {
            for row in &s.rows {
                execute(c, &format!("DELETE FROM events WHERE seq = {}", row.seq));
            }
        },
        bad: |_| (0, 0),
        new_log: true,
    },
    Case {
        name: "the tail cut and the head edited",
        tamper: |c, s| {
            let log = &s.log;
            execute(
                c,
                &format!("DELETE FROM events WHERE seq = {}", s.seq(s.last())),
            );
            let (size, seq) = (s.last(), s.seq(s.last() - 1));
            let hash = caracal_ledger::leaf_hash(&s.rows[s.rows.len() - 2].body);
            c.execute(
                "UPDATE heads SET size = $1, last_seq = $2, last_leaf = $3 WHERE log = $4",
                (i64::try_from(size).unwrap(), seq, hash.0, log),
            )
            .unwrap();
        },
        bad: |s| (s.last(), s.last()),
        new_log: true,
    },
    Case {
        name: "the tail cut and the head gone",
        tamper: |c, s| {
            let log = &s.log;
            execute(
                c,
                &format!("DELETE FROM events WHERE seq = {}", s.seq(s.last())),
            );
            execute(c, &format!("DELETE FROM heads WHERE log = '{log}'"));
        },
        // Nothing signed is left: not one leaf is vouched for.
        bad: |_| (0, 0),
        new_log: true,
    },
    Case {
        name: "the tail cut and the checkpoint gone",
        tamper: |c, s| {
            let log = &s.log;
            execute(
                c,
                &format!("DELETE FROM events WHERE seq = {}", s.seq(s.last())),
            );
            execute(
                c,
                &format!("UPDATE heads SET checkpoint = NULL WHERE log = '{log}'"),
            );
        },
        bad: |_| (0, 0),
        new_log: true,
    },
    Case {
        name: "the checkpoint altered",
        tamper: |c, s| {
            let log = &s.log;
            let sql = format!(
                "UPDATE heads SET checkpoint = replace(checkpoint, '{}', '{}') WHERE log = '{log}'",
                s.rows.len(),
                s.rows.len() - 1
            );
            execute(c, &sql);
        },
        bad: |_| (0, 0),
        new_log: true,
    },
    Case {
        name: "a leaf repeated at the end",
        tamper: |c, s| {
            c.execute(
                "INSERT INTO events (seq, body) SELECT max(seq) + 1, $1 FROM events",
                [&s.rows[5].body],
            )
            .unwrap();
        },
        bad: |s| (s.last() + 1, s.last() + 1),
        new_log: true,
    },
    Case {
        name: "a leaf repeated in the middle",
        tamper: |c, s| {
            make_room(c, s.seq(6));
            c.execute(
                "INSERT INTO events (seq, body) VALUES ($1, $2)",
                (s.seq(6), &s.rows[5].body),
            )
            .unwrap();
        },
        bad: |_| (6, 6),
        new_log: true,
    },
    Case {
        name: "a forged leaf in the middle",
        tamper: |c, s| {
            make_room(c, s.seq(6));
            let forged = subtly(&s.rows[6].body);
            c.execute(
                "INSERT INTO events (seq, body) VALUES ($1, $2)",
                (s.seq(6), forged),
            )
            .unwrap();
        },
        bad: |_| (6, 0),
        new_log: true,
    },
    Case {
        name: "a forged leaf at the end",
        tamper: |c, s| {
            let text = String::from_utf8(s.rows[7].body.clone()).unwrap();
            let index = format!("\"index\":{},", s.rows.len());
            let forged = text.replace("\"index\":7,", &index);
            c.execute(
                "INSERT INTO events (seq, body) SELECT max(seq) + 1, CAST($1 AS BLOB) FROM events",
                [forged],
            )
            .unwrap();
        },
        bad: |s| (s.last() + 1, s.last() + 1),
        new_log: true,
    },
    Case {
        name: "bytes that are no JSON",
        tamper: |c, s| set_body(c, s.seq(7), b"\xff\x00\xfe"),
        bad: |_| (7, 7),
        new_log: false,
    },
    Case {
        name: "nothing at all",
        tamper: |c, s| {
            execute(
                c,
                &format!("UPDATE events SET body = NULL WHERE seq = {}", s.seq(7)),
            )
        },
        bad: |_| (7, 7),
        new_log: false,
    },
    Case {
        name: "a number in place of a leaf",
        tamper: |c, s| {
            execute(
                c,
                &format!("UPDATE events SET body = 7 WHERE seq = {}", s.seq(s.last())),
            )
        },
        bad: |s| (s.last(), s.last()),
        new_log: true,
    },
    Case {
        name: "nested brackets",
        tamper: |c, s| set_body(c, s.seq(7), "[".repeat(100_000).as_bytes()),
        bad: |_| (7, 7),
        new_log: false,
    },
    Case {
        name: "a negative sequence number",
        tamper: |c, s| {
            let sql = format!("UPDATE events SET seq = -5 WHERE seq = {}", s.seq(7));
            execute(c, &sql);
        },
        bad: |_| (0, 0),
        new_log: false,
    },
];

/// What `audit verify` says, after checking that its exit code and its shape fit.
#[track_caller]
fn verify(stack: &Stack, name: &str) -> Value {
    let output = stack.cli(&["audit", "verify", "--json"]);
    let report = output.json();
    let ok = report["ok"].as_bool().unwrap();
    assert_eq!(output.code, i32::from(!ok), "{name}: {output:?}");
    if !ok {
        let why = report["first_bad"]["why"].as_str();
        assert!(why.is_some_and(|why| why.len() > 10), "{name}: {report}");
    }
    report
}

#[track_caller]
fn assert_names(report: &Value, log: &str, index: u64, name: &str) {
    assert_eq!(report["ok"], false, "{name}: {report}");
    let bad = &report["first_bad"];
    assert_eq!(
        (bad["log"].as_str(), bad["index"].as_u64()),
        (Some(log), Some(index)),
        "{name}: {report}"
    );
}

/// Takes the index away, with every hint in it.
fn drop_index(stack: &Stack) {
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(stack.file(&format!("index.db{suffix}")));
    }
}

/// The stack starts, takes calls, and its old log stays named.
async fn goes_on(mut stack: Stack, scene: &Scene, case: &Case, index: u64) {
    let name = case.name;
    stack.up();
    let client = &scene.protected.client;
    let client = Client::new(&stack, &client.id, &client.secret);
    let mandate = client.mint("resource://items", "items:read").await;
    let answer = client.call("GET", "/r/items/after", &mandate).await;
    assert_eq!(answer.status, 200, "{name}: {answer:?}");
    let receipt = answer.header("caracal-receipt").unwrap();
    assert_eq!(
        !receipt.contains(&scene.log),
        case.new_log,
        "{name}: {receipt}"
    );
    let listed = stack.events("acme");
    let started = listed.iter().filter(|e| e["type"] == "call.started");
    assert!(
        started
            .clone()
            .any(|e| e["request_id"] == *answer.header("caracal-request-id").unwrap()),
        "{name}: the new call is listed"
    );
    if case.new_log {
        assert!(
            listed.iter().any(|e| e["type"] == "log.opened"),
            "{name}: the new log is an event"
        );
    }
    assert_names(&verify(&stack, name), &scene.log, index, name);
    stack.cli(&["down"]).ok();
    assert_names(&verify(&stack, name), &scene.log, index, name);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_done_to_the_ledger_is_named() {
    let scene = Scene::set().await;
    let whole = verify(&copy_of(&scene.protected.stack), "untouched");
    let expected = serde_json::json!({ "ok": true, "events": scene.total, "logs": 3 });
    assert_eq!(whole, expected);
    let mut wrong = Vec::new();
    for case in CASES {
        let stack = copy_of(&scene.protected.stack);
        (case.tamper)(&open_ledger(&stack.home), &scene);
        let (index, blind) = (case.bad)(&scene);
        for (with, index) in [("", index), (" (no index)", blind)] {
            if !with.is_empty() {
                drop_index(&stack);
            }
            let report = verify(&stack, case.name);
            let bad = &report["first_bad"];
            if (bad["log"].as_str(), bad["index"].as_u64()) != (Some(&*scene.log), Some(index)) {
                wrong.push(format!("{}{with}: not {index} but {report}", case.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_starts_on_every_damaged_ledger_and_takes_calls() {
    let scene = Scene::set().await;
    for case in CASES {
        let stack = copy_of(&scene.protected.stack);
        (case.tamper)(&open_ledger(&stack.home), &scene);
        let (index, _) = (case.bad)(&scene);
        goes_on(stack, &scene, case, index).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tampering_under_a_running_server_is_named_at_once() {
    let scene = Scene::set().await;
    for name in [
        "a subtly altered leaf",
        "a dropped leaf",
        "two bodies swapped",
        "a leaf that claims another log",
        "bytes that are no JSON",
        "the tail cut by one",
        "the tail cut by many",
        "a negative sequence number",
    ] {
        let case = CASES.iter().find(|case| case.name == name).unwrap();
        let mut stack = copy_of(&scene.protected.stack);
        stack.up();
        (case.tamper)(&open_ledger(&stack.home), &scene);
        let (index, _) = (case.bad)(&scene);
        assert_names(&verify(&stack, name), &scene.log, index, name);
        // It goes on: the tree is in memory, and what is written next is signed with it.
        let client = &scene.protected.client;
        let client = Client::new(&stack, &client.id, &client.secret);
        let mandate = client.mint("resource://items", "items:read").await;
        let answer = client.call("GET", "/r/items/after", &mandate).await;
        assert_eq!(answer.status, 200, "{name}: {answer:?}");
        stack.events("acme");
        assert_names(&verify(&stack, name), &scene.log, index, name);
        // An export shows the same.
        let dir = stack.beside().join("export");
        let dir = dir.to_str().unwrap();
        stack.cli(&["audit", "export", dir, "--zone", "acme"]).ok();
        let output = stack.cli(&["audit", "verify", dir, "--json"]).fails(1);
        assert_eq!(output.json()["first_bad"]["log"], *scene.log, "{name}");
    }
}
