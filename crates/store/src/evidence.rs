//! The contract of the evidence store.

use async_trait::async_trait;
use caracal_core::{Decision, LogId, Revision, ZoneId};
use caracal_ledger::{LeafDraft, Log, Receipt, TreeState};
use jiff::Timestamp;

use crate::StoreError;

/// One leaf on its way into a log.
#[derive(Debug)]
pub struct Entry {
    /// The leaf without its index.
    pub draft: LeafDraft,
    /// The revision of the commit it came with; none for decision events. Leaves of commits
    /// are appended in the order of their revisions.
    pub revision: Option<Revision>,
}

/// What the store knows of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogHead {
    /// The number of leaves.
    pub size: u64,
    /// The right edge of the tree, for [`caracal_ledger::TreeState`].
    pub edge: Vec<[u8; 32]>,
    /// The highest revision among the leaves.
    pub revision: Revision,
    /// The newest signed checkpoint; none for an empty log.
    pub checkpoint: Option<String>,
    /// True when the stored leaves end before `size`, or the last one is not what the head
    /// says: the log must not be continued. Open a new one.
    pub damaged: bool,
}

/// The receipt of an appended leaf.
pub type Appended = Receipt;

/// What to search for. All given conditions must hold.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// The zone; none for all.
    pub zone: Option<ZoneId>,
    /// Only this event id.
    pub id: Option<String>,
    /// Only this request id.
    pub request_id: Option<String>,
    /// Only this type.
    pub event_type: Option<String>,
    /// Only this decision.
    pub decision: Option<Decision>,
    /// Only this application id.
    pub application: Option<String>,
    /// Only this session id.
    pub session: Option<String>,
    /// Only this mandate id.
    pub mandate: Option<String>,
    /// Only this resource identifier.
    pub resource: Option<String>,
    /// Not before.
    pub from: Option<Timestamp>,
    /// Not at or after.
    pub until: Option<Timestamp>,
    /// Continue after this position (an older answer's [`Page::next`]).
    pub cursor: Option<u64>,
    /// True: oldest first; else newest first.
    pub ascending: bool,
    /// At most this many; at least 1.
    pub limit: usize,
}

/// Leaves that a search found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// (sequence number, leaf bytes), in the order asked for.
    pub leaves: Vec<(u64, Vec<u8>)>,
    /// Where to go on; none at the end.
    pub next: Option<u64>,
}

/// How far an evidence store has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EvidenceFigures {
    /// The sequence number of the newest leaf.
    pub tail: u64,
    /// The sequence number up to which searches find everything.
    pub projected: u64,
}

/// Leaves at the beginning of a log whose time is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prunable {
    /// How many leaves are gone already: the index of the first that is kept.
    pub start: u64,
    /// Every kept leaf with an index below this is of an event before the time that was asked
    /// for. The newest leaf of a log is never among them.
    pub below: u64,
    /// The time of the first of them.
    pub oldest: Timestamp,
    /// True when there is nothing among them but events about pruning.
    pub is_idle: bool,
}

/// The leaves of logs. All methods may be called concurrently.
#[async_trait]
pub trait EvidenceStore: Send + Sync + 'static {
    /// What is stored of a log; an unknown log is empty.
    async fn head(&self, log: LogId) -> Result<LogHead, StoreError>;

    /// Takes over a log for appending; its tree state must be that of [`Self::head`].
    async fn open_log(&self, log: Log) -> Result<(), StoreError>;

    /// Appends the entries, all or none, in order; each log's leaves get consecutive indexes.
    /// When this returns `Ok`, the leaves are on stable storage and covered by a stored signed
    /// checkpoint. Pending calls share one synced transaction. The queue is bounded: a call
    /// waits while it is full.
    async fn append(&self, entries: Vec<Entry>) -> Result<Vec<Appended>, StoreError>;

    /// Leaf bytes of a log by index, from `first`, at most `limit`.
    async fn read(
        &self,
        log: LogId,
        first: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Vec<u8>)>, StoreError>;

    /// Searches leaves. The answer is complete for everything whose `append` returned before
    /// this call began. A page may be short, or empty, and yet have a [`Page::next`]: where much
    /// has to be looked at, it is looked at in several calls.
    async fn search(&self, query: Query) -> Result<Page, StoreError>;

    /// A tile of hashes (C2SP tlog-tiles): `32 × width` bytes. Complete for every appended leaf.
    async fn tile(&self, log: LogId, level: u8, n: u64, width: u16) -> Result<Vec<u8>, StoreError>;

    /// The leaves of a log whose events are all before a time; none when there are none. Looks
    /// at no more than `limit` of them.
    async fn find_prunable(
        &self,
        log: LogId,
        before: Timestamp,
        limit: u64,
    ) -> Result<Option<Prunable>, StoreError> {
        let _ = (log, before, limit);
        Ok(None)
    }

    /// Removes some of the first leaves of a log, with indexes below `below`, in one short
    /// transaction, and answers with the index of the first that is kept then. Before it
    /// removes them it recomputes the tree over them and compares it with the newest
    /// checkpoint, which must be signed by the key `verifier`. The newest leaf stays.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when the leaves are not what was signed: nothing is removed.
    async fn prune(&self, log: LogId, below: u64, verifier: &str) -> Result<u64, StoreError> {
        let _ = (log, below, verifier);
        Ok(0)
    }

    /// The tree over the leaves of a log that are not kept any more.
    async fn pruned(&self, log: LogId) -> Result<TreeState, StoreError> {
        let _ = log;
        Ok(TreeState::new())
    }

    /// Makes what people search anew from the leaves, in the background.
    async fn rebuild_index(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// The sequence number of the newest leaf of any log; rises with every append. 0 when empty.
    fn tail(&self) -> tokio::sync::watch::Receiver<u64>;

    /// How far the store has come.
    fn figures(&self) -> EvidenceFigures {
        let tail = *self.tail().borrow();
        EvidenceFigures {
            tail,
            projected: tail,
        }
    }

    /// Finishes what is queued, then closes. Later calls fail with [`StoreError::Unavailable`].
    async fn close(&self);
}
