//! What an error of SQLite means to a caller.

use rusqlite::{Error, ErrorCode};

use crate::StoreError;

/// `SQLITE_IOERR_SHMSIZE`: there was no room for the shared-memory file of the WAL.
const NO_ROOM_FOR_SHARED_MEMORY: i32 = 4874;

pub(super) fn store_error(error: &Error) -> StoreError {
    if error.sqlite_extended_error_code() == Some(NO_ROOM_FOR_SHARED_MEMORY) {
        return StoreError::Full;
    }
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::Full,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::TypeMismatch) => {
            StoreError::Damaged(error.to_string())
        }
        Some(_) => StoreError::Unavailable(error.to_string()),
        // What SQLite gave us is not what a column of ours holds.
        None => StoreError::Damaged(error.to_string()),
    }
}

pub(super) fn closed() -> StoreError {
    StoreError::Unavailable("it was closed".to_owned())
}

/// The thread that was to answer is gone.
pub(super) fn unanswered() -> StoreError {
    StoreError::Unavailable("no answer from the writer".to_owned())
}

impl From<Error> for StoreError {
    fn from(error: Error) -> Self {
        store_error(&error)
    }
}

impl From<Error> for crate::CommitError {
    fn from(error: Error) -> Self {
        Self::Store(store_error(&error))
    }
}
