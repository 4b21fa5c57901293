//! What is asked for, and what comes of it.

use caracal_core::{ApprovalId, AuthorizationDetail, DelegationId, MandateId, ScopeSet, SessionId};

use crate::CallerCredentials;

/// A request for a mandate.
pub struct IssueRequest {
    /// Who asks.
    pub caller: CallerCredentials,
    /// The thumbprint of the key that the request proves, from [`Engine::prove_caller`]: the
    /// mandate is bound to it.
    pub key: Option<String>,
    /// The session that it is for; none: one that comes with the mandate.
    pub session_id: Option<SessionId>,
    /// The delegation to use; none: the session's own root if that suffices, else the only
    /// delegation that does.
    pub delegation_id: Option<DelegationId>,
    /// The approval to use, once a person gave it.
    pub approval_id: Option<ApprovalId>,
    /// The mandate that is exchanged for a narrower one.
    pub subject_token: Option<String>,
    /// The ID token of the person that it is for, of a registered issuer.
    pub id_token: Option<String>,
    /// The resources: identifiers or Gateway URLs. None: a session mandate, or those of the
    /// mandate that is exchanged.
    pub resources: Vec<String>,
    /// The scopes; none stands for every scope that is allowed now.
    pub scope: Option<String>,
    /// The only requests that it is to allow, as JSON (RFC 9396).
    pub authorization_details: Option<String>,
    /// The wanted life in seconds; a larger one is shortened.
    pub ttl_seconds: Option<u32>,
    /// The id for events.
    pub request_id: String,
}

impl IssueRequest {
    /// A request that names nothing yet.
    pub fn new(caller: CallerCredentials, request_id: impl Into<String>) -> Self {
        Self {
            caller,
            key: None,
            session_id: None,
            delegation_id: None,
            approval_id: None,
            subject_token: None,
            id_token: None,
            resources: Vec::new(),
            scope: None,
            authorization_details: None,
            ttl_seconds: None,
            request_id: request_id.into(),
        }
    }
}

/// True when a session mandate is asked for: nothing is to be used.
pub(super) fn is_for_session(request: &IssueRequest) -> bool {
    request.resources.is_empty()
        && request.subject_token.is_none()
        && request.id_token.is_none()
        && request.scope.is_none()
        && request.authorization_details.is_none()
}

/// An issued mandate.
pub struct IssuedMandate {
    /// The text that is presented.
    pub text: String,
    /// Its life in seconds.
    pub expires_in: u32,
    /// What it allows.
    pub scope: ScopeSet,
    /// The only requests that it allows; none: every one under its scopes.
    pub details: Vec<AuthorizationDetail>,
    /// Its id.
    pub id: MandateId,
}
