//! The leaves that are not kept any more: what stands for them, and removing some more.

use caracal_core::LogId;
use caracal_ledger::TileBuilder;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use crate::StoreError;
use crate::embedded::database;
use crate::embedded::number::{signed, unsigned};
use crate::embedded::step::{Step, StepHook};

/// The most pages that a batch gives back to the disk: some more than it frees, so that those of
/// earlier times go too.
const FREED: u32 = 128;

/// What stands for the first leaves of a log.
#[derive(Debug, Clone, Default)]
pub(in crate::embedded) struct Pruned {
    /// Their tree, and the partial tiles from which it goes on.
    pub(in crate::embedded) tiles: TileBuilder,
    /// No leaf of the log that is kept has a sequence number up to this.
    pub(in crate::embedded) seq: i64,
}

/// Leaves that go in one transaction.
#[derive(Debug)]
pub(in crate::embedded) struct Removal {
    pub(in crate::embedded) log: LogId,
    /// How many were gone when this was planned.
    pub(in crate::embedded) start: u64,
    pub(in crate::embedded) rows: Vec<i64>,
    /// What stands for them afterwards.
    pub(in crate::embedded) after: Pruned,
}

/// What stands for the pruned leaves of a log in the ledger, which is `main` or attached.
pub(in crate::embedded) fn read(
    connection: &Connection,
    schema: &'static str,
    log: LogId,
) -> Result<Pruned, StoreError> {
    let found: Option<(i64, Vec<u8>, i64)> = connection
        .prepare_cached(&format!(
            "SELECT size, tiles, seq FROM {schema}.pruned WHERE log = $1"
        ))?
        .query_row([log.to_string()], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .optional()?;
    let Some((size, tiles, seq)) = found else {
        return Ok(Pruned::default());
    };
    let tiles = TileBuilder::unpack(unsigned(size)?, &tiles)
        .map_err(|error| StoreError::Damaged(format!("the pruned leaves of `{log}`: {error}")))?;
    Ok(Pruned { tiles, seq })
}

/// Removes the rows, unless others did meanwhile, and answers with how many leaves of the log
/// are gone then. It is short: the writer of new leaves waits for it.
pub(super) fn remove(
    connection: &mut Connection,
    removal: &Removal,
    on_step: Option<&StepHook>,
) -> Result<u64, StoreError> {
    let step = |step| {
        if let Some(on_step) = on_step {
            on_step(step);
        }
    };
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let gone = read(&transaction, "main", removal.log)?.tiles.size();
    if gone != removal.start {
        return Ok(gone);
    }
    {
        let mut delete = transaction.prepare_cached("DELETE FROM events WHERE seq = $1")?;
        for seq in &removal.rows {
            delete.execute([seq])?;
        }
    }
    let tiles = &removal.after.tiles;
    transaction
        .prepare_cached(
            "INSERT INTO pruned (log, size, tiles, seq) VALUES ($1, $2, $3, $4)
             ON CONFLICT (log) DO UPDATE SET size = excluded.size, tiles = excluded.tiles, seq = excluded.seq",
        )?
        .execute((
            removal.log.to_string(),
            signed(tiles.size()),
            tiles.pack(),
            removal.after.seq,
        ))?;
    database::give_back(&transaction, FREED)?;
    step(Step::BeforePruneCommit);
    transaction.commit()?;
    step(Step::AfterPruneCommit);
    Ok(tiles.size())
}
