//! The thread that copies from the ledger into the index.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use caracal_ledger::{LeafHash, leaf_hash};
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::watch;

use super::clean::{self, Cleaning};
use super::file;
use super::leaf::Indexed;
use super::pace::Pace;
use super::terms::{self, BLOCK, Term};
use super::tiles::Trees;
use crate::StoreError;
use crate::embedded::database;
use crate::embedded::ledger::Nudged;
use crate::embedded::ledger_file::bytes;
use crate::embedded::number::{signed, unsigned};

/// How many leaves share a transaction of the index.
const CHUNK: i64 = 4096;

/// How long leaves are left to gather while nobody searches: many in one transaction cost
/// far less than each its own.
const GATHER: Duration = Duration::from_millis(20);

/// How long to wait after a failure, a full disk for example.
const PAUSE: Duration = Duration::from_secs(1);

/// Which of the two files failed.
enum Fault {
    Ledger(StoreError),
    Index(StoreError),
}

impl<E: Into<StoreError>> From<E> for Fault {
    fn from(error: E) -> Self {
        Self::Index(error.into())
    }
}

fn unread(error: rusqlite::Error) -> Fault {
    Fault::Ledger(error.into())
}

pub(super) struct Follower {
    index: Connection,
    ledger: Connection,
    ledger_path: PathBuf,
    /// Everything up to this sequence number is in the index.
    known: u64,
    tail: watch::Receiver<u64>,
    projected: watch::Sender<u64>,
    trees: Trees,
    rebuild: Arc<AtomicBool>,
    pace: Pace,
    cleaning: Cleaning,
}

impl Follower {
    pub(super) fn new(
        index: Connection,
        ledger: &Path,
        known: u64,
        tail: watch::Receiver<u64>,
        projected: watch::Sender<u64>,
        rebuild: Arc<AtomicBool>,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            index,
            ledger: database::open_read_only(ledger)?,
            ledger_path: ledger.to_owned(),
            known,
            tail,
            projected,
            trees: Trees::default(),
            rebuild,
            pace: Pace::default(),
            cleaning: Cleaning::default(),
        })
    }

    /// Follows until the ledger's writer ends.
    pub(super) fn run(mut self, written: &Nudged) {
        let mut over = false;
        while !over {
            let caught_up = if self.rebuild.load(Ordering::Relaxed) {
                let why = "an operator asked for it".to_owned();
                Err(Fault::Index(StoreError::Damaged(why)))
            } else {
                self.catch_up(written)
            };
            match caught_up {
                Ok(()) if self.rebuild.load(Ordering::Relaxed) => over = written.is_over(),
                Ok(()) => over = !(written.wait() && written.pause(GATHER)),
                Err(Fault::Index(StoreError::Damaged(why))) => {
                    tracing::error!(why, "the index is built anew");
                    self.trees.forget();
                    match file::reset(&mut self.index) {
                        Ok(()) => {
                            self.known = 0;
                            self.projected.send_replace(0);
                            self.rebuild.store(false, Ordering::Relaxed);
                        }
                        Err(error) => {
                            tracing::error!(%error, "the index cannot be built anew");
                            over = !written.pause(PAUSE);
                        }
                    }
                }
                Err(Fault::Index(error) | Fault::Ledger(error)) => {
                    tracing::warn!(%error, ledger = %self.ledger_path.display(), "the index cannot follow the ledger");
                    // What was not committed is read again.
                    self.trees.forget();
                    over = !written.pause(PAUSE);
                }
            }
        }
    }

    fn catch_up(&mut self, written: &Nudged) -> Result<(), Fault> {
        loop {
            // Before reading: everything up to here is there to be read.
            let tail = *self.tail.borrow();
            if self.known >= tail {
                return self.clean(written);
            }
            let begin = Instant::now();
            let known = self.copy_chunk(tail)?;
            self.known = known;
            self.projected.send_replace(known);
            if written.is_over() || self.rebuild.load(Ordering::Relaxed) {
                return Ok(());
            }
            self.pace.keep(known, tail, begin.elapsed());
        }
    }

    /// Lets go of what the index says of leaves that are gone.
    fn clean(&mut self, written: &Nudged) -> Result<(), Fault> {
        if !self.cleaning.is_due() {
            return Ok(());
        }
        let blocks = clean::find_dirty(&self.index, &self.ledger)?;
        for blocks in self.cleaning.choose(&blocks) {
            let mut kept = Chunk::default();
            for block in blocks {
                let (first, end) = (*block * BLOCK, (*block + 1) * BLOCK - 1);
                let end = end.min(signed(self.known));
                copy(&self.ledger, &mut kept, first - 1, end)?;
            }
            let transaction = self
                .index
                .transaction_with_behavior(TransactionBehavior::Immediate)?;
            clean::forget(&transaction, blocks)?;
            for (number, block) in kept.blocks {
                block.write(&transaction, number)?;
            }
            transaction.commit()?;
            if written.is_over() {
                break;
            }
        }
        Ok(())
    }

    /// Copies some leaves in one transaction, and says how far it came.
    fn copy_chunk(&mut self, tail: u64) -> Result<u64, Fault> {
        let mut chunk = Chunk::default();
        let end = (signed(self.known).saturating_add(CHUNK)).min(signed(tail));
        let after = signed(self.known);
        match copy(&self.ledger, &mut chunk, after, end) {
            Ok(()) => {}
            Err(Fault::Ledger(StoreError::Damaged(why))) => {
                tracing::error!(why, after, "a part of the ledger cannot be read");
                chunk = Chunk::default();
                copy_one_by_one(&self.ledger, &mut chunk, after, end)?;
            }
            Err(error) => return Err(error),
        }
        let transaction = self
            .index
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        for (log, leaves) in chunk.leaves {
            self.trees
                .append(&transaction, &self.ledger, &log, &leaves)?;
        }
        for (number, block) in chunk.blocks {
            block.write(&transaction, number)?;
        }
        transaction
            .prepare_cached("UPDATE meta SET value = $1 WHERE key = 'seq'")?
            .execute([end])?;
        transaction.commit()?;
        Ok(unsigned(end)?)
    }
}

