//! What every back end of the store must do, as checks that run on any of them.
//!
//! `make` opens the store that is kept under a name: a name that was never used gives an
//! empty store, and one whose store was closed gives what was stored.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a check fails by panicking, like any test"
)]

mod evidence;
mod sample;
mod state;

use caracal_store::{EvidenceStore, StateStore};

pub use sample::{Ids, TestLog, document, event, name};

/// Runs every check of [`StateStore`].
pub async fn state_store<S: StateStore>(make: impl AsyncFn(&str) -> S) {
    state::commit::run(&make).await;
    state::refusal::run(&make).await;
    state::names::run(&make).await;
    state::concurrency::run(&make).await;
    state::history::run(&make).await;
    state::claims::run(&make).await;
}

/// Runs every check of [`EvidenceStore`].
pub async fn evidence_store<S: EvidenceStore>(make: impl AsyncFn(&str) -> S) {
    evidence::append::run(&make).await;
    evidence::concurrency::run(&make).await;
    evidence::search::run(&make).await;
    evidence::tiles::run(&make).await;
    evidence::reopening::run(&make).await;
}
