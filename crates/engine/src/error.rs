//! How administrative use cases fail.

use std::fmt;

use thiserror::Error;

/// Which field of an input is wrong, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// The field's path, such as `resources[0].upstream`.
    pub field: String,
    /// Why it is refused.
    pub message: String,
    /// The next step, where there is one.
    pub hint: Option<String>,
}

impl FieldError {
    /// A field error without a hint.
    pub fn new(field: impl Into<String>, message: impl fmt::Display) -> Self {
        Self {
            field: field.into(),
            message: message.to_string(),
            hint: None,
        }
    }

    /// Adds the next step.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Why an administrative use case did nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AdminError {
    /// The operator's role does not reach so far.
    #[error("this needs the role `{needed}`")]
    Forbidden {
        /// The weakest role that may do it.
        needed: &'static str,
    },
    /// There is no such object, or none that this operator may see.
    #[error("no {noun} `{id}`")]
    NotFound {
        /// The noun.
        noun: &'static str,
        /// What was asked for.
        id: String,
    },
    /// The operator may not decide about this approval.
    #[error("{0}")]
    NotApprover(String),
    /// The approval is not pending any more.
    #[error("{0}")]
    AlreadyDecided(String),
    /// The input is wrong.
    #[error("{}", .0.iter().map(|e| format!("`{}`: {}", e.field, e.message)).collect::<Vec<_>>().join("; "))]
    Invalid(Vec<FieldError>),
    /// Another object has the name.
    #[error("the name `{0}` is taken")]
    NameTaken(String),
    /// Something else still needs the object.
    #[error("{0}")]
    InUse(String),
    /// The object has another version than `If-Match` says.
    #[error("the object has version {found}, not {expected}")]
    VersionMismatch {
        /// The version now.
        found: u64,
        /// The version that was expected.
        expected: u64,
    },
    /// The configuration is another one than the change was planned on.
    #[error("the configuration of the zone was changed since `{expected}`: it is `{found}` now")]
    BaseMismatch {
        /// What it is now.
        found: String,
        /// What it was when the change was planned.
        expected: String,
    },
    /// The key was used before with other input.
    #[error("this idempotency key was used before with other input")]
    IdempotencyConflict,
    /// The running process cannot store a new master key.
    #[error("the master key comes from {0}, where this process cannot put a new one")]
    MasterKeyElsewhere(String),
    /// Too many changes at once; nothing was done.
    #[error("the zone changed too often meanwhile; try again")]
    Busy,
    /// What is searched is still being made from the ledger.
    #[error("the index is still being built: {done} of {newest} events")]
    IndexBehind {
        /// Events up to this sequence number can be found.
        done: u64,
        /// The sequence number of the newest event.
        newest: u64,
    },
    /// The store or the ledger cannot write. `done` says whether the change was made.
    #[error("{why}")]
    Unavailable {
        /// What failed.
        why: String,
        /// True when the change is durable although it could not be confirmed in time.
        done: bool,
    },
}

impl AdminError {
    /// One wrong field.
    pub fn invalid(field: impl Into<String>, message: impl fmt::Display) -> Self {
        Self::Invalid(vec![FieldError::new(field, message)])
    }

    /// No such object.
    pub fn not_found(noun: &'static str, id: impl fmt::Display) -> Self {
        let id = id
            .to_string()
            .chars()
            .filter(|c| !c.is_control())
            .take(80)
            .collect();
        Self::NotFound { noun, id }
    }
}

impl From<caracal_store::StoreError> for AdminError {
    fn from(error: caracal_store::StoreError) -> Self {
        match error {
            caracal_store::StoreError::IndexBehind { done, newest } => {
                Self::IndexBehind { done, newest }
            }
            error => Self::Unavailable {
                why: error.to_string(),
                done: false,
            },
        }
    }
}

impl From<FieldError> for AdminError {
    fn from(error: FieldError) -> Self {
        Self::Invalid(vec![error])
    }
}
