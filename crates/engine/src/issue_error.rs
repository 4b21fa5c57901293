//! How the STS refuses, in the terms of OAuth 2.0 (RFC 6749, 8693, 8707, 9449).

use caracal_core::{ApprovalId, ResourceIdentifier, Scope};
use jiff::Timestamp;
use thiserror::Error;

use crate::{AdminError, AssertionError, SubjectTokenError};

/// Why the STS did not do what it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum IssueError {
    /// The client is unknown, or its credentials are wrong.
    #[error("the client is unknown or its credentials are wrong")]
    InvalidClient,
    /// The client's assertion is not accepted.
    #[error(transparent)]
    InvalidAssertion(AssertionError),
    /// Something is missing, or is not of the form that it must have.
    #[error("{0}")]
    InvalidRequest(String),
    /// A session, delegation, approval or subject token that is unknown, not the caller's,
    /// closed, expired or revoked.
    #[error("{0}")]
    InvalidGrant(String),
    /// An ID token that proves nobody here.
    #[error(transparent)]
    InvalidSubject(SubjectTokenError),
    /// A scope that none of the resources declares.
    #[error("{0}")]
    InvalidScope(String),
    /// Requests that are not named as they must be, or not there (RFC 9396).
    #[error("{0}")]
    InvalidAuthorizationDetails(String),
    /// A resource that is missing or unknown.
    #[error("{0}")]
    InvalidTarget(String),
    /// The proof of a key is missing, or is another key's.
    #[error("{0}")]
    InvalidProof(String),
    /// The proof of a key needs a fresh nonce.
    #[error("the proof needs the nonce of this answer's `DPoP-Nonce` header")]
    UseDpopNonce,
    /// The client has its share of something.
    #[error("{0}")]
    SlowDown(String),
    /// A gate said no.
    #[error("{why}")]
    AccessDenied {
        /// The gate: `policy`, `approval`, `revocation`, `session`, `delegation` or `mandate`.
        gate: &'static str,
        /// What it said.
        why: String,
    },
    /// A person has to approve it first.
    #[error("a person has to approve this: wait for `{approval}` and ask again with `approval_id`")]
    InteractionRequired {
        /// What they decide about.
        approval: ApprovalId,
        /// Until when they can, or until when it can be used.
        expires_at: Timestamp,
    },
    /// A child or a delegation would have more than what it comes from.
    #[error("`{scope}` on `{resource}` is beyond what it is taken from")]
    NotNarrower {
        /// Where the excess is.
        resource: ResourceIdentifier,
        /// The excess.
        scope: Scope,
    },
    /// A rule of sessions and delegations, with a code of its own.
    #[error("{why}")]
    Conflict {
        /// The code on the wire.
        code: &'static str,
        /// What is wrong.
        why: String,
    },
    /// The session, or one above it, waits for being resumed.
    #[error("the session is suspended")]
    SessionSuspended,
    /// The whole zone is revoked until it is thawed.
    #[error("the zone is frozen")]
    ZoneFrozen,
    /// The mandate is not the client's own.
    #[error("the mandate was not issued to this client")]
    UnauthorizedClient,
    /// The ledger or the store cannot write.
    #[error("{0}")]
    Unavailable(String),
    /// What an operator is refused.
    #[error("{0}")]
    Admin(AdminError),
}

impl IssueError {
    pub(crate) fn denied(gate: &'static str, why: impl Into<String>) -> Self {
        Self::AccessDenied {
            gate,
            why: why.into(),
        }
    }

    pub(crate) fn conflict(code: &'static str, why: impl Into<String>) -> Self {
        Self::Conflict {
            code,
            why: why.into(),
        }
    }

    pub(crate) fn stale_generation(now: u64) -> Self {
        let why = format!("the session has another holder: its generation is {now}");
        Self::conflict("stale_generation", why)
    }

    /// The error code on the wire.
    pub fn code(&self) -> &'static str {
        match self {
            Self::InvalidClient | Self::InvalidAssertion(_) => "invalid_client",
            Self::InvalidRequest(_) => "invalid_request",
            Self::InvalidGrant(_) | Self::InvalidSubject(_) => "invalid_grant",
            Self::InvalidScope(_) => "invalid_scope",
            Self::InvalidAuthorizationDetails(_) => "invalid_authorization_details",
            Self::InvalidTarget(_) => "invalid_target",
            Self::InvalidProof(_) => "invalid_dpop_proof",
            Self::UseDpopNonce => "use_dpop_nonce",
            Self::SlowDown(_) => "slow_down",
            Self::AccessDenied { .. } => "access_denied",
            Self::InteractionRequired { .. } => "interaction_required",
            Self::NotNarrower { .. } => "not_narrower",
            Self::Conflict { code, .. } => code,
            Self::SessionSuspended => "session_suspended",
            Self::ZoneFrozen => "zone_frozen",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::Unavailable(_) | Self::Admin(_) => "temporarily_unavailable",
        }
    }

    /// The reason in events: the code, or what exactly is wrong with an ID token.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::InvalidSubject(error) => error.as_str(),
            _ => self.code(),
        }
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            Self::InvalidClient | Self::InvalidAssertion(_) | Self::InteractionRequired { .. } => {
                401
            }
            Self::InvalidRequest(_)
            | Self::InvalidGrant(_)
            | Self::InvalidSubject(_)
            | Self::InvalidScope(_)
            | Self::InvalidAuthorizationDetails(_)
            | Self::InvalidTarget(_)
            | Self::InvalidProof(_)
            | Self::UseDpopNonce
            | Self::UnauthorizedClient => 400,
            Self::SlowDown(_) => 429,
            Self::AccessDenied { .. } | Self::SessionSuspended | Self::ZoneFrozen => 403,
            Self::NotNarrower { .. } | Self::Conflict { .. } => 409,
            Self::Unavailable(_) | Self::Admin(_) => 503,
        }
    }
}

impl From<AdminError> for IssueError {
    fn from(error: AdminError) -> Self {
        match error {
            AdminError::IdempotencyConflict => {
                Self::conflict("idempotency_conflict", error.to_string())
            }
            error @ (AdminError::Forbidden { .. }
            | AdminError::NotFound { .. }
            | AdminError::Invalid(_)) => Self::Admin(error),
            error => Self::Unavailable(error.to_string()),
        }
    }
}
