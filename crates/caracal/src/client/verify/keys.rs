//! The verifier keys of the local stack's logs.

use std::collections::BTreeMap;
use std::path::Path;

use caracal_core::{Kind, LogId, Zone};
use caracal_store::{Embedded, OpenOptions, StateStore};
use caracal_wire::{LogView, Page, ZoneView};

use crate::client::{Api, Target, listing};
use crate::failure::{Context, Failure, Outcome};
use crate::home::Home;

/// The zone in whose partition the instance's own log stands.
const INSTANCE: caracal_core::ZoneId = caracal_core::ZoneId::INSTANCE;

/// The keys of all logs, from the running server.
pub(crate) async fn from_server(home: &Home) -> Outcome<BTreeMap<LogId, String>> {
    let api = Api::connect(Target::Local, home)?;
    let zones: Page<ZoneView> = listing::fetch(&api, "/v1/zones", &[], usize::MAX).await?;
    let ids = zones
        .items
        .into_iter()
        .map(|zone| zone.id)
        .chain([INSTANCE.to_string()]);
    let mut keys = BTreeMap::new();
    for zone in ids {
        let logs: Page<LogView> =
            listing::fetch(&api, &format!("/v1/zones/{zone}/logs"), &[], usize::MAX).await?;
        for log in logs.items {
            keys.insert(
                log.id
                    .parse()
                    .context("the server names a log that cannot be")?,
                log.verifier,
            );
        }
    }
    Ok(keys)
}

/// The keys of all logs, from the stored state. It is read from a copy: verifying changes
/// nothing in the home. The caller holds the lock, so that nobody writes meanwhile.
pub(crate) async fn from_state(home: &Home) -> Outcome<BTreeMap<LogId, String>> {
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

async fn read(store: &Embedded) -> Outcome<BTreeMap<LogId, String>> {
    let mut keys = BTreeMap::new();
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
            keys.extend(zone.logs.into_iter().map(|log| (log.id, log.verifier)));
        }
    }
    Ok(keys)
}
