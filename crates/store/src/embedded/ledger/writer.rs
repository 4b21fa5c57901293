//! The one thread that writes the ledger file.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use caracal_core::LogId;
use caracal_ledger::{Log, Receipt, TreeState, leaf_hash};
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{oneshot, watch};

use super::checkpointer::{HUGE, checkpoint};
use super::followers::Nudge;
use super::heads::{self, Head};
use super::pruned::{self, Removal};
use crate::embedded::meters::meters;
use crate::embedded::number::signed;
use crate::embedded::step::{Step, StepHook};
use crate::embedded::worker::Inbox;
use crate::{Appended, Entry, StoreError};

/// How many calls share one synced transaction at most.
const BATCH: usize = 1024;

/// How long a new start of the WAL waits for readers before it is left for the next time.
const RESTART_TIMEOUT: Duration = Duration::from_millis(100);

type AppendAnswer = oneshot::Sender<Result<Vec<Appended>, StoreError>>;

pub(super) enum Job {
    Open {
        log: Box<Log>,
        answer: oneshot::Sender<Result<(), StoreError>>,
    },
    Append {
        entries: Vec<Entry>,
        answer: AppendAnswer,
    },
    Prune {
        removal: Removal,
        answer: oneshot::Sender<Result<u64, StoreError>>,
    },
}

/// A log that is open for appending. `head` is what the file says of it.
pub(super) struct OpenLog {
    log: Log,
    head: Head,
}

pub(super) struct Writer {
    pub(super) connection: Connection,
    pub(super) logs: HashMap<LogId, OpenLog>,
    /// The highest sequence number in the file.
    pub(super) newest: u64,
    pub(super) tail: watch::Sender<u64>,
    pub(super) nudges: [Nudge; 2],
    pub(super) restart: Arc<AtomicBool>,
    pub(super) on_step: Option<StepHook>,
}

/// What a batch becomes, before it is in the file.
#[derive(Default)]
struct Draft {
    leaves: Vec<Vec<u8>>,
    heads: HashMap<LogId, Head>,
}

impl Writer {
    pub(super) fn run(mut self, mut inbox: Inbox<Job>) {
        let mut jobs = Vec::with_capacity(BATCH);
        let mut batch = Vec::with_capacity(BATCH);
        while inbox.gather(&mut jobs, BATCH) {
            for job in jobs.drain(..) {
                match job {
                    Job::Append { entries, answer } => batch.push((entries, answer)),
                    Job::Open { log, answer } => {
                        self.append_batch(&mut batch);
                        // Who asked may have gone away; then nobody wants to know.
                        let _ = answer.send(self.open(*log));
                    }
                    Job::Prune { removal, answer } => {
                        self.append_batch(&mut batch);
                        let on_step = self.on_step.clone();
                        let gone = pruned::remove(&mut self.connection, &removal, on_step.as_ref());
                        for nudge in &self.nudges {
                            nudge.now();
                        }
                        let _ = answer.send(gone);
                    }
                }
            }
            self.append_batch(&mut batch);
            if self.restart.swap(false, Ordering::Relaxed) {
                self.restart_wal();
            }
        }
    }

    fn step(&self, step: Step) {
        if let Some(on_step) = &self.on_step {
            on_step(step);
        }
    }

    fn open(&mut self, log: Log) -> Result<(), StoreError> {
        let id = log.id();
        let head = match heads::read(&self.connection, id)? {
            None => {
                let state = TreeState::new();
                let head = Head {
                    state,
                    revision: Default::default(),
                    last_seq: 0,
                    last_leaf: None,
                };
                heads::write(&self.connection, id, &head, None)?;
                head
            }
            Some((_, Some(head))) => head,
            Some((_, None)) => {
                return Err(StoreError::Damaged(format!(
                    "`{id}` cannot be continued; open a new log"
                )));
            }
        };
        if *log.state() != head.state {
            return Err(StoreError::Damaged(format!(
                "`{id}` was opened at size {} and is stored with {}",
                log.size(),
                head.state.size
            )));
        }
        self.logs.insert(id, OpenLog { log, head });
        Ok(())
    }

