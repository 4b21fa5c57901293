//! The durable log of state and evidence.
//!
//! [`StateStore`] keeps the documents of each zone and the chain of commits that made them;
//! [`EvidenceStore`] keeps the leaves of each log. [`Embedded`] does both with SQLite in one
//! directory. This is the only crate that knows SQL. It never decides anything: what may be
//! written is the engine's business.

mod chain;
mod claim;
mod commit;
mod embedded;
mod error;
mod evidence;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzz;
mod state;
mod sync_dir;

pub use chain::next_position;
pub use claim::{ClaimId, Claimed};
pub use commit::{Commit, CommitRecord, Read, Write};
pub use embedded::{
    Copied, CopiedZone, DATABASES, Embedded, LedgerFile, OpenOptions, Step, StepHook, StoredHead,
    begin_epoch,
};
pub use error::{CommitError, StoreError};
pub use evidence::{
    Appended, Entry, EvidenceFigures, EvidenceStore, LogHead, Page, Prunable, Query,
};
pub use state::{Snapshot, StateStore};
pub use sync_dir::sync_dir;
