//! Why the Gateway refuses a call. The text of a code is part of the contract and the
//! `reason` of the event.

use serde::{Deserialize, Serialize};

/// The code of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each variant is its text")]
pub enum RefusalCode {
    ResourceMissing,
    PathInvalid,
    MandateMisplaced,
    MandateMissing,
    MandateInvalid,
    MandateExpired,
    MandateRevoked,
    MandateReplayed,
    ProofInvalid,
    UseDpopNonce,
    OperationNotDeclared,
    ScopeMissing,
    ActionNotAuthorized,
    PolicyDenied,
    ResourceMismatch,
    NotForwarded,
    SessionSuspended,
    ZoneFrozen,
    BudgetExhausted,
    ApprovalRequired,
    ResourceUnknown,
    BodyTooLarge,
    RateLimited,
    UpstreamUnreachable,
    CredentialUnavailable,
    UpstreamTimeout,
    FeedStale,
    LedgerUnavailable,
    Overloaded,
}

impl RefusalCode {
    /// The code in answers and events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ResourceMissing => "resource_missing",
            Self::PathInvalid => "path_invalid",
            Self::MandateMisplaced => "mandate_misplaced",
            Self::MandateMissing => "mandate_missing",
            Self::MandateInvalid => "mandate_invalid",
            Self::MandateExpired => "mandate_expired",
            Self::MandateRevoked => "mandate_revoked",
            Self::MandateReplayed => "mandate_replayed",
            Self::ProofInvalid => "proof_invalid",
            Self::UseDpopNonce => "use_dpop_nonce",
            Self::OperationNotDeclared => "operation_not_declared",
            Self::ScopeMissing => "scope_missing",
            Self::ActionNotAuthorized => "action_not_authorized",
            Self::PolicyDenied => "policy_denied",
            Self::ResourceMismatch => "resource_mismatch",
            Self::NotForwarded => "not_forwarded",
            Self::SessionSuspended => "session_suspended",
            Self::ZoneFrozen => "zone_frozen",
            Self::BudgetExhausted => "budget_exhausted",
            Self::ApprovalRequired => "approval_required",
            Self::ResourceUnknown => "resource_unknown",
            Self::BodyTooLarge => "body_too_large",
            Self::RateLimited => "rate_limited",
            Self::UpstreamUnreachable => "upstream_unreachable",
            Self::CredentialUnavailable => "credential_unavailable",
            Self::UpstreamTimeout => "upstream_timeout",
            Self::FeedStale => "feed_stale",
            Self::LedgerUnavailable => "ledger_unavailable",
            Self::Overloaded => "overloaded",
        }
    }

    /// The HTTP status.
    pub const fn status(self) -> u16 {
        match self {
            Self::ResourceMissing | Self::PathInvalid | Self::MandateMisplaced => 400,
            Self::MandateMissing
            | Self::MandateInvalid
            | Self::MandateExpired
            | Self::MandateRevoked
            | Self::MandateReplayed
            | Self::ProofInvalid
            | Self::UseDpopNonce => 401,
            Self::OperationNotDeclared
            | Self::ScopeMissing
            | Self::ActionNotAuthorized
            | Self::PolicyDenied
            | Self::ResourceMismatch
            | Self::NotForwarded
            | Self::SessionSuspended
            | Self::ZoneFrozen
            | Self::BudgetExhausted
            | Self::ApprovalRequired => 403,
            Self::ResourceUnknown => 404,
            Self::BodyTooLarge => 413,
            Self::RateLimited => 429,
            Self::UpstreamUnreachable | Self::CredentialUnavailable => 502,
            Self::UpstreamTimeout => 504,
            Self::FeedStale | Self::LedgerUnavailable | Self::Overloaded => 503,
        }
    }
}