/// What a chunk adds to the index.
#[derive(Default)]
struct Chunk {
    /// (index, hash) of the leaves of each log, in the order of the ledger.
    leaves: HashMap<String, Vec<(u64, LeafHash)>>,
    blocks: HashMap<i64, Block>,
}

/// What a chunk adds to a block.
struct Block {
    earliest: i64,
    latest: i64,
    terms: HashSet<Term>,
    /// The lowest and the highest index of each log.
    ranges: HashMap<String, (i64, i64)>,
}

impl Default for Block {
    fn default() -> Self {
        Self {
            earliest: i64::MAX,
            latest: i64::MIN,
            terms: HashSet::new(),
            ranges: HashMap::new(),
        }
    }
}

impl Chunk {
    fn add(&mut self, seq: i64, leaf: &[u8]) {
        let indexed = Indexed::of(leaf);
        let time = indexed.nanoseconds();
        let block = self.blocks.entry(seq / BLOCK).or_default();
        if let Some(time) = time {
            block.earliest = block.earliest.min(time);
            block.latest = block.latest.max(time);
        }
        terms::of_leaf(&indexed, time, |term| {
            block.terms.insert(term);
        });
        let (Some(log), Some(index)) = (indexed.log, indexed.index) else {
            return;
        };
        // More than SQLite can count is no index that we gave.
        if let Ok(index) = i64::try_from(index) {
            match block.ranges.get_mut(&*log) {
                Some((first, last)) => (*first, *last) = ((*first).min(index), (*last).max(index)),
                None => {
                    block
                        .ranges
                        .insert(log.clone().into_owned(), (index, index));
                }
            }
        }
        let leaf = (index, leaf_hash(leaf));
        match self.leaves.get_mut(&*log) {
            Some(leaves) => leaves.push(leaf),
            None => {
                self.leaves.insert(log.into_owned(), vec![leaf]);
            }
        }
    }
}

impl Block {
    fn write(&self, index: &Connection, number: i64) -> Result<(), StoreError> {
        index
            .prepare_cached(
                "INSERT INTO blocks (block, earliest, latest) VALUES ($1, $2, $3) ON CONFLICT (block) DO UPDATE
                 SET earliest = min(earliest, excluded.earliest), latest = max(latest, excluded.latest)",
            )?
            .execute((number, self.earliest, self.latest))?;
        let mut insert = index.prepare_cached(
            "INSERT INTO terms (term, block) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        )?;
        for term in &self.terms {
            insert.execute((term, number))?;
        }
        let mut insert = index.prepare_cached(
            "INSERT INTO ranges (log, block, first, last) VALUES ($1, $2, $3, $4) ON CONFLICT (log, block)
             DO UPDATE SET first = min(first, excluded.first), last = max(last, excluded.last)",
        )?;
        for (log, (first, last)) in &self.ranges {
            insert.execute((log, number, first, last))?;
        }
        Ok(())
    }
}

fn copy(ledger: &Connection, chunk: &mut Chunk, after: i64, end: i64) -> Result<(), Fault> {
    let mut statement = ledger
        .prepare_cached("SELECT seq, body FROM events WHERE seq > $1 AND seq <= $2 ORDER BY seq")
        .map_err(unread)?;
    let mut rows = statement.query([after, end]).map_err(unread)?;
    while let Some(row) = rows.next().map_err(unread)? {
        let seq = row.get(0).map_err(unread)?;
        chunk.add(seq, bytes(row.get_ref(1).map_err(unread)?));
    }
    Ok(())
}

/// Where pages of the file are damaged, whatever lies on the others.
fn copy_one_by_one(
    ledger: &Connection,
    chunk: &mut Chunk,
    after: i64,
    end: i64,
) -> Result<(), Fault> {
    for seq in after + 1..=end {
        match copy(ledger, chunk, seq - 1, seq) {
            Ok(()) | Err(Fault::Ledger(StoreError::Damaged(_))) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
