//! The HTTP contract that outside programs see: the shapes of requests and answers, as plain
//! strings and numbers.
//!
//! This crate decides nothing and checks no more than shape: what a text means is for
//! `caracal-core` and the door that reads it. It does no I/O.

mod admin;
mod approval;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzz;
mod refusal;

pub use admin::*;
pub use approval::{ApprovalRequestView, ApprovalView, DecisionBody};
pub use refusal::RefusalBody;

mod oauth;
mod session;
mod verifier;

pub use oauth::{Counterexample, MandateAnswer, OauthError, ServerMetadata};
pub use session::{
    AcceptBody, BlastRadiusView, BudgetBody, ConfirmationBody, DelegationBody, DelegationView,
    GrantBody, HeartbeatBody, SessionAuthorityView, SessionBody, SessionPathView, SessionView,
};
pub use verifier::{
    DecideBody, DecideProofBody, DecideRequestBody, DecidedMandateView, DecisionView, ReportAnswer,
    ReportBody, ReportResultView, ReportedCallBody,
};
