//! How a command fails: what to tell people, and the exit code.

use std::fmt;

/// The result of everything that a command does.
pub(crate) type Outcome<T> = Result<T, Failure>;

/// The exit codes of the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// The operation failed.
    Failed = 1,
    /// The command was not used as it must be.
    Usage = 2,
    /// Policy denied it.
    Denied = 3,
    /// A person has to approve it first.
    Held = 4,
    /// The server cannot be reached.
    Unreachable = 5,
}

/// Why a command failed, in lower case without a full stop, and what to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
    /// True: everything worth saying was said already.
    pub(crate) silent: bool,
}

impl Failure {
    /// The operation failed.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            exit: Exit::Failed,
            message: message.into(),
            hint: None,
            silent: false,
        }
    }

    /// The command was not used as it must be.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self {
            exit: Exit::Usage,
            ..Self::new(message)
        }
    }

    /// The server cannot be reached.
    pub(crate) fn unreachable(message: impl Into<String>) -> Self {
        Self {
            exit: Exit::Unreachable,
            ..Self::new(message)
        }
    }

    /// Ends with this exit code and says nothing more.
    pub(crate) fn silent(exit: Exit) -> Self {
        Self {
            exit,
            message: String::new(),
            hint: None,
            silent: true,
        }
    }

    /// Names the next step.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// With another exit code.
    #[must_use]
    pub(crate) fn exit(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Says what was being done when something failed.
pub(crate) trait Context<T> {
    /// Puts `what: ` before the error's own words.
    fn context(self, what: impl fmt::Display) -> Outcome<T>;
}

impl<T, E: fmt::Display> Context<T> for Result<T, E> {
    fn context(self, what: impl fmt::Display) -> Outcome<T> {
        self.map_err(|error| Failure::new(format!("{what}: {error}")))
    }
}
