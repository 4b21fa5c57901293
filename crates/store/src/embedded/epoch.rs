//! A new mark for a history that was taken from a copy.

use std::path::Path;

use caracal_core::Epoch;

use super::database;
use crate::StoreError;

/// Gives every zone of a store that nobody has open a new epoch. Positions of the old one, and
/// every mandate that carries one, are not of this history any more; revisions go on.
///
/// # Errors
///
/// As of [`crate::Embedded::open`].
pub fn begin_epoch(dir: &Path, epoch: Epoch) -> Result<(), StoreError> {
    let mut connection = database::open(&dir.join("state.db"), &database::STATE)?;
    let transaction = connection.transaction()?;
    let bytes = epoch.0.as_bytes();
    transaction.execute("UPDATE meta SET value = $1 WHERE key = 'epoch'", [bytes])?;
    transaction.execute("UPDATE zones SET epoch = $1", [bytes])?;
    transaction.commit()?;
    Ok(())
}
