//! The one thread that writes the state file.

use std::collections::VecDeque;
use std::sync::PoisonError;

use caracal_core::{CommitId, LogId, Position, Revision, ZoneId};
use rusqlite::{Connection, ErrorCode, TransactionBehavior};
use tokio::sync::oneshot;

use super::apply::{Made, apply};
use super::claims::{self, Claim, claim_batch};
use super::{Watchers, rows};
use crate::embedded::meters::meters;
use crate::embedded::number::signed;
use crate::embedded::step::{Step, StepHook};
use crate::embedded::worker::Inbox;
use crate::{Commit, CommitError, StoreError};

/// How many commits, and how many claims, share one synced transaction at most.
const BATCH: usize = 256;

type CommitAnswer = oneshot::Sender<Result<Position, CommitError>>;

/// A commit that was tried, and whom to tell.
type Tried = (Result<Made, CommitError>, CommitAnswer);

pub(super) enum Job {
    Commit {
        commit: Commit,
        answer: CommitAnswer,
    },
    Find {
        zone: ZoneId,
        id: CommitId,
        answer: oneshot::Sender<Result<Option<Position>, StoreError>>,
    },
    StartLog {
        log: LogId,
        answer: oneshot::Sender<Result<(), StoreError>>,
    },
    Claim(Claim),
    ForgetClaims {
        before: i64,
        limit: usize,
        answer: oneshot::Sender<Result<usize, StoreError>>,
    },
    Forget {
        zone: ZoneId,
        below: Revision,
        limit: usize,
        answer: oneshot::Sender<Result<usize, StoreError>>,
    },
}

pub(super) struct Writer {
    connection: Connection,
    watchers: Watchers,
    on_step: Option<StepHook>,
    /// A COMMIT failed in a way that may leave its pages in the file: they could come back
    /// after a crash until something else is written over them.
    unsettled: bool,
}

impl Writer {
    pub(super) fn new(
        connection: Connection,
        watchers: Watchers,
        on_step: Option<StepHook>,
    ) -> Self {
        Self {
            connection,
            watchers,
            on_step,
            unsettled: false,
        }
    }

    pub(super) fn run(mut self, mut inbox: Inbox<Job>) {
        let mut jobs = Vec::with_capacity(BATCH);
        let mut batch = VecDeque::with_capacity(BATCH);
        let mut claimed = Vec::with_capacity(BATCH);
        while inbox.take(&mut jobs, BATCH) {
            for job in jobs.drain(..) {
                match job {
                    Job::Commit { commit, answer } => batch.push_back((commit, answer)),
                    Job::Find { zone, id, answer } => {
                        self.commit_batch(&mut batch);
                        // Who asked may have gone away; then nobody wants to know.
                        let _ = answer.send(self.find(zone, id));
                    }
                    Job::StartLog { log, answer } => {
                        self.commit_batch(&mut batch);
                        let _ = answer.send(self.start_log(log));
                    }
                    Job::Claim(claim) => claimed.push(claim),
                    Job::ForgetClaims {
                        before,
                        limit,
                        answer,
                    } => {
                        let _ = answer.send(claims::forget(&self.connection, before, limit));
                    }
                    Job::Forget {
                        zone,
                        below,
                        limit,
                        answer,
                    } => {
                        self.commit_batch(&mut batch);
                        let _ = answer.send(self.forget(zone, below, limit));
                    }
                }
            }
            self.commit_batch(&mut batch);
            // On their own, so that neither can fail the other.
            claim_batch(&mut self.connection, &mut claimed);
        }
    }

    fn step(&self, step: Step) {
        if let Some(on_step) = &self.on_step {
            on_step(step);
        }
    }

