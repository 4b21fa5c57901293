//! `kill -9` under load, again and again: nothing that was acknowledged is lost, nothing is there
//! twice, and the stack is ready again at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reqwest::RequestBuilder;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::harness::{Answer, Client, Protected, Stack, claims, http, ledger_rows, open_ledger};

/// How often the server is killed: `CARACAL_TEST_KILLS`, or a few times.
fn kills() -> usize {
    let named = std::env::var("CARACAL_TEST_KILLS").ok();
    named.map_or(5, |count| {
        count.parse().expect("`CARACAL_TEST_KILLS` is a number")
    })
}

/// What the server answered for before it died.
#[derive(Default)]
struct Acknowledged {
    /// The receipts of calls.
    receipts: Vec<String>,
    /// The ids of mandates.
    mandates: Vec<String>,
    /// The ids of applications that were registered.
    applications: Vec<String>,
    /// The ids of mandates that were revoked.
    revoked: Vec<String>,
}

/// The answer, if the server lived to give all of it.
async fn answer(request: RequestBuilder) -> Option<Answer> {
    let response = request.timeout(Duration::from_secs(10)).send().await.ok()?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = response.text().await.ok()?;
    Some(Answer {
        status,
        headers,
        body,
    })
}

/// Speaks to one server until that is gone.
#[derive(Clone)]
struct Load {
    http: reqwest::Client,
    client: Client,
    sts: String,
    zone: String,
    token: String,
    acknowledged: Arc<Mutex<Acknowledged>>,
}

impl Load {
    async fn mint(&self) -> Option<String> {
        let request = self
            .http
            .post(format!("{}/oauth/2/token", self.sts))
            .basic_auth(&self.client.id, Some(&self.client.secret))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(
                "grant_type=client_credentials&resource=resource%3A%2F%2Fitems&scope=items%3Aread",
            );
        let answer = answer(request).await?;
        assert_eq!(answer.status, 200, "{answer:?}");
        let mandate = answer.json()["access_token"].as_str().unwrap().to_owned();
        let id = claims(&mandate)["jti"].as_str().unwrap().to_owned();
        self.acknowledged.lock().unwrap().mandates.push(id);
        Some(mandate)
    }

    /// Mints, and calls a few times under each mandate.
    async fn call(self) -> Option<()> {
        loop {
            let mandate = self.mint().await?;
            for _ in 0..5 {
                let answer = answer(self.client.request("GET", "/r/items/1", &mandate)).await?;
                assert_eq!(answer.status, 200, "{answer:?}");
                let receipt = answer.header("caracal-receipt").unwrap().to_owned();
                self.acknowledged.lock().unwrap().receipts.push(receipt);
            }
        }
    }

    async fn post(&self, place: &str, body: &Value) -> Option<Answer> {
        let url = format!("{}/{place}", self.zone);
        answer(self.http.post(url).bearer_auth(&self.token).json(body)).await
    }

    /// Registers applications, and revokes a mandate now and then.
    async fn configure(self, name: String) -> Option<()> {
        for n in 0.. {
            let body = json!({ "name": format!("{name}-{n}") });
            let answer = self.post("applications", &body).await?;
            assert_eq!(answer.status, 201, "{answer:?}");
            let id = answer.json()["id"].as_str().unwrap().to_owned();
            self.acknowledged.lock().unwrap().applications.push(id);
            if n % 3 == 0 {
                let mandate = claims(&self.mint().await?)["jti"].clone();
                let answer = self
                    .post("revocations", &json!({ "anchor": mandate }))
                    .await?;
                assert!([200, 201].contains(&answer.status), "{answer:?}");
                let id = mandate.as_str().unwrap().to_owned();
                self.acknowledged.lock().unwrap().revoked.push(id);
            }
        }
        None
    }
}

/// Some milliseconds that nobody can foresee.
fn a_moment() -> Duration {
    let [low, high] = caracal_crypto::random_bytes::<2>();
    Duration::from_millis(20 + u64::from(u16::from_be_bytes([high, low])) % 500)
}

