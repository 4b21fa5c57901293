//! Documents, events and logs to store.

use std::sync::atomic::{AtomicU64, Ordering};

use caracal_core::{
    CommitId, Document, Event, EventId, EventType, Kind, LogId, Name, NodeId, Secret, Version,
    ZoneId,
};
use caracal_crypto::LogSigner;
use caracal_ledger::{LeafDraft, Log, TreeState, verifier_key};
use caracal_store::{Commit, Entry, EvidenceStore, Read, Write};
use jiff::Timestamp;
use uuid::Uuid;

static NEXT: AtomicU64 = AtomicU64::new(1);

/// Ids that no other part of this process gets.
#[derive(Debug, Clone, Copy)]
pub struct Ids;

impl Ids {
    /// A new UUID.
    pub fn uuid() -> Uuid {
        let [a, b, c, d, e, f, g, h] = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        uuid::Builder::from_unix_timestamp_millis(
            1_700_000_000_000,
            &[0, 0, a, b, c, d, e, f, g, h],
        )
        .into_uuid()
    }

    /// A new zone.
    pub fn zone() -> ZoneId {
        ZoneId::from_uuid(Self::uuid())
    }

    /// A new commit.
    pub fn commit() -> CommitId {
        CommitId::from_uuid(Self::uuid())
    }

    /// A new log.
    pub fn log() -> LogId {
        LogId::from_uuid(Self::uuid())
    }
}

/// A name, which must be one.
pub fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// An application's document with a body of its own.
pub fn document(zone: ZoneId, id: Uuid, version: u64) -> Document {
    Document {
        zone,
        kind: Kind::Application,
        id,
        name: None,
        version: Version(version),
        body: format!("{{\"version\":{version},\"text\":\"\\\"ä\\u0000\"}}").into(),
    }
}

/// An event at second 1,700,000,000.
pub fn event(zone: ZoneId) -> Event {
    Event::new(
        EventId::from_uuid(Ids::uuid()),
        Timestamp::from_second(1_700_000_000).unwrap(),
        zone,
        NodeId::from_uuid(Uuid::from_bytes([9; 16])),
        EventType::ApplicationUpdated,
        format!("req_{}", Ids::uuid()),
    )
}

/// A commit of these writes with one event and no reads.
pub(super) fn commit(zone: ZoneId, writes: Vec<Write>) -> Commit {
    Commit {
        id: Ids::commit(),
        zone,
        reads: Vec::new(),
        writes,
        events: vec![event(zone)],
    }
}

/// A commit that puts one document.
pub(super) fn put(zone: ZoneId, id: Uuid, version: u64) -> Commit {
    commit(zone, vec![Write::Put(document(zone, id, version))])
}

/// An application's version in a read set.
pub(super) fn read(id: Uuid, version: u64) -> Read {
    Read {
        kind: Kind::Application,
        id,
        version: Version(version),
    }
}

/// A log with its key, as a zone keeps it.
pub struct TestLog {
    /// The id.
    pub id: LogId,
    /// The zone of its events.
    pub zone: ZoneId,
    seed: Secret,
    public: [u8; 32],
}

impl TestLog {
    /// A new one.
    pub fn new(zone: ZoneId) -> Self {
        let (seed, signer) = LogSigner::generate().unwrap();
        Self {
            id: Ids::log(),
            zone,
            seed,
            public: signer.public(),
        }
    }

    /// The origin line of its checkpoints.
    pub fn origin(&self) -> String {
        format!("localhost/{}", self.id)
    }

    /// The key that verifies its checkpoints.
    pub fn verifier(&self) -> String {
        verifier_key(&self.origin(), &self.public)
    }

    /// The log at a state.
    pub fn at(&self, state: TreeState) -> Log {
        Log::open(
            self.id,
            &self.origin(),
            LogSigner::from_seed(&self.seed).unwrap(),
            state,
        )
        .unwrap()
    }

    /// Opens it where the store says it stands.
    pub async fn open(&self, store: &impl EvidenceStore) {
        let head = store.head(self.id).await.unwrap();
        assert!(!head.damaged, "the log {} is damaged", self.id);
        store
            .open_log(self.at(TreeState {
                size: head.size,
                edge: head.edge,
            }))
            .await
            .unwrap();
    }

    /// A new event of its zone on its way into it.
    pub fn entry(&self) -> Entry {
        self.entry_of(&event(self.zone))
    }

    /// An event on its way into it.
    pub fn entry_of(&self, event: &Event) -> Entry {
        let revision = event.revision.map(caracal_core::Revision);
        Entry {
            draft: LeafDraft::new(event, self.id).unwrap(),
            revision,
        }
    }
}
