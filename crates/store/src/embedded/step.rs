//! The steps at which a process can die between the two files.

use std::sync::Arc;

/// A step on the way of a commit or of leaves to the disk. A test can end the process at any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// A batch of commits is written, and not yet committed, in the state file.
    BeforeStateCommit,
    /// The batch is durable in the state file; nobody was told.
    AfterStateCommit,
    /// A batch of leaves has its indexes; nothing is written.
    BeforeLedgerInsert,
    /// The leaves are written, the heads of their logs not.
    AfterLedgerInsert,
    /// Leaves and heads are written, and not yet committed, in the ledger file.
    BeforeLedgerCommit,
    /// The leaves are durable; nobody was told.
    AfterLedgerCommit,
    /// Leaves whose time is over are removed, and not yet committed, in the ledger file.
    BeforePruneCommit,
    /// They are gone; nobody was told.
    AfterPruneCommit,
}

impl Step {
    /// Every step, in the order in which a state change passes them.
    pub const ALL: [Self; 6] = [
        Self::BeforeStateCommit,
        Self::AfterStateCommit,
        Self::BeforeLedgerInsert,
        Self::AfterLedgerInsert,
        Self::BeforeLedgerCommit,
        Self::AfterLedgerCommit,
    ];
}

/// Called at every step, on the writer's thread.
pub type StepHook = Arc<dyn Fn(Step) + Send + Sync>;