/// Ports that no client's connection is given meanwhile.
fn fixed_ports(stack: &mut Stack) {
    let free = |port: &u16| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok();
    let [low, high] = caracal_crypto::random_bytes::<2>();
    let first = 20_000 + u16::from_be_bytes([high, low]) % 10_000;
    let mut ports = (first..32_000).filter(free);
    for door in ["STS", "GATEWAY", "CONSOLE"] {
        let address = format!("localhost:{}", ports.next().unwrap());
        stack.set(&format!("CARACAL_{door}_LISTEN"), &address);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_when_the_server_is_killed() {
    let mut stack = Stack::new();
    fixed_ports(&mut stack);
    let mut protected = Protected::on(stack).await;
    let token = protected
        .stack
        .cli(&["token", "create", "load", "--role", "owner", "--json"])
        .ok()
        .json();
    let mut load = Load {
        http: http(),
        client: protected.client.clone(),
        sts: String::new(),
        zone: String::new(),
        token: token["token"].as_str().unwrap().to_owned(),
        acknowledged: Arc::default(),
    };
    let mut status = protected.stack.up();
    let mut waits = Vec::new();
    let kills = kills();
    for round in 0..kills {
        let stack = &protected.stack;
        load.client = Client::new(stack, &load.client.id, &load.client.secret);
        load.sts.clone_from(&stack.sts);
        load.zone = format!("{}/v1/zones/acme", stack.console);
        let mut tasks = tokio::task::JoinSet::new();
        for n in 0..3 {
            tasks.spawn(load.clone().call());
            tasks.spawn(load.clone().configure(format!("r{round}-{n}")));
        }
        tokio::time::sleep(a_moment()).await;
        let pid = i32::try_from(status["pid"].as_i64().unwrap()).unwrap();
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        // A request that was refused, and not cut off, fails the story here.
        tasks.join_all().await;
        let begun = Instant::now();
        status = protected.stack.up();
        waits.push(begun.elapsed());
        check(&protected, &load.acknowledged.lock().unwrap());
    }
    waits.sort();
    let acknowledged = load.acknowledged.lock().unwrap();
    println!(
        "{kills} kills; acknowledged and found: {} calls, {} mandates, {} applications, {} revocations; \
         ready again after {:?} (median), {:?} (worst)",
        acknowledged.receipts.len(),
        acknowledged.mandates.len(),
        acknowledged.applications.len(),
        acknowledged.revoked.len(),
        waits[waits.len() / 2],
        waits.last().unwrap()
    );
    // A second by design; a busy machine decides nothing here.
    assert!(
        *waits.last().unwrap() < Duration::from_secs(10),
        "{waits:?}"
    );
    assert!(acknowledged.receipts.len() >= kills && acknowledged.applications.len() >= kills / 2);
}

fn check(protected: &Protected, acknowledged: &Acknowledged) {
    let stack = &protected.stack;
    let receipts = stack.beside().join("receipts");
    std::fs::write(&receipts, acknowledged.receipts.join("\n")).unwrap();
    let report = stack.cli(&[
        "audit",
        "verify",
        "--json",
        "--receipts",
        receipts.to_str().unwrap(),
    ]);
    assert_eq!(report.ok().json()["ok"], true);

    let ledger = open_ledger(&stack.home);
    let events: Vec<Value> = ledger_rows(&ledger).iter().map(|row| row.event()).collect();
    let mut ids = BTreeMap::new();
    let mut next: BTreeMap<&str, u64> = BTreeMap::new();
    let mut revisions: BTreeMap<&str, u64> = BTreeMap::new();
    for event in &events {
        *ids.entry(event["id"].as_str().unwrap()).or_insert(0) += 1;
        let log = event["log"].as_str().unwrap();
        let next = next.entry(log).or_default();
        assert_eq!(event["index"].as_u64(), Some(*next), "{event}");
        *next += 1;
        if let Some(revision) = event["revision"].as_u64() {
            let last = revisions.entry(log).or_default();
            assert!(
                [*last, *last + 1].contains(&revision),
                "{last}, then {event}"
            );
            *last = revision;
        }
    }
    assert!(
        ids.values().all(|count| *count == 1),
        "an event is there twice"
    );
    let all = |kind: &str, field: &str| -> Vec<&str> {
        let of_kind = events.iter().filter(|event| event["type"] == kind);
        of_kind
            .map(|event| event[field].as_str().unwrap())
            .collect()
    };
    let exactly_once = |wanted: &[String], kind: &str, field: &str| {
        let found = all(kind, field);
        let set: BTreeSet<&str> = found.iter().copied().collect();
        assert_eq!(set.len(), found.len(), "a `{kind}` is there twice");
        for id in wanted {
            assert!(set.contains(id.as_str()), "no `{kind}` of `{id}`");
        }
    };
    exactly_once(&acknowledged.mandates, "mandate.issued", "mandate");
    exactly_once(
        &acknowledged.applications,
        "application.registered",
        "target",
    );
    exactly_once(&acknowledged.revoked, "authority.revoked", "target");
    let started = all("call.started", "request_id").len();
    assert!(
        protected.upstream.seen().len() <= started,
        "a call without evidence"
    );

    // Every commit of the state, acknowledged or not, has its events.
    let state = Connection::open(stack.file("state.db")).unwrap();
    let mut statement = state.prepare("SELECT events FROM commits").unwrap();
    let commits = statement
        .query_map([], |row| row.get::<_, String>(0))
        .unwrap();
    for commit in commits {
        for event in serde_json::from_str::<Vec<Value>>(&commit.unwrap()).unwrap() {
            let id = event["id"].as_str().unwrap();
            assert!(
                ids.contains_key(id),
                "`{id}` was committed and is not in the log"
            );
        }
    }
    let stored = stack
        .cli(&["app", "list", "--json", "--limit", "100000"])
        .ok()
        .stdout;
    for id in &acknowledged.applications {
        assert!(stored.contains(id), "the application `{id}` is gone");
    }
    let log = std::fs::read_to_string(stack.file("log/caracal.log")).unwrap();
    assert!(!log.contains("panicked"), "{log}");
}
