//! The state file: documents and the chain of commits that made them.

mod apply;
mod claims;
pub(super) mod rows;
mod writer;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use caracal_core::{CommitId, LogId, Position, Revision, ZoneId};
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};

use super::readers::Readers;
use super::worker::Worker;
use super::{Embedded, OpenOptions, database, failure};
use crate::{
    ClaimId, Claimed, Commit, CommitError, CommitRecord, Snapshot, StateStore, StoreError,
};
use claims::Claim;
use writer::{Job, Writer};

/// How many commits wait in memory; further ones wait in their callers.
const QUEUE: usize = 1024;

type Watchers = Arc<Mutex<Vec<mpsc::UnboundedSender<CommitRecord>>>>;

pub(super) struct State {
    writer: Worker<Job>,
    readers: Readers,
    watchers: Watchers,
}

impl State {
    pub(super) fn open(path: &Path, options: &OpenOptions) -> Result<Self, StoreError> {
        let connection = database::open(path, &database::STATE)?;
        database::limit(&connection, options.max_file_bytes)?;
        let watchers = Watchers::default();
        let writer = Writer::new(connection, Arc::clone(&watchers), options.on_step.clone());
        let path = path.to_owned();
        Ok(Self {
            writer: Worker::start("caracal-state", QUEUE, move |inbox| writer.run(inbox))?,
            readers: Readers::new(move || database::open_read_only(&path)),
            watchers,
        })
    }

    /// Remembers durably that a log was taken over for appending.
    pub(super) async fn start_log(&self, log: LogId) -> Result<(), StoreError> {
        let (answer, answered) = oneshot::channel();
        self.writer.send(Job::StartLog { log, answer }).await?;
        answered.await.map_err(|_| failure::unanswered())?
    }

    /// Whether the log was ever taken over for appending.
    pub(super) async fn is_started(&self, log: LogId) -> Result<bool, StoreError> {
        self.readers
            .read(move |connection| rows::is_started(connection, log))
            .await
    }
}

#[async_trait]
impl StateStore for Embedded {
    async fn commit(&self, commit: Commit) -> Result<Position, CommitError> {
        let (answer, answered) = oneshot::channel();
        self.state
            .writer
            .send(Job::Commit { commit, answer })
            .await?;
        answered
            .await
            .map_err(|_| CommitError::Store(failure::unanswered()))?
    }

    async fn find_commit(
        &self,
        zone: ZoneId,
        id: CommitId,
    ) -> Result<Option<Position>, StoreError> {
        // Through the writer's queue: behind every commit that could still happen.
        let (answer, answered) = oneshot::channel();
        self.state
            .writer
            .send(Job::Find { zone, id, answer })
            .await?;
        answered.await.map_err(|_| failure::unanswered())?
    }

    async fn list_zones(&self) -> Result<Vec<ZoneId>, StoreError> {
        self.state.readers.read(rows::list_zones).await
    }

    async fn load(&self, zone: ZoneId) -> Result<Snapshot, StoreError> {
        self.state
            .readers
            .read(move |connection| rows::load(connection, zone))
            .await
    }

    async fn list_commits(
        &self,
        zone: ZoneId,
        after: Revision,
        limit: usize,
    ) -> Result<Vec<CommitRecord>, StoreError> {
        self.state
            .readers
            .read(move |connection| rows::list_commits(connection, zone, after, limit))
            .await
    }

    async fn forget_commits(
        &self,
        zone: ZoneId,
        below: Revision,
        limit: usize,
    ) -> Result<usize, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.state
            .writer
            .send(Job::Forget {
                zone,
                below,
                limit,
                answer,
            })
            .await?;
        answered.await.map_err(|_| failure::unanswered())?
    }

    async fn claim(
        &self,
        zone: ZoneId,
        id: ClaimId,
        expires_at: Timestamp,
    ) -> Result<Claimed, StoreError> {
        let (answer, answered) = oneshot::channel();
        // Rounded up: a claim never ends too early.
        let expires_at = expires_at.as_second().saturating_add(1);
        let claim = Claim {
            zone,
            id,
            expires_at,
            answer,
        };
        self.state.writer.send(Job::Claim(claim)).await?;
        answered.await.map_err(|_| failure::unanswered())?
    }

    async fn forget_claims(&self, before: Timestamp, limit: usize) -> Result<usize, StoreError> {
        let (answer, answered) = oneshot::channel();
        let before = before.as_second();
        self.state
            .writer
            .send(Job::ForgetClaims {
                before,
                limit,
                answer,
            })
            .await?;
        answered.await.map_err(|_| failure::unanswered())?
    }

    fn watch(&self) -> mpsc::UnboundedReceiver<CommitRecord> {
        let (watcher, commits) = mpsc::unbounded_channel();
        self.state
            .watchers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(watcher);
        commits
    }

    async fn close(&self) {
        // The last connection to end takes the WAL into the file; a reader's cannot.
        self.state.readers.close().await;
        self.state.writer.close().await;
        self.state
            .watchers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }
}
