//! Which leaves of a log are older than a time.

use std::borrow::Cow;

use caracal_core::LogId;
use jiff::Timestamp;
use rusqlite::Connection;
use serde::Deserialize;

use super::pruned;
use crate::embedded::ledger_file::bytes;
use crate::embedded::number::signed;
use crate::{Prunable, StoreError};

/// How many rows share a read transaction.
const CHUNK: i64 = 4096;

/// The most rows of any log that are looked at, however few leaves are asked for.
const MAX_ROWS: u64 = 256 * 1024;

/// What is read of a leaf.
#[derive(Deserialize)]
pub(in crate::embedded) struct Seen<'a> {
    #[serde(borrow)]
    pub(in crate::embedded) log: Cow<'a, str>,
    pub(in crate::embedded) index: u64,
    #[serde(borrow)]
    pub(in crate::embedded) time: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    pub(in crate::embedded) event_type: Cow<'a, str>,
}

impl<'a> Seen<'a> {
    /// Nothing when it is no event: then it is of no log, and goes with none.
    pub(in crate::embedded) fn of(leaf: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(leaf).ok()
    }
}

/// A search for old leaves that goes on where it was left.
pub(super) struct Search {
    log: LogId,
    before: Timestamp,
    limit: u64,
    name: String,
    start: u64,
    next: u64,
    oldest: Option<Timestamp>,
    is_idle: bool,
    rows_left: u64,
    at: i64,
    /// No kept leaf of the log has a sequence number up to this.
    pub(super) seen: i64,
}

impl Search {
    pub(super) fn begin(
        connection: &Connection,
        log: LogId,
        before: Timestamp,
        limit: u64,
        seen: i64,
    ) -> Result<Self, StoreError> {
        let pruned = pruned::read(connection, "main", log)?;
        let (start, at) = (pruned.tiles.size(), pruned.seq.max(seen));
        Ok(Self {
            log,
            before,
            limit,
            name: log.to_string(),
            start,
            next: start,
            oldest: None,
            is_idle: true,
            rows_left: MAX_ROWS,
            at,
            seen: at,
        })
    }

    /// Looks at some more rows; false at the end.
    pub(super) fn go_on(&mut self, connection: &Connection) -> Result<bool, StoreError> {
        if self.rows_left == 0 || self.next - self.start >= self.limit {
            return Ok(false);
        }
        let most = CHUNK.min(signed(self.rows_left));
        let mut statement = connection
            .prepare_cached("SELECT seq, body FROM events WHERE seq > $1 ORDER BY seq LIMIT $2")?;
        let mut rows = statement.query((self.at, most))?;
        let mut any = false;
        while let Some(row) = rows.next()? {
            any = true;
            let seq = row.get(0)?;
            if !self.look(bytes(row.get_ref(1)?)) {
                return Ok(false);
            }
            self.at = seq;
            self.rows_left = self.rows_left.saturating_sub(1);
            if self.next == self.start {
                self.seen = seq;
            }
        }
        Ok(any)
    }

    /// False when the search is over with this leaf.
    fn look(&mut self, leaf: &[u8]) -> bool {
        let Some(leaf) = Seen::of(leaf).filter(|leaf| *leaf.log == *self.name) else {
            return true;
        };
        // What does not follow is damage, which pruning must not hide.
        let time = leaf.time.parse::<Timestamp>().ok();
        let Some(time) = time.filter(|time| leaf.index == self.next && *time < self.before) else {
            return false;
        };
        self.next += 1;
        self.oldest.get_or_insert(time);
        self.is_idle &= leaf.event_type == "log.pruned";
        self.next - self.start < self.limit
    }

    pub(super) fn found(self) -> Option<Prunable> {
        tracing::debug!(log = %self.log, start = self.start, below = self.next, "looked for old leaves");
        Some(Prunable {
            start: self.start,
            below: self.next,
            oldest: self.oldest?,
            is_idle: self.is_idle,
        })
    }
}