    /// Makes all commits durable with one sync, then answers.
    fn commit_batch(&mut self, batch: &mut VecDeque<(Commit, CommitAnswer)>) {
        // What a lost transaction left over had no part in it and gets one of its own.
        while !batch.is_empty() {
            let mut tried = Vec::with_capacity(batch.len());
            match self.write_batch(batch, &mut tried) {
                Ok(()) => {
                    self.step(Step::AfterStateCommit);
                    self.publish(&tried);
                    for (result, answer) in tried {
                        let _ = answer.send(result.map(|made| made.position()));
                    }
                }
                Err(error) => {
                    for (result, answer) in tried {
                        // A refusal stands: it said that nothing was written.
                        let _ =
                            answer.send(Err(result.err().unwrap_or_else(|| error.clone().into())));
                    }
                }
            }
        }
    }

    fn write_batch(
        &mut self,
        batch: &mut VecDeque<(Commit, CommitAnswer)>,
        tried: &mut Vec<Tried>,
    ) -> Result<(), StoreError> {
        let transaction = match self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
        {
            Ok(transaction) => transaction,
            Err(error) => {
                let error = StoreError::from(error);
                tried.extend(
                    batch
                        .drain(..)
                        .map(|(_, answer)| (Err(error.clone().into()), answer)),
                );
                return Err(error);
            }
        };
        while let Some((commit, answer)) = batch.pop_front() {
            let result = match transaction.execute_batch("SAVEPOINT one") {
                Ok(()) => apply(&transaction, commit),
                Err(error) => Err(error.into()),
            };
            let failed = result.is_err();
            let end = if failed {
                "ROLLBACK TO one; RELEASE one"
            } else {
                "RELEASE one"
            };
            let lost = match &result {
                Err(CommitError::Store(error)) if transaction.is_autocommit() => {
                    Some(error.clone())
                }
                _ => None,
            };
            tried.push((result, answer));
            if let Some(error) = lost {
                // SQLite gave the whole transaction up, a full disk for example.
                return Err(error);
            }
            transaction.execute_batch(end)?;
        }
        if let Some(on_step) = &self.on_step {
            on_step(Step::BeforeStateCommit);
        }
        if tried
            .iter()
            .any(|(result, _)| matches!(result, Ok(Made::Now(_))))
        {
            let began = std::time::Instant::now();
            transaction.commit().map_err(|error| {
                self.unsettled |= error.sqlite_error_code() != Some(ErrorCode::DiskFull);
                StoreError::from(error)
            })?;
            self.unsettled = false;
            meters().state_sync.record(began.elapsed());
        }
        Ok(())
    }

    fn publish(&self, made: &[Tried]) {
        let mut watchers = self.watchers.lock().unwrap_or_else(PoisonError::into_inner);
        watchers.retain(|watcher| !watcher.is_closed());
        for (result, _) in made {
            if let Ok(Made::Now(record)) = result {
                for watcher in watchers.iter() {
                    // One that went away just now is dropped the next time.
                    let _ = watcher.send(record.clone());
                }
            }
        }
    }

    fn find(&mut self, zone: ZoneId, id: CommitId) -> Result<Option<Position>, StoreError> {
        if self.unsettled {
            self.connection
                .execute("UPDATE meta SET value = value + 1 WHERE key = 'fence'", [])?;
            self.unsettled = false;
        }
        let found = rows::find_commit(&self.connection, id)?;
        Ok(found
            .filter(|(of, _)| *of == zone)
            .map(|(_, position)| position))
    }

    fn forget(&mut self, zone: ZoneId, below: Revision, limit: usize) -> Result<usize, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let forgotten = self
            .connection
            .prepare_cached(
                "DELETE FROM commits WHERE zone = $1 AND revision IN (SELECT revision FROM commits
                     WHERE zone = $1 AND revision < $2 ORDER BY revision LIMIT $3)",
            )?
            .execute((zone.uuid().as_bytes(), signed(below.0), limit))?;
        Ok(forgotten)
    }

    fn start_log(&mut self, log: LogId) -> Result<(), StoreError> {
        self.connection.execute(
            "INSERT INTO logs (log) VALUES ($1) ON CONFLICT DO NOTHING",
            [log.uuid().as_bytes()],
        )?;
        Ok(())
    }
}
