//! The ledger file: leaves by sequence, and the heads of their logs.

mod aside;
mod checkpointer;
mod followers;
mod heads;
mod prunable;
mod prune;
mod pruned;
mod writer;

use std::path::Path;

use async_trait::async_trait;
use caracal_core::LogId;
use caracal_ledger::{Log, TreeState};
use jiff::Timestamp;
use tokio::sync::{oneshot, watch};

pub(super) use aside::set_aside_unreadable;
pub(super) use followers::{Followers, Hurry, Nudged};
pub(super) use heads::{list_heads, newest_seq};
pub(super) use prunable::Seen;
pub(super) use pruned::{Pruned, Removal, read as read_pruned};

use super::projection::Projection;
use super::readers::Readers;
use super::worker::Worker;
use super::{Embedded, OpenOptions, database, failure};
use crate::{
    Appended, Entry, EvidenceFigures, EvidenceStore, LogHead, Page, Prunable, Query, StoreError,
};
use writer::{Job, Writer};

/// How many appends wait in memory; further ones wait in their callers.
const QUEUE: usize = 4096;

pub(super) struct Ledger {
    // The order matters: the writer ends first, then those who follow it.
    writer: Worker<Job>,
    followers: Followers,
    readers: Readers,
    projection: Projection,
    tail: watch::Receiver<u64>,
    seen: prune::Seen,
}

impl Ledger {
    pub(super) fn open(
        path: &Path,
        index: &Path,
        options: &OpenOptions,
    ) -> Result<Self, StoreError> {
        let connection = database::open(path, &database::LEDGER)?;
        database::limit(&connection, options.max_file_bytes)?;
        // Checkpoints happen beside the writer, not in its way.
        connection.pragma_update(None, "wal_autocheckpoint", 0)?;
        let identity = heads::identity(&connection)?;
        let newest = newest_seq(&connection)?;

        let followers = Followers::default();
        let (tail_sender, tail) = watch::channel(newest);
        let (to_projector, from_writer) = followers::nudge();
        let (to_checkpointer, written) = followers::nudge();
        let restart = checkpointer::start(path, written, &followers)?;
        let projection =
            Projection::start(path, index, identity, tail.clone(), from_writer, &followers)?;
        let writer = Writer {
            connection,
            logs: std::collections::HashMap::new(),
            newest,
            tail: tail_sender,
            nudges: [to_projector, to_checkpointer],
            restart,
            on_step: options.on_step.clone(),
        };
        let path = path.to_owned();
        Ok(Self {
            writer: Worker::start("caracal-ledger", QUEUE, move |inbox| writer.run(inbox))?,
            followers,
            readers: Readers::new(move || database::open_read_only(&path)),
            projection,
            tail,
            seen: prune::Seen::default(),
        })
    }
}

#[async_trait]
impl EvidenceStore for Embedded {
    async fn head(&self, log: LogId) -> Result<LogHead, StoreError> {
        let found = self
            .ledger
            .readers
            .read(move |connection| heads::look(connection, log))
            .await?;
        match found {
            Some(head) => Ok(head),
            // The state file knows of logs whose ledger file is gone.
            None => Ok(LogHead {
                damaged: self.state.is_started(log).await?,
                ..heads::empty()
            }),
        }
    }

    async fn open_log(&self, log: Log) -> Result<(), StoreError> {
        let id = log.id();
        let (answer, answered) = oneshot::channel();
        self.ledger
            .writer
            .send(Job::Open {
                log: Box::new(log),
                answer,
            })
            .await?;
        answered.await.map_err(|_| failure::unanswered())??;
        self.state.start_log(id).await
    }

    async fn append(&self, entries: Vec<Entry>) -> Result<Vec<Appended>, StoreError> {
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        let (answer, answered) = oneshot::channel();
        self.ledger
            .writer
            .send(Job::Append { entries, answer })
            .await?;
        answered.await.map_err(|_| failure::unanswered())?
    }

    async fn read(
        &self,
        log: LogId,
        first: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        let tail = *self.ledger.tail.borrow();
        self.ledger.projection.read(tail, log, first, limit).await
    }

    async fn search(&self, query: Query) -> Result<Page, StoreError> {
        let tail = *self.ledger.tail.borrow();
        self.ledger.projection.search(tail, query).await
    }

    async fn tile(&self, log: LogId, level: u8, n: u64, width: u16) -> Result<Vec<u8>, StoreError> {
        let tail = *self.ledger.tail.borrow();
        self.ledger
            .projection
            .tile(tail, log, level, n, width)
            .await
    }

    async fn find_prunable(
        &self,
        log: LogId,
        before: Timestamp,
        limit: u64,
    ) -> Result<Option<Prunable>, StoreError> {
        self.ledger.find_prunable(log, before, limit).await
    }

    async fn prune(&self, log: LogId, below: u64, verifier: &str) -> Result<u64, StoreError> {
        self.ledger.prune(log, below, verifier).await
    }

    async fn pruned(&self, log: LogId) -> Result<TreeState, StoreError> {
        self.ledger.pruned(log).await
    }

    async fn rebuild_index(&self) -> Result<(), StoreError> {
        self.ledger.projection.rebuild();
        Ok(())
    }

    fn tail(&self) -> watch::Receiver<u64> {
        self.ledger.tail.clone()
    }

    fn figures(&self) -> EvidenceFigures {
        EvidenceFigures {
            tail: *self.ledger.tail.borrow(),
            projected: self.ledger.projection.projected(),
        }
    }

    async fn close(&self) {
        self.ledger.writer.close().await;
        self.ledger.followers.join().await;
        self.ledger.readers.close().await;
        self.ledger.projection.close().await;
    }
}
