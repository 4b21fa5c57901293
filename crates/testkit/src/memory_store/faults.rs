//! Failing on demand.

use std::collections::VecDeque;

use tokio::sync::watch;

/// How a commit fails.
#[derive(Debug)]
pub enum CommitFault {
    /// It fails with `Unavailable` and did not happen.
    Before,
    /// It happened, watchers saw it, and it fails with `Unavailable`.
    After,
    /// It waits until it is let go, then happens.
    Stall(Stalled),
    /// It fails with a conflict on the first object of its read set or writes.
    Conflict,
    /// It fails with a full disk.
    Full,
}

/// How a claim fails.
#[derive(Debug)]
pub enum ClaimFault {
    /// It fails with `Unavailable` and did not happen.
    Before,
    /// It happened and fails with `Unavailable`.
    After,
    /// It waits until it is let go, then happens.
    Stall(Stalled),
    /// It fails with a full disk.
    Full,
}

/// How an append fails.
#[derive(Debug)]
pub enum AppendFault {
    /// It fails with `Unavailable` and did not happen.
    Before,
    /// It happened and fails with `Unavailable`.
    After,
    /// It waits until it is let go, then happens.
    Stall(Stalled),
    /// It fails with a full disk.
    Full,
}

/// Holds an operation until it is let go. Clones hold and let go together.
#[derive(Debug, Clone)]
pub struct Stalled {
    released: watch::Sender<bool>,
    reached: watch::Sender<bool>,
}

impl Stalled {
    /// One that holds.
    pub fn new() -> Self {
        Self {
            released: watch::channel(false).0,
            reached: watch::channel(false).0,
        }
    }

    /// Waits until an operation has come to it.
    pub async fn reached(&self) {
        // The sender is held by `self`.
        let _ = self.reached.subscribe().wait_for(|reached| *reached).await;
    }

    /// Lets the operation go.
    pub fn release(&self) {
        self.released.send_replace(true);
    }

    pub(super) async fn hold(&self) {
        self.reached.send_replace(true);
        let _ = self
            .released
            .subscribe()
            .wait_for(|released| *released)
            .await;
    }
}

impl Default for Stalled {
    fn default() -> Self {
        Self::new()
    }
}

/// Those that wait for their operation.
#[derive(Debug, Default)]
pub(super) struct Faults {
    pub(super) commits: VecDeque<CommitFault>,
    pub(super) claims: VecDeque<ClaimFault>,
    pub(super) appends: VecDeque<AppendFault>,
}
