//! Both stores in memory, failing on demand.

mod evidence;
mod faults;
mod state;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use caracal_core::{CommitId, Document, Epoch, Kind, LogId, Position, ZoneId};
use caracal_ledger::{Log, TileBuilder};
use caracal_store::{ClaimId, CommitRecord, LogHead, StoreError};
use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use uuid::Uuid;

use faults::Faults;
pub use faults::{AppendFault, ClaimFault, CommitFault, Stalled};

/// A store in memory with the contracts of a real one. Clones are handles of one store.
/// What it holds lives on when it is closed: [`Self::reopen`] opens it again.
#[derive(Clone)]
pub struct MemoryStore {
    disk: Arc<Mutex<Disk>>,
    process: Arc<Mutex<Process>>,
    faults: Arc<Mutex<Faults>>,
}

/// What survives the end of a process.
struct Disk {
    epoch: Epoch,
    zones: HashMap<ZoneId, Zone>,
    commits: HashMap<CommitId, (ZoneId, Position)>,
    claims: HashMap<(ZoneId, ClaimId), Timestamp>,
    /// In order of their sequence numbers, which begin at 1.
    leaves: Vec<Leaf>,
    heads: HashMap<LogId, LogHead>,
    tiles: HashMap<(LogId, u8, u64), Vec<u8>>,
}

struct Zone {
    position: Position,
    documents: HashMap<(Kind, Uuid), Document>,
    commits: Vec<CommitRecord>,
}

struct Leaf {
    log: LogId,
    index: u64,
    bytes: Vec<u8>,
    fields: serde_json::Value,
}

/// What ends with it.
struct Process {
    state_closed: bool,
    evidence_closed: bool,
    watchers: Vec<mpsc::UnboundedSender<CommitRecord>>,
    logs: HashMap<LogId, (Log, TileBuilder)>,
    tail: watch::Sender<u64>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        let disk = Disk {
            epoch: Epoch(Uuid::from_bytes(caracal_crypto::random_bytes())),
            zones: HashMap::new(),
            commits: HashMap::new(),
            claims: HashMap::new(),
            leaves: Vec::new(),
            heads: HashMap::new(),
            tiles: HashMap::new(),
        };
        Self::on(Arc::new(Mutex::new(disk)))
    }

    /// Opens what this store holds as a new process would: without its open logs, its
    /// watchers and its faults.
    pub fn reopen(&self) -> Self {
        Self::on(Arc::clone(&self.disk))
    }

    fn on(disk: Arc<Mutex<Disk>>) -> Self {
        let newest = u64::try_from(lock(&disk).leaves.len()).unwrap_or(u64::MAX);
        let process = Process {
            state_closed: false,
            evidence_closed: false,
            watchers: Vec::new(),
            logs: HashMap::new(),
            tail: watch::channel(newest).0,
        };
        Self {
            disk,
            process: Arc::new(Mutex::new(process)),
            faults: Arc::default(),
        }
    }

    /// Makes a later commit fail: the next one without a fault of its own.
    pub fn fail_commit(&self, fault: CommitFault) {
        lock(&self.faults).commits.push_back(fault);
    }

    /// Makes a later claim fail: the next one without a fault of its own.
    pub fn fail_claim(&self, fault: ClaimFault) {
        lock(&self.faults).claims.push_back(fault);
    }

    /// How many claims it holds.
    pub fn claims(&self) -> usize {
        lock(&self.disk).claims.len()
    }

    /// Makes a later append fail: the next one without a fault of its own.
    pub fn fail_append(&self, fault: AppendFault) {
        lock(&self.faults).appends.push_back(fault);
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryStore").finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn unavailable(why: &str) -> StoreError {
    StoreError::Unavailable(why.to_owned())
}
