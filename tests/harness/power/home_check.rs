//! Whether a home that was left by a loss of power holds everything that was promised.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use caracal_ledger::{Receipt, TreeState, leaf_hash};
use caracal_store::{Embedded, EvidenceStore, LedgerFile, OpenOptions, Query, StateStore};
use serde_json::Value;

use super::Journal;
use crate::harness::claims;

/// What the server told to anybody, each with the number of the record before which it did.
#[derive(Debug, Default)]
pub struct Promises {
    pub receipts: Vec<(usize, Receipt)>,
    /// Ids of mandates.
    pub mandates: Vec<(usize, String)>,
    /// Ids of applications.
    pub applications: Vec<(usize, String)>,
    /// Requests that began to go upstream.
    pub effects: Vec<usize>,
}

impl Promises {
    /// Reads them off the sockets. `upstream` is the port of the only upstream.
    pub fn of(journal: &Journal, upstream: u16) -> Self {
        let mut promises = Self::default();
        for (number, record, bytes) in journal.sent() {
            let text = String::from_utf8_lossy(bytes);
            if record.b == u64::from(upstream) {
                if text.contains(" HTTP/1.1\r\n") {
                    promises.effects.push(number);
                }
                continue;
            }
            let lower = text.to_ascii_lowercase();
            if let Some(at) = lower.find("caracal-receipt: ") {
                let value = text[at + 17..].split("\r\n").next().unwrap();
                promises.receipts.push((number, value.parse().unwrap()));
            }
            if let Some(mandate) = between(&text, "\"access_token\":\"", "\"") {
                let id = claims(mandate)["jti"].as_str().unwrap().to_owned();
                promises.mandates.push((number, id));
            }
            if let Some(id) = between(&text, "\"id\":\"app_", "\"") {
                promises.applications.push((number, format!("app_{id}")));
            }
        }
        promises
    }
}

impl Promises {
    /// The records before which anything was told, in order.
    pub fn moments(&self) -> impl Iterator<Item = usize> + use<> {
        let mut moments: Vec<usize> = self.effects.clone();
        moments.extend(self.receipts.iter().map(|(number, _)| *number));
        moments.extend(self.mandates.iter().map(|(number, _)| *number));
        moments.extend(self.applications.iter().map(|(number, _)| *number));
        moments.sort_unstable();
        moments.into_iter()
    }
}

fn between<'t>(text: &'t str, before: &str, after: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(before)?;
    rest.split_once(after).map(|(found, _)| found)
}

/// Opens the store that is left in the home, and looks for what was promised in the first
/// `cut` records.
///
/// # Errors
/// What is missing, there twice, or contradicts itself.
pub async fn check_home(home: &Path, promises: &Promises, cut: usize) -> Result<(), String> {
    let store = Embedded::open(home, OpenOptions::default()).map_err(|e| format!("open: {e}"))?;
    let checked = check(home, &store, promises, cut).await;
    EvidenceStore::close(&store).await;
    StateStore::close(&store).await;
    checked
}

