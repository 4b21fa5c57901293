//! The embedded back end: SQLite in one directory, for one process.
//!
//! Three files: `state.db` holds documents and commits, `ledger.db` the leaves, `index.db`
//! what people search, which can be rebuilt from the ledger at any time. The first two are
//! synced before anybody is answered. SQLite is not atomic across files: a commit carries its
//! events in its own row until the leaves of them are in the ledger.

mod copied;
mod database;
mod epoch;
mod failure;
mod ledger;
mod ledger_file;
mod meters;
mod number;
mod options;
mod projection;
mod readers;
mod state;
mod step;
mod worker;

use std::path::{Path, PathBuf};

pub use copied::{Copied, CopiedZone, DATABASES};
pub use epoch::begin_epoch;
pub use ledger_file::{LedgerFile, StoredHead};
pub use options::OpenOptions;
#[cfg(any(test, fuzzing))]
pub(crate) use projection::read_leaf;
pub use step::{Step, StepHook};

use crate::StoreError;
use ledger::Ledger;
use state::State;

/// State and evidence in SQLite files in one directory. Only one process may hold a directory
/// open at a time: its owner keeps a lock on it. Dropping it finishes what is queued.
pub struct Embedded {
    ledger: Ledger,
    state: State,
    set_aside: Option<PathBuf>,
}

impl Embedded {
    /// Opens the store in an existing directory, making the files that are missing. It blocks
    /// for a few milliseconds; an index that has to be rebuilt is rebuilt in the background.
    ///
    /// A ledger file that is no readable database is moved aside, see [`Self::set_aside`].
    ///
    /// # Errors
    ///
    /// [`StoreError::Foreign`], [`StoreError::Newer`] or [`StoreError::Unreadable`], with
    /// nothing touched; [`StoreError::Full`].
    pub fn open(dir: &Path, options: OpenOptions) -> Result<Self, StoreError> {
        // Everything is looked at before anything is written.
        database::inspect(&dir.join("state.db"), &database::STATE)?;
        let ledger_path = dir.join("ledger.db");
        let set_aside = ledger::set_aside_unreadable(&ledger_path)?;
        let state = State::open(&dir.join("state.db"), &options)?;
        let ledger = Ledger::open(&ledger_path, &dir.join("index.db"), &options)?;
        Ok(Self {
            ledger,
            state,
            set_aside,
        })
    }

    /// Looks whether this release could open the store in a directory. Nothing is touched, and a
    /// server may be at work on it.
    ///
    /// # Errors
    ///
    /// As [`Self::open`]; a ledger file that it would move aside is none.
    pub fn check(dir: &Path) -> Result<(), StoreError> {
        database::inspect(&dir.join("state.db"), &database::STATE)?;
        match database::inspect(&dir.join("ledger.db"), &database::LEDGER) {
            Err(StoreError::Damaged(_)) => Ok(()),
            Err(StoreError::Foreign { why, .. }) if why != database::OTHER_PROGRAM => Ok(()),
            looked => looked,
        }
    }

    /// Where the ledger file was moved that could not be read when the store was opened. The
    /// logs in it have [`crate::LogHead::damaged`] heads.
    pub fn set_aside(&self) -> Option<PathBuf> {
        self.set_aside.clone()
    }
}

impl std::fmt::Debug for Embedded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Embedded")
            .field("set_aside", &self.set_aside)
            .finish_non_exhaustive()
    }
}
