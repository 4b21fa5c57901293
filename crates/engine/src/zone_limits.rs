//! How much each zone holds, and how much of that one application may have.

use crate::IssueError;

/// How many sessions a zone has alive at a time, when nothing else is set.
pub const DEFAULT_MAX_SESSIONS: usize = 100_000;
/// How many delegations a zone has alive at a time, when nothing else is set.
pub const DEFAULT_MAX_DELEGATIONS: usize = 100_000;

/// How many sessions and delegations each zone has alive at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ZoneLimits {
    /// Sessions.
    pub sessions: usize,
    /// Sessions of one application.
    pub sessions_of_application: usize,
    /// Delegations, also those that are only offered.
    pub delegations: usize,
    /// Delegations that one application lends.
    pub delegations_of_application: usize,
}

impl ZoneLimits {
    /// So many in a zone, half of which one application may have.
    pub const fn of(sessions: usize, delegations: usize) -> Self {
        Self {
            sessions,
            sessions_of_application: sessions.div_ceil(2),
            delegations,
            delegations_of_application: delegations.div_ceil(2),
        }
    }

    pub(crate) fn check_sessions(&self, all: usize, own: usize) -> Result<(), IssueError> {
        if all >= self.sessions {
            let why = format!("{all} sessions are open in this zone");
            return Err(IssueError::conflict("limit_exceeded", why));
        }
        if own >= self.sessions_of_application {
            let why = format!("the application has {own} sessions open; close some of them");
            return Err(IssueError::conflict("application_limit_exceeded", why));
        }
        Ok(())
    }

    pub(crate) fn check_delegations(&self, all: usize, own: usize) -> Result<(), IssueError> {
        if all >= self.delegations {
            let why = format!("{all} delegations are alive in this zone");
            return Err(IssueError::conflict("delegation_limit_exceeded", why));
        }
        if own >= self.delegations_of_application {
            let why = format!("the application lends {own} delegations; end some of them");
            return Err(IssueError::conflict("application_limit_exceeded", why));
        }
        Ok(())
    }
}

impl Default for ZoneLimits {
    fn default() -> Self {
        Self::of(DEFAULT_MAX_SESSIONS, DEFAULT_MAX_DELEGATIONS)
    }
}