async fn check(
    home: &Path,
    store: &Embedded,
    promises: &Promises,
    cut: usize,
) -> Result<(), String> {
    ensure(store.set_aside().is_none(), || {
        "the ledger was set aside".to_owned()
    })?;
    let told = |number: usize| number < cut;
    let logs = read_logs(home)?;
    let mut ids = BTreeMap::new();
    let mut reached: BTreeMap<String, u64> = BTreeMap::new();
    let mut targets = BTreeSet::new();
    let mut mandates = BTreeSet::new();
    let mut starts = 0;
    for (log, leaves) in &logs {
        let mut tree = TreeState::new();
        for (index, leaf) in leaves.iter().enumerate() {
            tree.append(leaf_hash(leaf));
            let event: Value = serde_json::from_slice(leaf).map_err(|e| e.to_string())?;
            ensure(event["index"].as_u64() == u64::try_from(index).ok(), || {
                format!("leaf {index} of {log} says {}", event["index"])
            })?;
            let text = |field: &str| event[field].as_str().unwrap_or_default().to_owned();
            let revision = event["revision"].as_u64();
            if let Some(revision) = revision {
                let last = reached.entry(text("zone")).or_default();
                *last = revision.max(*last);
            }
            let once = ids.insert(text("id"), revision).is_none();
            ensure(once, || format!("{} is there twice", event["id"]))?;
            match event["type"].as_str() {
                Some("call.started") => starts += 1,
                Some("mandate.issued") => drop(mandates.insert(text("mandate"))),
                _ => drop(targets.insert(text("target"))),
            }
        }
        let head = store
            .head(log.parse().unwrap())
            .await
            .map_err(|e| e.to_string())?;
        ensure(!head.damaged, || format!("{log} is damaged"))?;
        let state = TreeState {
            size: head.size,
            edge: head.edge,
        };
        ensure(state == tree, || {
            format!("the leaves of {log} are not its tree")
        })?;
    }
    for (_, receipt) in promises.receipts.iter().filter(|(n, _)| told(*n)) {
        let leaf = logs.get(&receipt.log.to_string());
        let leaf = leaf.and_then(|leaves| leaves.get(usize::try_from(receipt.index).ok()?));
        let held = leaf.map(|leaf| leaf_hash(leaf));
        ensure(held == Some(receipt.leaf), || {
            format!("lost: the leaf of {receipt}")
        })?;
    }
    for (_, id) in promises.mandates.iter().filter(|(n, _)| told(*n)) {
        ensure(mandates.contains(id), || format!("lost: the event of {id}"))?;
    }
    let effects = promises.effects.iter().filter(|n| told(**n)).count();
    ensure(starts >= effects, || {
        format!("lost: {effects} calls went upstream, {starts} have started")
    })?;
    let documents = check_state(home, store, &ids, &reached).await?;
    for (_, id) in promises.applications.iter().filter(|(n, _)| told(*n)) {
        ensure(documents.contains(id), || format!("lost: {id}"))?;
        ensure(targets.contains(id), || format!("lost: the event of {id}"))?;
    }
    // The index was rebuilt or continued: it finds exactly what the ledger holds.
    let query = Query {
        limit: 1_000_000,
        ..Query::default()
    };
    let found = store
        .search(query)
        .await
        .map_err(|e| format!("search: {e}"))?;
    ensure(found.leaves.len() == ids.len(), || {
        format!("{} leaves are found of {}", found.leaves.len(), ids.len())
    })
}

/// The leaves of each log, straight from the file.
fn read_logs(home: &Path) -> Result<BTreeMap<String, Vec<Vec<u8>>>, String> {
    let file = LedgerFile::open_read_only(home).map_err(|e| format!("ledger: {e}"))?;
    let mut logs: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
    for row in file.rows() {
        let (_, leaf) = row.map_err(|e| format!("ledger: {e}"))?;
        let event: Value = serde_json::from_slice(&leaf).map_err(|e| e.to_string())?;
        let log = event["log"]
            .as_str()
            .ok_or("a leaf names no log")?
            .to_owned();
        logs.entry(log).or_default().push(leaf);
    }
    Ok(logs)
}

/// Checks the chain of commits, and that their events are in the log as far as it reaches.
/// Gives the ids of all documents.
async fn check_state(
    home: &Path,
    store: &Embedded,
    events: &BTreeMap<String, Option<u64>>,
    reached: &BTreeMap<String, u64>,
) -> Result<BTreeSet<String>, String> {
    let mut documents = BTreeSet::new();
    let database = rusqlite::Connection::open(home.join("state.db")).map_err(|e| e.to_string())?;
    for zone in store.list_zones().await.map_err(|e| e.to_string())? {
        let snapshot = store.load(zone).await.map_err(|e| e.to_string())?;
        let mut position = caracal_core::Position::start(snapshot.position.epoch);
        let commits = store
            .list_commits(zone, position.revision, usize::MAX)
            .await;
        for commit in commits.map_err(|e| e.to_string())? {
            let row = database.query_row(
                "SELECT writes, events FROM commits WHERE zone = $1 AND revision = $2",
                (
                    zone.uuid().as_bytes(),
                    commit.position.revision.0.cast_signed(),
                ),
                |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)),
            );
            let (writes, texts) = row.map_err(|e| e.to_string())?;
            position = caracal_store::next_position(&position, zone, commit.id, &writes, &texts);
            ensure(position == commit.position, || {
                format!("the chain of {zone} breaks at {:?}", commit.position)
            })?;
            // Later ones are copied into the log when the server starts again.
            let copied = reached.get(&zone.to_string()).copied().unwrap_or(0);
            for event in commit
                .events
                .iter()
                .filter(|_| position.revision.0 <= copied)
            {
                let held = events.get(&event.id.to_string()).copied().flatten();
                ensure(held == Some(position.revision.0), || {
                    format!(
                        "{} of {:?} is in the log as of {held:?}",
                        event.id, position
                    )
                })?;
            }
        }
        ensure(position == snapshot.position, || {
            format!("{zone} is not where its commits end")
        })?;
        documents.extend(snapshot.documents.iter().map(|document| {
            let prefix = if document.kind.as_str() == "application" {
                "app"
            } else {
                "other"
            };
            format!("{prefix}_{}", document.id)
        }));
    }
    Ok(documents)
}

fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}
