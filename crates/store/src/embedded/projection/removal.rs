//! Which rows of the ledger go next, once they are found to be what was signed.

use caracal_core::LogId;
use caracal_ledger::{Checkpoint, leaf_hash, prove_consistency, verify_consistency};
use rusqlite::Connection;

use super::tiles::Stored;
use crate::StoreError;
use crate::embedded::ledger::{Pruned, Removal, Seen, read_pruned};
use crate::embedded::ledger_file::bytes;

/// How many leaves go in one transaction, for which the writer of new leaves waits.
const BATCH: usize = 256;

/// How many rows are looked at for them.
const ROWS: i64 = 4096;

/// Plans to remove some leaves with indexes below `below`; none when there are none. They are
/// hashed again, and the tree over all pruned leaves must be the beginning of the signed one:
/// what was tampered with stays, for `audit verify` to name.
pub(super) fn plan(
    connection: &Connection,
    log: LogId,
    below: u64,
    signed: &Checkpoint,
) -> Result<Option<Removal>, StoreError> {
    let Pruned { mut tiles, mut seq } = read_pruned(connection, "ledger", log)?;
    let start = tiles.size();
    // The newest leaf shows that the log was not cut, and says what may be missing.
    let below = below.min(signed.size.saturating_sub(1));
    if start >= below {
        return Ok(None);
    }
    let name = log.to_string();
    let (mut rows, mut hashes) = (Vec::new(), Vec::new());
    let mut statement = connection.prepare_cached(
        "SELECT seq, body FROM ledger.events WHERE seq > $1 ORDER BY seq LIMIT $2",
    )?;
    let mut found = statement.query((seq, ROWS))?;
    let mut next = start;
    let mut any = false;
    while next < below && rows.len() < BATCH {
        let Some(row) = found.next()? else { break };
        any = true;
        seq = row.get(0)?;
        let leaf = bytes(row.get_ref(1)?);
        let Some(seen) = Seen::of(leaf).filter(|seen| *seen.log == *name) else {
            continue;
        };
        if seen.index != next {
            return Err(StoreError::Damaged(format!(
                "leaf {next} of `{log}` is missing: the next one is stored as {}",
                seen.index
            )));
        }
        rows.push(seq);
        hashes.push(leaf_hash(leaf));
        next += 1;
    }
    if !any {
        return Err(StoreError::Damaged(format!(
            "leaf {next} of `{log}` is missing"
        )));
    }
    tiles.append(&hashes);
    if !hashes.is_empty() {
        let stored = Stored::new(connection, &name);
        let holds = prove_consistency(&stored, tiles.size(), signed.size)
            .and_then(|proof| verify_consistency(&proof, &tiles.state().root(), &signed.root));
        holds.map_err(|error| {
            StoreError::Damaged(format!(
                "the first {next} leaves of `{log}` are not shown to be what was signed: {error}"
            ))
        })?;
    }
    Ok(Some(Removal {
        log,
        start,
        rows,
        after: Pruned { tiles, seq },
    }))
}
