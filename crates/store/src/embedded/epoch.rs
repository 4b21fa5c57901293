//! A new mark for a history that was taken from a copy.

use std::path::Path;

use super::database;
use crate::StoreError;

/// Gives every zone of a store that nobody has open a new epoch. Positions of the old one, and
/// every mandate that carries one, are not of this history any more; revisions go on. What was
/// claimed once is forgotten: it went by mandates of the old one. `epoch` is
/// 16 random bytes.
///
/// # Errors
///
/// As of [`crate::Embedded::open`].
pub fn begin_epoch(dir: &Path, epoch: [u8; 16]) -> Result<(), StoreError> {
    let mut connection = database::open(&dir.join("state.db"), &database::STATE)?;
    let transaction = connection.transaction()?;
    transaction.execute("UPDATE meta SET value = $1 WHERE key = 'epoch'", [epoch])?;
    transaction.execute("UPDATE zones SET epoch = $1", [epoch])?;
    transaction.execute("DELETE FROM claims", [])?;
    transaction.commit()?;
    Ok(())
}
