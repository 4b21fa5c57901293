//! The verifier keys of the local stack's logs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use caracal_core::{Kind, LogId, Zone};
use caracal_store::{Embedded, OpenOptions, StateStore};
use caracal_wire::{LogView, Page, ZoneView};
use jiff::{SignedDuration, Timestamp};

use crate::client::{Api, Target, listing};
use crate::clock;
use crate::failure::{Context, Failure, Outcome};
use crate::home::Home;

/// The zone in whose partition the instance's own log stands.
const INSTANCE: caracal_core::ZoneId = caracal_core::ZoneId::INSTANCE;

/// How long a new log may be without a leaf: its zone is stored a moment before.
const YOUNG: SignedDuration = SignedDuration::from_secs(60);

/// What is known of the logs before their leaves are read.
#[derive(Default)]
pub(crate) struct Keys {
    /// The verifier keys.
    pub(crate) verifiers: BTreeMap<LogId, String>,
    /// Logs that may be empty: the newest of their zone, just opened.
    pub(crate) young: BTreeSet<LogId>,
}

impl Keys {
    /// Takes the logs of one zone in, the newest last.
    fn add(&mut self, logs: Vec<(LogId, String, Timestamp)>) {
        if let Some((newest, _, created_at)) = logs.last()
            && clock::now().duration_since(*created_at) < YOUNG
        {
            self.young.insert(*newest);
        }
        self.verifiers
            .extend(logs.into_iter().map(|(log, verifier, _)| (log, verifier)));
    }
}

/// The keys of all logs, from the running server.
pub(crate) async fn from_server(home: &Home) -> Outcome<Keys> {
    let api = Api::connect(Target::Local, home)?;
    let zones: Page<ZoneView> = listing::fetch(&api, "/v1/zones", &[], usize::MAX).await?;
    let ids = zones
        .items
        .into_iter()
        .map(|zone| zone.id)
        .chain([INSTANCE.to_string()]);
    let mut keys = Keys::default();
    for zone in ids {
        let path = format!("/v1/zones/{zone}/logs");
        let page: Page<LogView> = listing::fetch(&api, &path, &[], usize::MAX).await?;
        let mut logs = Vec::new();
        for log in page.items {
            let id: LogId = log
                .id
                .parse()
                .context("the server names a log that cannot be")?;
            logs.push((id, log.verifier, log.created_at));
        }
        logs.sort_by_key(|(id, ..)| *id);
        keys.add(logs);
    }
    Ok(keys)
}

/// The keys of all logs, from the stored state. It is read from a copy: verifying changes
/// nothing in the home. The caller holds the lock, so that nobody writes meanwhile.
pub(crate) async fn from_state(home: &Home) -> Outcome<Keys> {
    let dir = tempfile::tempdir().context("there is no place for a copy of the state")?;
    for name in ["state.db", "state.db-wal"] {
        copy(&home.join(name), &dir.path().join(name))?;
    }
    let store = Embedded::open(dir.path(), OpenOptions::default())
        .context("the stored state cannot be read")?;
    let read = read(&store).await;
    StateStore::close(&store).await;
    read
}

fn copy(from: &Path, to: &Path) -> Outcome<()> {
    match std::fs::copy(from, to) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Failure::new(format!(
            "`{}` cannot be read: {error}",
            from.display()
        ))),
        _ => Ok(()),
    }
}

async fn read(store: &Embedded) -> Outcome<Keys> {
    let mut keys = Keys::default();
    for id in store
        .list_zones()
        .await
        .context("the stored state cannot be read")?
    {
        let snapshot = store
            .load(id)
            .await
            .context("the stored state cannot be read")?;
        for document in snapshot
            .documents
            .iter()
            .filter(|document| document.kind == Kind::Zone)
        {
            let zone: Zone = serde_json::from_str(&document.body)
                .context(format!("the stored zone `{id}` is damaged"))?;
            keys.add(
                zone.logs
                    .into_iter()
                    .map(|log| (log.id, log.verifier, log.created_at))
                    .collect(),
            );
        }
    }
    Ok(keys)
}
