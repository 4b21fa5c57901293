//! What the verification of one log found.

/// What the verification of one log found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogReport {
    /// The number of leaves that were read.
    pub events: u64,
    /// The lowest index whose leaf is missing or differs from what a signed checkpoint, a
    /// receipt or the sequence demands.
    pub first_bad: Option<BadLeaf>,
    /// True when every leaf that evidence demands is there: then `first_bad`, if there is one, is
    /// only where a leaf stands that is too many.
    pub is_whole: bool,
    /// Checkpoints that were given as evidence and are none: not signed by the log's key,
    /// or damaged. They say nothing about the leaves, and the log is not verified.
    pub bad_checkpoints: Vec<BadCheckpoint>,
    /// How many leaves, from the first on, are vouched for by a signed checkpoint. What
    /// comes after was checked for its sequence and its receipts only.
    pub covered: u64,
    /// How many leaves, from the first on, are not kept any more. Unless `first_bad` says
    /// otherwise, an event of the log says that their time was over, and the tree over them is
    /// what signed checkpoints demand.
    pub pruned: u64,
    /// Checkpoints and receipts that speak of pruned leaves only and that nothing stored can
    /// check any more. They are neither confirmed nor contradicted.
    pub unchecked: u64,
}

impl LogReport {
    /// True when nothing is wrong with the log or with the evidence.
    pub fn is_ok(&self) -> bool {
        self.first_bad.is_none() && self.bad_checkpoints.is_empty()
    }
}

/// A leaf that is missing or wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadLeaf {
    /// Its index.
    pub index: u64,
    /// What is wrong, in words.
    pub why: String,
}

/// A checkpoint that cannot serve as evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadCheckpoint {
    /// Where the caller had it from.
    pub label: String,
    /// What is wrong, in words.
    pub why: String,
}
