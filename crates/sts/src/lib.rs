//! The door that agents speak to: OAuth endpoints, metadata and keys.
//!
//! It parses requests, asks the engine, and writes answers in OAuth's terms. It decides
//! nothing, keeps nothing, and never speaks to another door.

mod admission;
mod answer;
mod approvals;
mod client;
mod decide;
mod decisions;
mod delegations;
mod finish;
mod form;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzz;
mod introspect;
mod json_request;
mod metadata;
mod metrics;
mod proof;
mod reports;
mod revocations;
mod revoke;
mod router;
mod sessions;
mod token;

pub use router::{StsConfig, router};
