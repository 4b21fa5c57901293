use std::fmt;

/// One broken rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    /// Path from the workspace's root.
    pub(super) file: String,
    /// From 1; 1 when the whole file is meant.
    pub(super) line: usize,
    pub(super) what: String,
    /// The next step.
    pub(super) fix: String,
}

impl Finding {
    pub(super) fn new(
        file: &str,
        line: usize,
        what: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self {
            file: file.to_owned(),
            line,
            what: what.into(),
            fix: fix.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            line,
            what,
            fix,
        } = self;
        write!(f, "{file}:{line}: {what}; {fix}")
    }
}
