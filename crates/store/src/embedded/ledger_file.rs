//! Reading the ledger without a server.

use std::path::Path;

use caracal_core::LogId;
use caracal_ledger::{LeafHash, TreeState};
use rusqlite::Connection;

use super::{database, ledger, projection};
use crate::StoreError;

/// How many rows are read at a time.
const CHUNK: i64 = 1024;

/// What the ledger file says of a log. Nothing of it is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredHead {
    /// The log.
    pub log: LogId,
    /// The number of leaves.
    pub size: u64,
    /// The newest signed checkpoint.
    pub checkpoint: Option<String>,
}

/// The ledger of a directory, opened for reading only; a server may be writing to it. Nothing
/// that it gives is to be trusted: verify it.
#[derive(Debug)]
pub struct LedgerFile {
    events: Connection,
    index: Option<Connection>,
}

impl LedgerFile {
    /// Opens the ledger in a directory.
    ///
    /// # Errors
    ///
    /// As of [`crate::Embedded::open`].
    pub fn open_read_only(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join("ledger.db");
        if !path.exists() {
            return Err(StoreError::Unreadable {
                path: path.display().to_string(),
                why: "there is no such file".to_owned(),
            });
        }
        database::inspect(&path, &database::LEDGER)?;
        let open = |events: Connection| -> Result<Connection, StoreError> {
            // The rows of all logs at one moment, though a server goes on writing.
            events.execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema;")?;
            Ok(events)
        };
        let events = match database::open_read_only(&path).and_then(open) {
            // In a directory that cannot be written SQLite cannot share the file.
            Err(error) => database::open_untouched(&path)
                .and_then(open)
                .map_err(|_| error)?,
            Ok(events) => events,
        };
        let index = dir.join("index.db");
        let index = if index.exists() {
            database::open_read_only(&index).ok()
        } else {
            None
        };
        Ok(Self { events, index })
    }

    /// Every row in order of its sequence number. It ends after the first error.
    pub fn rows(&self) -> impl Iterator<Item = Result<(i64, Vec<u8>), StoreError>> + '_ {
        Rows {
            file: self,
            chunk: Vec::new().into_iter(),
            first: Some(i64::MIN),
        }
    }

    /// The head of every log.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] when the file cannot be read there.
    pub fn heads(&self) -> Result<Vec<StoredHead>, StoreError> {
        ledger::list_heads(&self.events)
    }

    /// The tree over the leaves of a log that are not kept any more, as it is stored.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] when it is none.
    pub fn pruned(&self, log: LogId) -> Result<TreeState, StoreError> {
        // A file of an older release has no such table, and has all its leaves.
        let has_any = self
            .events
            .prepare_cached("SELECT 1 FROM sqlite_schema WHERE name = 'pruned'")?
            .exists([])?;
        if !has_any {
            return Ok(TreeState::new());
        }
        Ok(ledger::read_pruned(&self.events, "main", log)?
            .tiles
            .state())
    }

    /// The stored hashes of a log's leaves, as far as there are any, and the index of the first
    /// of them: 0, unless the index was built anew after leaves were pruned. They come from a
    /// file that is not the evidence: use them as hints only.
    pub fn leaf_hashes(&self, log: LogId) -> (u64, Vec<LeafHash>) {
        self.index
            .as_ref()
            .and_then(|index| projection::leaf_hashes(index, log).ok())
            .unwrap_or_default()
    }

    fn chunk(&self, first: i64) -> Result<Vec<(i64, Vec<u8>)>, StoreError> {
        let mut statement = self
            .events
            .prepare_cached("SELECT seq, body FROM events WHERE seq >= $1 ORDER BY seq LIMIT $2")?;
        let mut rows = statement.query((first, CHUNK))?;
        let mut chunk = Vec::new();
        while let Some(row) = rows.next()? {
            chunk.push((row.get(0)?, bytes(row.get_ref(1)?).to_vec()));
        }
        Ok(chunk)
    }
}

/// The bytes of a column, whatever type somebody has made of it.
pub(super) fn bytes(value: rusqlite::types::ValueRef<'_>) -> &[u8] {
    match value {
        rusqlite::types::ValueRef::Blob(bytes) | rusqlite::types::ValueRef::Text(bytes) => bytes,
        _ => &[],
    }
}

struct Rows<'a> {
    file: &'a LedgerFile,
    chunk: std::vec::IntoIter<(i64, Vec<u8>)>,
    /// The number to go on from; none behind the last possible one.
    first: Option<i64>,
}

impl Iterator for Rows<'_> {
    type Item = Result<(i64, Vec<u8>), StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(row) = self.chunk.next() {
            return Some(Ok(row));
        }
        // Taken away: it stays so after an error or the last row.
        let first = self.first.take()?;
        match self.file.chunk(first) {
            Ok(chunk) => {
                self.first = chunk.last().and_then(|(seq, _)| seq.checked_add(1));
                self.chunk = chunk.into_iter();
                self.chunk.next().map(Ok)
            }
            Err(error) => Some(Err(error)),
        }
    }
}
