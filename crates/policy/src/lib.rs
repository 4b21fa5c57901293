//! Compile, check, evaluate and explain Cedar policies.

mod answer;
mod approval_by;
mod canonical_bytes;
mod compile;
mod compiled_policy;
mod explanation;
mod index;
mod obligation;
mod policy_error;
mod policy_errors;
mod question;
mod rate;
mod reference;
mod scan;
mod schema;
mod statement;
#[cfg(test)]
mod tests;
mod usage;
mod vocabulary;
mod world;

pub use answer::{Answer, DenyReason, Effect, Obligations, PolicyFault};
pub use approval_by::ApprovalBy;
pub use canonical_bytes::canonical_bytes;
pub use compile::{MAX_STATEMENTS, MAX_UNSCOPED, compile};
pub use compiled_policy::CompiledPolicy;
pub use explanation::{Explanation, HeadPart, NearMiss, StatementStatus, Status};
pub use policy_error::PolicyError;
pub use policy_errors::PolicyErrors;
pub use question::{Actor, DelegationView, Phase, Question, RequestView};
pub use rate::{Rate, RateError};
pub use vocabulary::Vocabulary;
