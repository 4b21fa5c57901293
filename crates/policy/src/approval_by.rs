//! Who decides about a held request.

/// Who decides; the later is the stricter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ApprovalBy {
    /// The user that the session works for.
    Subject,
    /// An operator with the role to approve.
    Operator,
}

impl ApprovalBy {
    /// The word as `@approval` spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Subject => "subject",
            Self::Operator => "operator",
        }
    }

    /// Who is meant by the word.
    pub(crate) fn find(word: &str) -> Option<Self> {
        [Self::Subject, Self::Operator]
            .into_iter()
            .find(|by| by.as_str() == word)
    }
}

impl std::fmt::Display for ApprovalBy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
