//! What people search: a copy of the leaves' fields, and the tiles of their trees, in a file
//! that is rebuilt from the ledger whenever it does not fit it.

mod file;
mod follow;
mod leaf;
mod search;
mod terms;
mod tiles;

use std::path::Path;
use std::time::Duration;

use caracal_core::LogId;
use tokio::sync::watch;

use super::failure;
use super::ledger::{Followers, Hurry, Nudged};
use super::readers::Readers;
use crate::{Page, Query, StoreError};

#[cfg(any(test, fuzzing))]
pub(crate) use leaf::read as read_leaf;
pub(super) use tiles::leaf_hashes;

/// How long a search waits for the projection to catch up.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) struct Projection {
    readers: Readers,
    /// The sequence number up to which everything is projected.
    projected: watch::Receiver<u64>,
    hurry: Hurry,
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
        let follower = follow::Follower::new(connection, ledger, known, tail, sender)?;
        let hurry = written.hurry();
        followers.start("caracal-index", move || follower.run(&written))?;
        let (ledger, index) = (ledger.to_owned(), index.to_owned());
        let readers = Readers::new(move || file::open_beside_ledger(&index, &ledger));
        Ok(Self {
            readers,
            projected,
            hurry,
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

    async fn catch_up(&self, tail: u64) -> Result<(), StoreError> {
        let mut projected = self.projected.clone();
        if *projected.borrow() < tail {
            self.hurry.now();
        }
        let waited =
            tokio::time::timeout(PATIENCE, projected.wait_for(|projected| *projected >= tail))
                .await;
        match waited {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => Err(failure::closed()),
            Err(_) => Err(StoreError::Unavailable(
                "the index is still being built; try again later".to_owned(),
            )),
        }
    }

    pub(super) async fn close(&self) {
        self.readers.close().await;
    }
}
