//! Claims, many with one sync. They are no commits: they have no event and no revision, and a zone
//! that many claim in does not grow a history of them.

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::oneshot;

use caracal_core::ZoneId;

use crate::embedded::meters::meters;
use crate::{ClaimId, Claimed, StoreError};

/// A claim that waits for its batch.
pub(super) struct Claim {
    pub(super) zone: ZoneId,
    pub(super) id: ClaimId,
    /// In seconds since 1970.
    pub(super) expires_at: i64,
    pub(super) answer: oneshot::Sender<Result<Claimed, StoreError>>,
}

/// Makes all claims durable with one sync, then answers. When that fails, nobody has got anything.
pub(super) fn claim_batch(connection: &mut Connection, batch: &mut Vec<Claim>) {
    if batch.is_empty() {
        return;
    }
    match write(connection, batch) {
        Ok(answers) => {
            for (claim, answer) in batch.drain(..).zip(answers) {
                // Who asked may have gone away; then it stays claimed.
                let _ = claim.answer.send(Ok(answer));
            }
        }
        Err(error) => {
            for claim in batch.drain(..) {
                let _ = claim.answer.send(Err(error.clone()));
            }
        }
    }
}

fn write(connection: &mut Connection, batch: &[Claim]) -> Result<Vec<Claimed>, StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut answers = Vec::with_capacity(batch.len());
    {
        let mut insert = transaction.prepare_cached(
            "INSERT INTO claims (zone, id, expires_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        )?;
        for claim in batch {
            let zone = claim.zone.uuid();
            let inserted = insert.execute((zone.as_bytes(), claim.id.0, claim.expires_at))?;
            answers.push(match inserted {
                0 => Claimed::Before,
                _ => Claimed::Now,
            });
        }
    }
    if answers.contains(&Claimed::Now) {
        let began = std::time::Instant::now();
        transaction.commit()?;
        meters().state_sync.record(began.elapsed());
    }
    Ok(answers)
}

/// Forgets at most `limit` claims that ended before a second.
pub(super) fn forget(
    connection: &Connection,
    before: i64,
    limit: usize,
) -> Result<usize, StoreError> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let forgotten = connection
        .prepare_cached(
            "DELETE FROM claims WHERE (zone, id) IN (SELECT zone, id FROM claims
                 WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)",
        )?
        .execute((before, limit))?;
    Ok(forgotten)
}
