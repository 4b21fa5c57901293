//! What is wrong with a policy's text.

use std::fmt;

use caracal_core::Name;

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct PolicyError {
    /// The policy; absent when the fault is of the whole set.
    pub policy: Option<Name>,
    /// The line in that policy's own text, from 1.
    pub line: Option<usize>,
    /// The column in characters, from 1.
    pub column: Option<usize>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl PolicyError {
    /// A fault of the whole set.
    pub(crate) fn of_set(message: impl Into<String>) -> Self {
        Self {
            policy: None,
            line: None,
            column: None,
            message: message.into(),
            hint: None,
        }
    }

    /// A fault at a byte of a policy's text.
    pub(crate) fn at(policy: &Name, text: &str, offset: usize, message: impl Into<String>) -> Self {
        let before = text.get(..offset.min(text.len())).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        Self {
            policy: Some(policy.clone()),
            line: Some(line),
            column: Some(column),
            message: message.into(),
            hint: None,
        }
    }

    /// The same fault with a next step.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(policy) = &self.policy {
            write!(f, "policy `{policy}`")?;
            if let (Some(line), Some(column)) = (self.line, self.column) {
                write!(f, ", line {line}, column {column}")?;
            }
            f.write_str(": ")?;
        }
        f.write_str(&self.message)?;
        if let Some(hint) = &self.hint {
            write!(f, " ({hint})")?;
        }
        Ok(())
    }
}
