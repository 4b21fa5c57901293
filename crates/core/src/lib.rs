//! The words of Caracal: nouns, ids, states and the rules that need nothing else.
//!
//! This crate does no I/O, is never async, and reads no clock and no randomness:
//! time and random bytes are arguments. Everything above it speaks in its types.

mod application;
mod approval;
mod authority;
mod budget;
mod bundle;
mod claim_pattern;
mod client_address;
mod client_auth;
mod delegation;
mod document;
mod event;
mod exact_call;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzz;
mod hidden_characters;
mod id;
mod injection;
mod issuer;
mod mandate;
mod name;
mod operation;
mod operator;
mod path;
mod policy_test;
mod position;
mod provider;
mod refusal;
mod resource;
mod retention;
mod revocation;
mod scope;
mod secret;
mod session;
mod sink;
mod trace_id;
mod upstream_protocol;
mod workload_rule;
mod zone;

pub use application::{Application, ClientSecret, MAX_LABELS, MAX_SECRETS};
pub use approval::{Approval, ApprovalStatus, ApprovalSubject, Approver};
pub use authority::{Authority, MAX_AUTHORITY_RESOURCES, MAX_AUTHORITY_SCOPES};
pub use budget::{Budget, BudgetAnchor};
pub use bundle::{Bundle, BundleVersion, MAX_POLICY_BYTES, PolicySet, PolicySource};
pub use claim_pattern::{ClaimPattern, ClaimPatternError, MAX_CLAIM_PATTERN_BYTES};
pub use client_address::ClientAddress;
pub use client_auth::ClientAuth;
pub use delegation::{Delegation, DelegationStatus, Receiver};
pub use document::{Document, Kind, Version};
pub use event::{Decision, Event, EventType, OperationRef};
pub use exact_call::{AuthorizationDetail, ExactCall};
pub use hidden_characters::has_hidden_characters;
pub use id::{
    ApplicationId, ApprovalId, BackupId, BundleId, ClientSecretId, CommitId, DelegationId,
    DeliveryId, EventId, IssuerId, KeyId, LogId, MandateId, NodeId, OperatorId, ParseIdError,
    ProviderId, ResourceId, RevocationId, SessionId, SinkId, SubjectId, ZoneId,
};
pub use injection::Injection;
pub use issuer::{
    DEFAULT_TOKEN_AGE_SECONDS, Issuer, MAX_AUDIENCES, MAX_ISSUERS, MAX_TOKEN_AGE_SECONDS,
    OUTSIDE_ALGORITHMS, PublishedKeys, trust_domain_of,
};
pub use mandate::{ActorClaim, Confirmation, MandateClaims};
pub use name::{Label, Name, NameError};
pub use operation::{Operation, OperationConflict, OperationTable};
pub use operator::{ApiToken, Role, RoleScope};
pub use path::{PathError, PathTemplate, RequestPath, TemplateError};
pub use policy_test::{MAX_POLICY_TESTS, PolicyTest, TestRequest};
pub use position::{Epoch, Position, Revision};
pub use provider::{AllowedHost, Provider, ProviderKind, SealedSecret};
pub use refusal::RefusalCode;
pub use resource::{Enforcement, MandateSlot, Resource, ResourceIdentifier, UndeclaredOperation};
pub use retention::{PrunedRange, Retention, RetentionError};
pub use revocation::{Anchor, Revocation};
pub use scope::{Scope, ScopeError, ScopeSet};
pub use secret::Secret;
pub use session::{Session, SessionStatus, SuspendedBy};
pub use sink::{Delivery, DeliveryStatus, OlderSinkSecret, Sink, SinkEvent, SinkKind};
pub use trace_id::{TraceId, TraceIdError};
pub use upstream_protocol::UpstreamProtocol;
pub use workload_rule::{MAX_RULE_CLAIMS, WorkloadRule, WorkloadRuleError};
pub use zone::{LogKey, MandateKey, MasterKeyRecord, Zone};
