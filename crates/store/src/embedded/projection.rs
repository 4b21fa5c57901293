//! What people search: a copy of the leaves' fields, and the tiles of their trees, in a file
//! that is rebuilt from the ledger whenever it does not fit it.

mod clean;
mod file;
mod follow;
mod leaf;
mod pace;
mod removal;
mod search;
mod terms;
mod tiles;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use caracal_core::LogId;
use caracal_ledger::Checkpoint;
use tokio::sync::watch;

use super::failure;
use super::ledger::{Followers, Hurry, Nudged, Removal};
use super::readers::Readers;
use crate::{Page, Query, StoreError};

#[cfg(any(test, fuzzing))]
pub(crate) use leaf::read as read_leaf;
pub(super) use tiles::leaf_hashes;

/// How long a search waits for the projection to catch up.
const PATIENCE: Duration = Duration::from_secs(5);

/// With so many leaves to come, waiting so long is of no use.
const HOPELESS: u64 = 200_000;

pub(super) struct Projection {
    readers: Readers,
    /// The sequence number up to which everything is projected.
    projected: watch::Receiver<u64>,
    hurry: Hurry,
    /// Asks the follower to begin anew.
    rebuild: Arc<AtomicBool>,
}

impl Projection {
    /// Opens the projection and follows the ledger until its writer ends.
    pub(super) fn start(
        ledger: &Path,
        index: &Path,
        identity: [u8; 16],
        tail: watch::Receiver<u64>,
        written: Nudged,
        followers: &Followers,
    ) -> Result<Self, StoreError> {
        let newest = *tail.borrow();
        let (connection, known) = file::open(index, identity, newest)?;
        let (sender, projected) = watch::channel(known);
        let rebuild = Arc::<AtomicBool>::default();
        let anew = Arc::clone(&rebuild);
        let follower = follow::Follower::new(connection, ledger, known, tail, sender, anew)?;
        let hurry = written.hurry();
        followers.start("caracal-index", move || follower.run(&written))?;
        let (ledger, index) = (ledger.to_owned(), index.to_owned());
        let readers = Readers::new(move || file::open_beside_ledger(&index, &ledger));
        Ok(Self {
            readers,
            projected,
            hurry,
            rebuild,
        })
    }

    /// The sequence number up to which everything is found.
    pub(super) fn projected(&self) -> u64 {
        *self.projected.borrow()
    }

    pub(super) async fn search(&self, tail: u64, query: Query) -> Result<Page, StoreError> {
        self.catch_up(tail).await?;
        self.readers
            .read(move |connection| search::search(connection, &query))
            .await
    }

    pub(super) async fn read(
        &self,
        tail: u64,
        log: LogId,
        first: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        self.catch_up(tail).await?;
        self.readers
            .read(move |connection| search::read(connection, log, first, limit))
            .await
    }

    pub(super) async fn tile(
        &self,
        tail: u64,
        log: LogId,
        level: u8,
        n: u64,
        width: u16,
    ) -> Result<Vec<u8>, StoreError> {
        self.catch_up(tail).await?;
        self.readers
            .read(move |connection| tiles::tile(connection, log, level, n, width))
            .await
    }

    /// Which rows of the ledger go next.
    pub(super) async fn plan_removal(
        &self,
        tail: u64,
        log: LogId,
        below: u64,
        signed: Checkpoint,
    ) -> Result<Option<Removal>, StoreError> {
        self.catch_up(tail).await?;
        self.readers
            .read(move |connection| removal::plan(connection, log, below, &signed))
            .await
    }

    /// Makes everything anew from the ledger.
    pub(super) fn rebuild(&self) {
        self.rebuild.store(true, Ordering::Relaxed);
        self.hurry.anew();
    }

    async fn catch_up(&self, tail: u64) -> Result<(), StoreError> {
        let mut projected = self.projected.clone();
        let done = *projected.borrow();
        if done < tail {
            self.hurry.now();
        }
        if self.rebuild.load(Ordering::Relaxed) || tail.saturating_sub(done) > HOPELESS {
            return Err(StoreError::IndexBehind { done, newest: tail });
        }
        let waited =
            tokio::time::timeout(PATIENCE, projected.wait_for(|projected| *projected >= tail))
                .await;
        match waited {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => Err(failure::closed()),
            Err(_) => Err(StoreError::IndexBehind {
                done: *self.projected.borrow(),
                newest: tail,
            }),
        }
    }

    pub(super) async fn close(&self) {
        self.readers.close().await;
    }
}
