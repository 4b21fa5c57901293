//! The brain of Caracal: every use case, and the state that decisions are made on.
//!
//! Doors speak only to this crate. It decides, records the decision, and hands out a
//! [`Permit`], without which nothing can be forwarded. It never listens, never forwards, and
//! never reads a clock or the environment of its own.

mod admin;
mod applications;
mod apply;
mod approvals;
mod assertion;
mod audit;
mod authenticate;
mod authorize_call;
mod background;
mod backup;
mod budgets;
mod caller;
mod chain;
mod change;
mod clock;
mod decide;
mod delegations;
mod ended;
mod endings;
mod engine;
mod error;
mod exchange;
mod export;
mod figures;
mod follow;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzz;
mod idempotency;
mod introspect;
mod issue;
mod issue_error;
mod issuers;
mod key_care;
mod keys;
mod leases;
mod listing;
mod live;
mod log;
mod master_key;
mod metadata;
mod meters;
mod metrics_page;
mod narrower;
mod new_keys;
mod operator;
mod outside_keys;
mod path;
mod permit;
mod plan;
mod policies;
mod policy_tests;
mod proof;
mod provider_seal;
mod providers;
mod questions;
mod record;
mod refusal;
mod refusals;
mod resource_entry;
mod resources;
mod restore;
mod retain;
mod revoke;
mod room;
mod secrets;
mod select_resource;
mod sessions;
mod single_use;
mod sinks;
mod specs;
mod start;
mod subject;
mod sweep;
mod tokens;
mod verifier;
mod verify;
mod versioned;
mod view;
mod vouched;
mod workload;
mod zone_handle;
mod zone_limits;
mod zones;

pub use admin::Admin;
pub use applications::CreatedApplication;
pub use apply::{Applied, AppliedObject};
pub use approvals::{MAX_PENDING_APPROVALS, MAX_PENDING_OF_APPLICATION, Verdict};
pub use assertion::{AssertionError, ClientAssertion, ProvenClient};
pub use audit::{EventExplanation, EventProof, Gate, LogInfo};
pub use authenticate::{AuthenticatedClient, ClientCredentials, Unauthenticated};
pub use authorize_call::{Authorized, CallRequest};
pub use caller::CallerCredentials;
pub use caracal_crypto::{DPOP_ALGORITHMS, find_issuer};
pub use caracal_ledger::{Receipt, TreeState};
pub use caracal_policy::{Effect, Explanation, HeadPart, Status};
pub use caracal_provider::Slots;
pub use caracal_store::{EvidenceFigures, Page, Query};
pub use clock::Clock;
pub use delegations::{
    BlastRadius, CreateDelegation, DEFAULT_DELEGATION_SECONDS, MAX_BORROWED, MAX_LENT,
};
pub use endings::{ENDINGS_HEARTBEAT, Ending, EndingKind, EndingsBatch, EndingsFeed, FeedEnd};
pub use engine::{Engine, EngineConfig};
pub use error::{AdminError, FieldError};
pub use export::ZoneExport;
pub use figures::Figures;
pub use idempotency::Idempotency;
pub use issue::{DEFAULT_TTL_SECONDS, IssueRequest, IssuedMandate, MAX_RESOURCES, MAX_TTL_SECONDS};
pub use issue_error::IssueError;
pub use key_care::{KeyCare, NewMasterKey};
pub use keys::{KeyInfo, PUBLISH_AHEAD_SECONDS};
pub use listing::{IdListing, Listing};
pub use master_key::{MasterKeyStatus, MissingMasterKey, OlderMasterKey};
pub use metadata::ZoneMetadata;
pub use metrics_page::{
    METRICS_MEDIA_TYPE, MetricsReader, MetricsRefusal, MetricsSource, MetricsWriter, OnThisMachine,
};
pub use operator::Operator;
pub use path::{MAX_DELEGATION_DEPTH, MAX_PATH_SESSIONS, MAX_SESSION_DEPTH};
pub use permit::{Outcome, Permit};
pub use plan::{AppliedChange, ChangedObject, SecretChange};
pub use policies::{ExplainRequest, ExplainedRequest};
pub use policy_tests::{TestOutcome, TestReport};
pub use proof::{PresentedAs, PresentedProof};
pub use questions::{MAX_AUTHORITY_QUESTIONS, MAX_QUESTIONS};
pub use refusal::{DecisionEvidence, Refusal};
pub use refusals::RefusedAt;
pub use resource_entry::{ResourceEntry, Upstream};
pub use restore::{Restore, RestoredZone};
pub use revoke::{Confirmation, RevocationReceipt};
pub use room::Room;
pub use secrets::{
    DEFAULT_OVERLAP_SECONDS, EndOfOldSecret, MAX_OVERLAP_SECONDS, RotatedSecret, SecretInfo,
};
pub use select_resource::{Selector, Target};
pub use sessions::{
    DEFAULT_SESSION_SECONDS, HEARTBEAT_SECONDS, MAX_CHILDREN, MAX_SESSION_LABELS,
    MAX_SESSION_SECONDS, OpenSession, OpenedSession, SessionAuthority, SessionFilter,
};
pub use sinks::{MAX_SINKS, Outward};
pub use specs::{ApplicationSpec, IssuerSpec, ProviderSpec, ResourceSpec, SinkSpec, ZoneSpec};
pub use start::StartError;
pub use subject::{MAX_SUBJECT_BYTES, SubjectTokenError};
pub use tokens::{CreatedToken, MAX_TOKEN_TTL_SECONDS};
pub use verifier::{
    CallDecision, DecideRequest, MAX_REPORTS, Reported, ReportedCall, ServiceProof,
};
pub use verify::OpenedMandate;
pub use versioned::Versioned;
pub use vouched::OutsideTokenError;
pub use zone_limits::{DEFAULT_MAX_DELEGATIONS, DEFAULT_MAX_SESSIONS, ZoneLimits};
