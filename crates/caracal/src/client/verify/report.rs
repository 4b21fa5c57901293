//! What was found.

use serde::Serialize;

/// The fixed shape of `audit verify --json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Report {
    /// True when nothing is wrong with any log or with the evidence.
    pub(crate) ok: bool,
    /// The number of leaves that were read.
    pub(crate) events: u64,
    /// The number of logs.
    pub(crate) logs: u64,
    /// The number of leaves that are not kept any more, since their time was over.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) pruned: u64,
    /// The number of checkpoints and receipts that speak only of pruned leaves and that nothing
    /// stored can check any more: neither confirmed nor contradicted.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) unchecked: u64,
    /// The first leaf that is missing or wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) first_bad: Option<FirstBad>,
    /// Evidence that is none: checkpoints that no key of a log has signed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) bad_checkpoints: Vec<BadNote>,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Where a log is bad.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct FirstBad {
    /// The log.
    pub(crate) log: String,
    /// The index of the leaf.
    pub(crate) index: u64,
    /// What is wrong.
    pub(crate) why: String,
}

/// A checkpoint that cannot serve as evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct BadNote {
    /// The log that it is for.
    pub(crate) log: String,
    /// Where it comes from.
    pub(crate) label: String,
    /// What is wrong.
    pub(crate) why: String,
}
