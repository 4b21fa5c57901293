//! How the embedded store is opened.

use std::fmt;

use super::step::StepHook;

/// Options of [`crate::Embedded::open`]; the default is what a server uses.
#[derive(Clone, Default)]
pub struct OpenOptions {
    /// The most bytes that each of the state and the ledger file may take, without their logs;
    /// none for as much as the disk has. Beyond it writes fail with [`crate::StoreError::Full`].
    pub max_file_bytes: Option<u64>,
    /// Called at every step between the files. For tests.
    pub on_step: Option<StepHook>,
}

impl fmt::Debug for OpenOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenOptions")
            .field("max_file_bytes", &self.max_file_bytes)
            .field("on_step", &self.on_step.is_some())
            .finish()
    }
}
