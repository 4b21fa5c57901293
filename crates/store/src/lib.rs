//! The durable log of state and evidence.
//!
//! [`StateStore`] keeps the documents of each zone and the chain of commits that made them;
//! [`EvidenceStore`] keeps the leaves of each log. [`Embedded`] does both with SQLite in one
//! directory. This is the only crate that knows SQL. It never decides anything: what may be
//! written is the engine's business.

mod commit;
mod error;
mod evidence;
mod state;

pub use commit::{CommitRecord, Commit, Read, Write};
pub use error::{StoreError, CommitError};
pub use evidence::{Appended, Entry, EvidenceStore, LogHead, Page, Query};
pub use state::{Snapshot, StateStore};