    /// Makes all entries durable with one sync, then answers.
    fn append_batch(&mut self, batch: &mut Vec<(Vec<Entry>, AppendAnswer)>) {
        if batch.is_empty() {
            return;
        }
        let mut draft = Draft::default();
        let mut waiting = Vec::with_capacity(batch.len());
        for (entries, answer) in batch.drain(..) {
            let closed = entries
                .iter()
                .find(|entry| !self.logs.contains_key(&entry.draft.log()));
            if let Some(entry) = closed {
                let why = format!("`{}` is not open for appending", entry.draft.log());
                let _ = answer.send(Err(StoreError::Unavailable(why)));
                continue;
            }
            waiting.push((self.draft(entries, &mut draft), answer));
        }
        if draft.leaves.is_empty() {
            return;
        }
        for (id, head) in &mut draft.heads {
            if let Some(open) = self.logs.get(id) {
                head.state.clone_from(open.log.state());
            }
        }
        let began = Instant::now();
        match self.write(&draft) {
            Ok(()) => {
                meters().appended(draft.leaves.len(), began.elapsed());
                self.step(Step::AfterLedgerCommit);
                self.newest += u64::try_from(draft.leaves.len()).unwrap_or(0);
                for (id, head) in draft.heads {
                    if let Some(open) = self.logs.get_mut(&id) {
                        open.head = head;
                    }
                }
                self.tail.send_replace(self.newest);
                for nudge in &self.nudges {
                    nudge.now();
                }
                for (receipts, answer) in waiting {
                    let _ = answer.send(Ok(receipts));
                }
            }
            Err(error) => {
                meters().append_failures.increment(1);
                tracing::error!(%error, leaves = draft.leaves.len(), "leaves cannot be written");
                for id in draft.heads.keys() {
                    if let Some(open) = self.logs.get_mut(id) {
                        // The state was checked when it was taken.
                        if let Err(error) = open.log.restore(open.head.state.clone()) {
                            tracing::error!(%error, log = %id, "a log cannot go back");
                        }
                    }
                }
                for (_, answer) in waiting {
                    let _ = answer.send(Err(error.clone()));
                }
            }
        }
    }

    /// Gives the entries their indexes.
    fn draft(&mut self, entries: Vec<Entry>, draft: &mut Draft) -> Vec<Receipt> {
        let mut receipts = Vec::with_capacity(entries.len());
        for Entry {
            draft: leaf,
            revision,
        } in entries
        {
            let id = leaf.log();
            let Some(open) = self.logs.get_mut(&id) else {
                continue;
            };
            let head = draft.heads.entry(id).or_insert_with(|| open.head.clone());
            let bytes = leaf.finish(open.log.size());
            let hash = leaf_hash(&bytes);
            let index = open.log.append(&hash);
            draft.leaves.push(bytes);
            head.revision = head.revision.max(revision.unwrap_or_default());
            head.last_seq = self.newest + u64::try_from(draft.leaves.len()).unwrap_or(0);
            head.last_leaf = Some(hash.0);
            receipts.push(Receipt {
                log: id,
                index,
                leaf: hash,
            });
        }
        receipts
    }

    fn write(&mut self, draft: &Draft) -> Result<(), StoreError> {
        let on_step = self.on_step.clone();
        let step = |step| {
            if let Some(on_step) = &on_step {
                on_step(step);
            }
        };
        step(Step::BeforeLedgerInsert);
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        {
            let mut insert =
                transaction.prepare_cached("INSERT INTO events (seq, body) VALUES ($1, $2)")?;
            for (seq, leaf) in (signed(self.newest) + 1..).zip(&draft.leaves) {
                insert.execute((seq, leaf))?;
            }
        }
        step(Step::AfterLedgerInsert);
        for (id, head) in &draft.heads {
            let Some(open) = self.logs.get(id) else {
                continue;
            };
            let checkpoint = open.log.checkpoint().map_err(|error| {
                StoreError::Unavailable(format!("`{id}` cannot be signed: {error}"))
            })?;
            heads::write(&transaction, *id, head, Some(&checkpoint))?;
        }
        step(Step::BeforeLedgerCommit);
        let began = Instant::now();
        transaction.commit()?;
        meters().ledger_sync.record(began.elapsed());
        Ok(())
    }

    /// Starts the WAL anew, when no reader is in the way. The file keeps its size: writing over
    /// what is there syncs faster than making it longer.
    fn restart_wal(&self) {
        let restart = || -> rusqlite::Result<()> {
            self.connection.busy_timeout(RESTART_TIMEOUT)?;
            let mut pages = checkpoint(&self.connection, "RESTART");
            if matches!(pages, Ok(pages) if pages > HUGE) {
                pages = checkpoint(&self.connection, "TRUNCATE");
            }
            self.connection
                .busy_timeout(crate::embedded::database::BUSY_TIMEOUT)?;
            pages.map(drop)
        };
        if let Err(error) = restart() {
            tracing::warn!(%error, "the ledger's WAL cannot be started anew");
        }
    }
}
