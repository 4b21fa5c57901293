//! A client in another language, with its own transparency-log code, verifies that an event
//! stands in our log, from the tiles that the server serves.

use std::path::{Path, PathBuf};
use std::process::Command;

use caracal_core::{Event, EventId, EventType, Kind, Zone, ZoneId};
use caracal_crypto::{Keyring, LogSigner, MasterKey, SealContext};
use caracal_ledger::{LeafDraft, Log, TreeState};
use caracal_store::{Embedded, Entry, EvidenceStore, OpenOptions, StateStore};

use crate::harness::{Output, Protected, Stack, log_of, open_ledger, rows_of};

/// The Go client that `cargo xtask setup` builds.
fn tlog_client() -> PathBuf {
    let named = std::env::var_os("CARACAL_TEST_TLOG_CLIENT").map(PathBuf::from);
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/test-tools/tlogclient");
    let path = named.unwrap_or(built);
    assert!(
        path.exists(),
        "`{}` is missing; `cargo xtask setup` builds it",
        path.display()
    );
    path
}

/// Where the log is served, with its key and a token that may read it.
struct Served {
    base: String,
    key: String,
    token: String,
    leaf: PathBuf,
}

impl Served {
    fn of(stack: &Stack, log: &str) -> Self {
        let dir = stack.beside().join("export");
        stack.cli(&["audit", "export", dir.to_str().unwrap()]).ok();
        let key = std::fs::read_to_string(dir.join(log).join("key")).unwrap();
        let token = stack
            .cli(&["token", "create", "tlog", "--role", "auditor", "--json"])
            .ok()
            .json();
        let zone = token["zone"].as_str().unwrap();
        Self {
            base: format!("{}/v1/zones/{zone}/logs/{log}", stack.console),
            key: key.trim().to_owned(),
            token: token["token"].as_str().unwrap().to_owned(),
            leaf: stack.beside().join("leaf"),
        }
    }

    fn check(&self, index: u64, leaf: &[u8]) -> Output {
        std::fs::write(&self.leaf, leaf).unwrap();
        let output = Command::new(tlog_client())
            .args([&self.base, &self.key, &index.to_string()])
            .arg(&self.leaf)
            .env("CARACAL_API_TOKEN", &self.token)
            .env("NO_PROXY", "*")
            .output()
            .unwrap();
        Output {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Every one of these leaves is proven, and nothing else in its place.
    fn proves(&self, stack: &Stack, log: &str, indexes: &[u64]) {
        let rows = rows_of(&open_ledger(&stack.home), log);
        for &index in indexes {
            let leaf = &rows[usize::try_from(index).unwrap()].body;
            let told = self.check(index, leaf).ok().stdout;
            assert!(
                told.starts_with(&format!("verified: leaf {index} ")),
                "{told}"
            );
            let mut wrong = leaf.clone();
            let last = wrong.len() - 3;
            wrong[last] ^= 1;
            assert!(
                self.check(index, &wrong)
                    .fails(1)
                    .stderr
                    .contains("another one")
            );
            let other = (index + 1) % rows.len() as u64;
            self.check(other, leaf).fails(1);
        }
        let beyond = rows.len() as u64 + 100;
        assert!(
            self.check(beyond, b"{}")
                .fails(1)
                .stderr
                .contains("has no leaf")
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_client_verifies_an_event_of_a_running_server() {
    let protected = Protected::start().await;
    let stack = &protected.stack;
    protected.calls(10).await;
    let log = log_of(stack, "acme");
    let served = Served::of(stack, &log);
    served.proves(stack, &log, &[0, 1, 7, 16]);
    // Into the second tile, while the log grows.
    let mandate = protected.mint().await;
    for _ in 0..125 {
        protected.call(&mandate).await;
    }
    served.proves(stack, &log, &[0, 7, 254, 255, 256, 257]);
    // Without a token, or with one that may not: nothing.
    for token in ["", "caracal_token_no"] {
        let stranger = Served {
            token: token.to_owned(),
            base: served.base.clone(),
            key: served.key.clone(),
            leaf: served.leaf.clone(),
        };
        let leaf = rows_of(&open_ledger(&stack.home), &log).remove(0).body;
        assert!(stranger.check(0, &leaf).fails(1).stderr.contains("401"));
    }
}

/// Appends to the log of the zone `acme` of a stopped stack, as its server would.
async fn fill(stack: &Stack, count: usize) {
    let store = Embedded::open(&stack.home, OpenOptions::default()).unwrap();
    let mut found: Option<Zone> = None;
    for id in store.list_zones().await.unwrap() {
        let documents = store.load(id).await.unwrap().documents;
        let zones = documents.iter().filter(|d| d.kind == Kind::Zone);
        let mut zones = zones.map(|d| serde_json::from_str::<Zone>(&d.body).unwrap());
        found = found.or(zones.find(|zone| zone.name.as_str() == "acme"));
    }
    let zone = found.unwrap();
    let key = zone.logs.last().unwrap();
    let master = std::fs::read_to_string(stack.file("master.key")).unwrap();
    let keyring = Keyring::new(MasterKey::from_text(&master).unwrap());
    let context = SealContext::new(ZoneId::from_uuid(zone.id.uuid()), "log-key");
    let signer = LogSigner::from_seed(&keyring.open(&key.private, &context).unwrap()).unwrap();
    let head = store.head(key.id).await.unwrap();
    let state = TreeState {
        size: head.size,
        edge: head.edge,
    };
    let log = Log::open(key.id, &key.origin, signer, state).unwrap();
    store.open_log(log).await.unwrap();
    let now = zone.created_at;
    let node = caracal_core::NodeId::new(now, &[0; 10]);
    for first in (0..count).step_by(2000) {
        let entries = (first..count.min(first + 2000)).map(|n| {
            let id = EventId::new(now, &caracal_crypto::random_bytes());
            let event = Event::new(
                id,
                now,
                zone.id,
                node,
                EventType::CallStarted,
                format!("req_{n}"),
            );
            Entry {
                draft: LeafDraft::new(&event, key.id).unwrap(),
                revision: None,
            }
        });
        store.append(entries.collect()).await.unwrap();
    }
    EvidenceStore::close(&store).await;
    StateStore::close(&store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn proofs_of_a_log_with_three_levels_of_tiles_hold() {
    let mut protected = Protected::start().await;
    protected.calls(4).await;
    protected.stack.cli(&["down"]).ok();
    fill(&protected.stack, 66_500).await;
    protected.stack.up();
    protected.client = crate::harness::Client::new(
        &protected.stack,
        &protected.client.id,
        &protected.client.secret,
    );
    protected.calls(4).await;
    let stack = &protected.stack;
    let log = log_of_large(stack);
    let verified = stack.cli(&["audit", "verify", "--json"]).ok().json();
    assert!(verified["events"].as_u64().unwrap() > 66_500, "{verified}");
    let served = Served::of(stack, &log);
    served.proves(stack, &log, &[3, 255, 256, 65_535, 65_536, 66_510]);
}

/// The log of the newest call, without listing all of it.
fn log_of_large(stack: &Stack) -> String {
    let output = stack.cli(&["audit", "list", "--json", "--limit", "1"]).ok();
    output.json_lines()[0]["log"].as_str().unwrap().to_owned()
}
