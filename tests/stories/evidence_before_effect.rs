//! Evidence before effect: when the first byte reaches the upstream, the call's start is
//! committed in the ledger already.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use rusqlite::{Connection, OpenFlags};

use crate::harness::{KEY, Stack};

/// An upstream that looks into the ledger before it reads what it was sent.
#[derive(Clone)]
struct Witness {
    ledger: PathBuf,
    arrived: Arc<AtomicUsize>,
    /// (calls that had arrived, starts that were committed)
    seen: Arc<Mutex<Vec<(usize, usize)>>>,
}

impl Witness {
    async fn start(stack: &Stack) -> (Self, String) {
        let witness = Self {
            ledger: stack.file("ledger.db"),
            arrived: Arc::default(),
            seen: Arc::default(),
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(look).with_state(witness.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        (witness, url)
    }

    /// A connection of another process sees only what is committed.
    fn committed_starts(&self) -> usize {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
        let connection = Connection::open_with_flags(&self.ledger, flags).unwrap();
        let sql = "SELECT count(*) FROM events WHERE instr(body, CAST('\"type\":\"call.started\"' AS BLOB))";
        let count: i64 = connection.query_row(sql, [], |row| row.get(0)).unwrap();
        usize::try_from(count).unwrap()
    }
}

async fn look(State(witness): State<Witness>, request: Request) -> &'static str {
    let arrived = witness.arrived.fetch_add(1, Ordering::SeqCst) + 1;
    let committed = witness.committed_starts();
    witness.seen.lock().unwrap().push((arrived, committed));
    to_bytes(request.into_body(), 1 << 20).await.unwrap();
    "seen"
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_in_the_ledger_before_it_is_upstream() {
    let mut stack = Stack::start();
    let (witness, url) = Witness::start(&stack).await;
    stack.set("STORY_KEY", KEY);
    let applied = stack.apply(&format!(
        r#"
zone: acme
applications: [{{ name: anton }}]
providers: [{{ name: key, kind: bearer, secret: {{ from_env: STORY_KEY }} }}]
resources:
  - name: items
    upstream: {url}
    provider: key
    allow_private: true
    scopes: [items:read]
    operations: [{{ method: POST, path: "/**", scope: items:read }}]
policies:
  - name: all
    cedar: permit (principal, action == Action::"items:read", resource == Resource::"resource://items");
"#
    ));
    let client = stack.client(&applied, "anton");
    let mandate = client.mint("resource://items", "items:read").await;
    // One after the other: exactly as many starts as calls.
    for n in 1..=20 {
        let answer = client.call("POST", "/r/items/1", &mandate).await;
        assert_eq!(answer.body, "seen");
        assert_eq!(*witness.seen.lock().unwrap().last().unwrap(), (n, n));
    }
    // Side by side: never fewer.
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (client, mandate) = (client.clone(), mandate.clone());
        calls.spawn(async move {
            for _ in 0..20 {
                // The head arrives before the body: it alone is an effect already.
                let request = client.request("POST", "/r/items/1", &mandate);
                let answer = request.body(vec![b'x'; 100_000]).send().await.unwrap();
                assert_eq!(answer.status(), 200);
            }
        });
    }
    calls.join_all().await;
    let seen = witness.seen.lock().unwrap().clone();
    assert_eq!(seen.len(), 180);
    for (arrived, committed) in &seen {
        assert!(
            committed >= arrived,
            "{committed} starts for {arrived} calls"
        );
    }
    // What is refused leaves no start and reaches nobody.
    let answer = client.call("GET", "/r/items/1", &mandate).await;
    assert_eq!(answer.refusal(), "operation_not_declared");
    assert_eq!(
        (
            witness.committed_starts(),
            witness.arrived.load(Ordering::SeqCst)
        ),
        (180, 180)
    );
}
