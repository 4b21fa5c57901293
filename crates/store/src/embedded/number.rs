//! SQLite's integers are signed.

use crate::StoreError;

/// Saturates: no count of ours comes near the end of the range.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(number: i64) -> Result<u64, StoreError> {
    u64::try_from(number)
        .map_err(|_| StoreError::Damaged(format!("the count {number} is negative")))
}
