//! How fast the projection catches up, and what is told of it.

use std::time::Duration;

/// Behind by so many leaves it is being built anew rather than following.
const FAR: u64 = 64 * 1024;

/// What is still to come is told this often, in leaves.
const TELL: u64 = 500_000;

/// Keeps the building of a large index from taking the processor from those who decide: after
/// each part it rests for a third of the time that the part took.
#[derive(Default)]
pub(super) struct Pace {
    told: Option<u64>,
}

impl Pace {
    /// Called after each part, which took so long.
    pub(super) fn keep(&mut self, done: u64, newest: u64, took: Duration) {
        let missing = newest.saturating_sub(done);
        if missing < FAR {
            if self.told.take().is_some() {
                tracing::info!(done, newest, "the index is nearly complete");
            }
            return;
        }
        if self
            .told
            .is_none_or(|told| done >= told.saturating_add(TELL) || done < told)
        {
            tracing::info!(done, newest, "the index is being built");
            self.told = Some(done);
        }
        std::thread::sleep(took / 3);
    }
}
