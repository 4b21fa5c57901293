//! How the STS refuses, in the terms of OAuth 2.0 (RFC 6749, 8707).

use thiserror::Error;

/// Why no mandate was issued.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum IssueError {
    /// The client is unknown, or its credentials are wrong.
    #[error("the client is unknown or its credentials are wrong")]
    InvalidClient,
    /// A scope that none of the resources declares.
    #[error("{0}")]
    InvalidScope(String),
    /// A resource that is missing or unknown.
    #[error("{0}")]
    InvalidTarget(String),
    /// A gate said no.
    #[error("{why}")]
    AccessDenied {
        /// The gate: `policy`, `approval` or `revocation`.
        gate: &'static str,
        /// What it said.
        why: String,
    },
    /// The whole zone is revoked until it is thawed.
    #[error("the zone is frozen")]
    ZoneFrozen,
    /// The mandate is not the client's own.
    #[error("the mandate was not issued to this client")]
    UnauthorizedClient,
    /// The ledger or the store cannot write.
    #[error("{0}")]
    Unavailable(String),
}

impl IssueError {
    pub(crate) fn denied(gate: &'static str, why: impl Into<String>) -> Self {
        Self::AccessDenied {
            gate,
            why: why.into(),
        }
    }

    /// The error code on the wire.
    pub fn code(&self) -> &'static str {
        match self {
            Self::InvalidClient => "invalid_client",
            Self::InvalidScope(_) => "invalid_scope",
            Self::InvalidTarget(_) => "invalid_target",
            Self::AccessDenied { .. } => "access_denied",
            Self::ZoneFrozen => "zone_frozen",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::Unavailable(_) => "temporarily_unavailable",
        }
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            Self::InvalidClient => 401,
            Self::InvalidScope(_) | Self::InvalidTarget(_) | Self::UnauthorizedClient => 400,
            Self::AccessDenied { .. } | Self::ZoneFrozen => 403,
            Self::Unavailable(_) => 503,
        }
    }
}
