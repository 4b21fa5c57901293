//! The OAuth part of the contract: token, introspection and metadata answers.

use caracal_core::AuthorizationDetail;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The answer of the token endpoint (RFC 6749, RFC 8693).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MandateAnswer {
    /// The mandate.
    pub access_token: String,
    /// `Bearer`, or `DPoP` for a mandate that is bound to a key (RFC 9449).
    pub token_type: String,
    /// Its life in seconds.
    pub expires_in: u32,
    /// The scopes it has.
    pub scope: String,
    /// The only requests that it allows (RFC 9396); none: every one under its scopes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub authorization_details: Vec<AuthorizationDetail>,
    /// `urn:ietf:params:oauth:token-type:access_token`.
    pub issued_token_type: String,
}

/// An error of an OAuth endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OauthError {
    /// The code.
    pub error: String,
    /// What is wrong.
    pub error_description: String,
    /// The id of the request, also in its events.
    pub request_id: String,
    /// The gate that denied, with `access_denied`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<String>,
    /// What a person has to approve, with `interaction_required`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval_id: Option<String>,
    /// Until when they can, or until when it can be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval_expires_at: Option<Timestamp>,
    /// What a child or delegation would have beyond its parent, with `not_narrower`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counterexample: Option<Counterexample>,
}

/// One scope that is beyond what it would be taken from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counterexample {
    /// The resource.
    pub resource: String,
    /// The scope.
    pub scope: String,
}

/// What a zone's authorization server says about itself (RFC 8414).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerMetadata {
    /// The issuer.
    pub issuer: String,
    /// Where mandates are issued.
    pub token_endpoint: String,
    /// Where mandates are revoked (RFC 7009).
    pub revocation_endpoint: String,
    /// Where mandates are introspected (RFC 7662).
    pub introspection_endpoint: String,
    /// The keys that verify mandates.
    pub jwks_uri: String,
    /// Every scope of the zone.
    pub scopes_supported: Vec<String>,
    /// None: there is no authorization endpoint.
    pub response_types_supported: Vec<String>,
    /// The grants.
    pub grant_types_supported: Vec<String>,
    /// How clients authenticate.
    pub token_endpoint_auth_methods_supported: Vec<String>,
    /// The algorithms that assertions of clients may be signed with (RFC 7523), here and below.
    pub token_endpoint_auth_signing_alg_values_supported: Vec<String>,
    /// How clients authenticate to revoke.
    pub revocation_endpoint_auth_methods_supported: Vec<String>,
    /// The algorithms of assertions there.
    pub revocation_endpoint_auth_signing_alg_values_supported: Vec<String>,
    /// How clients authenticate to introspect.
    pub introspection_endpoint_auth_methods_supported: Vec<String>,
    /// The algorithms of assertions there.
    pub introspection_endpoint_auth_signing_alg_values_supported: Vec<String>,
    /// The algorithms that proofs of a client's key may be signed with (RFC 9449).
    pub dpop_signing_alg_values_supported: Vec<String>,
    /// The types of requests that mandates can name exactly (RFC 9396).
    pub authorization_details_types_supported: Vec<String>,
    /// Where services that verify mandates themselves hear of what ends (server-sent events).
    pub caracal_revocations_endpoint: String,
    /// Where they ask about a request.
    pub caracal_decide_endpoint: String,
    /// Where they report what came of it.
    pub caracal_calls_endpoint: String,
    /// Where people read about the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_documentation: Option<String>,
}
