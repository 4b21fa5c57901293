//! Filling a store faster than any server could: objects and events put in place directly.

use std::path::Path;

use anyhow::{Context, Result};
use caracal_core::{
    Anchor, Application, ApplicationId, CommitId, Decision, Document, Event, EventId, EventType,
    Kind, MandateId, NodeId, ResourceIdentifier, Revision, Revocation, RevocationId, SessionId,
    Version, Zone, ZoneId,
};
use caracal_crypto::{Keyring, LogSigner, MasterKey, SealContext, random_bytes};
use caracal_ledger::{LeafDraft, Log, TreeState};
use caracal_store::{
    Commit, Embedded, Entry, EvidenceStore, OpenOptions, Query, StateStore, Write,
};
use jiff::Timestamp;

/// How many objects or events are written at a time.
const BATCH: u64 = 2_000;

/// What a store is filled with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seed {
    /// Applications; the engine lets a zone have 10,000.
    pub(crate) applications: u64,
    /// Revocations of mandates, of which a zone may have any number.
    pub(crate) revocations: u64,
    /// Events of calls.
    pub(crate) events: u64,
}

impl Seed {
    /// Fills the only zone of a home whose server is stopped.
    pub(crate) async fn fill(self, home: &Path, master: MasterKey) -> Result<()> {
        let store = Embedded::open(home, OpenOptions::default())?;
        let keyring = Keyring::new(master);
        let filled = self.fill_store(&store, &keyring).await;
        EvidenceStore::close(&store).await;
        StateStore::close(&store).await;
        filled
    }

    async fn fill_store(self, store: &Embedded, keyring: &Keyring) -> Result<()> {
        let zones = store.list_zones().await?;
        let zone = zones.into_iter().find(|zone| *zone != ZoneId::INSTANCE);
        let zone = zone.context("the home has no zone")?;
        let snapshot = store.load(zone).await?;
        let document = snapshot.documents.iter().find(|d| d.kind == Kind::Zone);
        let document = document.context("the zone has no document")?;
        let stored: Zone = serde_json::from_str(&document.body)?;
        let key = stored.logs.last().context("the zone has no log")?;
        let head = store.head(key.id).await?;
        let seed = keyring.open(&key.private, &SealContext::new(zone, "log-key"))?;
        let state = TreeState {
            size: head.size,
            edge: head.edge,
        };
        let log = Log::open(key.id, &key.origin, LogSigner::from_seed(&seed)?, state)?;
        store.open_log(log).await?;

        let objects = self.applications + self.revocations;
        let mut done = 0;
        while done < objects {
            let count = BATCH.min(objects - done);
            let writes = (done..done + count).map(|n| match n < self.applications {
                true => application(zone, n),
                false => revocation(zone),
            });
            let mut event = event(zone, EventType::ApplicationRegistered);
            let commit = Commit {
                id: CommitId::new(now(), &random_bytes()),
                zone,
                reads: Vec::new(),
                writes: writes.collect::<Result<_>>()?,
                events: vec![event.clone()],
            };
            let position = store.commit(commit).await?;
            event.revision = Some(position.revision.0);
            let entry = Entry {
                draft: LeafDraft::new(&event, key.id)?,
                revision: Some(Revision(position.revision.0)),
            };
            store.append(vec![entry]).await?;
            done += count;
        }
        let mut done = 0;
        while done < self.events {
            let count = BATCH.min(self.events - done);
            let entries = (0..count).map(|_| {
                let draft = LeafDraft::new(&call(zone)?, key.id)?;
                anyhow::Ok(Entry {
                    draft,
                    revision: None,
                })
            });
            store.append(entries.collect::<Result<_>>()?).await?;
            done += count;
        }
        // The index has caught up when a search is answered; until then it says that it has not.
        let query = Query {
            limit: 1,
            ..Query::default()
        };
        for _ in 0..60 {
            if store.search(query.clone()).await.is_ok() {
                return Ok(());
            }
        }
        store
            .search(query)
            .await
            .map(drop)
            .context("the index does not catch up")
    }
}

fn now() -> Timestamp {
    Timestamp::from_second(1_790_000_000).unwrap_or_default()
}

fn application(zone: ZoneId, n: u64) -> Result<Write> {
    let id = ApplicationId::new(now(), &random_bytes());
    let application = Application {
        id,
        name: format!("seeded-{n}").parse()?,
        created_at: now(),
        labels: Default::default(),
        auth: Default::default(),
        secrets: Vec::new(),
    };
    Ok(Write::Put(Document {
        zone,
        kind: Kind::Application,
        id: id.uuid(),
        name: Some(application.name.clone()),
        version: Version(1),
        body: serde_json::to_string(&application)?.into(),
    }))
}

fn revocation(zone: ZoneId) -> Result<Write> {
    let id = RevocationId::new(now(), &random_bytes());
    let revocation = Revocation {
        id,
        anchor: Anchor::Mandate(MandateId::new(now(), &random_bytes())),
        created_at: now(),
        reason: None,
        lifted_at: None,
        lifted_after: None,
    };
    Ok(Write::Put(Document {
        zone,
        kind: Kind::Revocation,
        id: id.uuid(),
        name: None,
        version: Version(1),
        body: serde_json::to_string(&revocation)?.into(),
    }))
}

fn event(zone: ZoneId, event_type: EventType) -> Event {
    Event::new(
        EventId::new(now(), &random_bytes()),
        now(),
        zone,
        NodeId::new(now(), &[1; 10]),
        event_type,
        format!("req_{}", EventId::new(now(), &random_bytes())),
    )
}

fn call(zone: ZoneId) -> Result<Event> {
    let mut event = event(zone, EventType::CallStarted);
    event.decision = Some(Decision::Allow);
    event.application = Some(ApplicationId::new(now(), &[2; 10]));
    event.session = Some(SessionId::new(now(), &random_bytes()));
    event.mandate = Some(MandateId::new(now(), &random_bytes()));
    event.resource = Some(ResourceIdentifier::new("items".parse()?));
    Ok(event)
}
