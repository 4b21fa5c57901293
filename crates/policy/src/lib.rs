//! Compile, check, evaluate and explain Cedar policies.
//!
//! [`compile`] turns the text of policies into a [`CompiledPolicy`], or says what is wrong
//! with them; [`CompiledPolicy::ask`] answers a [`Question`]. This crate is the only one that
//! knows the policy language. It must never do I/O, read a clock, or permit what no policy
//! permits: a policy that cannot be evaluated denies.
//!
//! # What policies see
//!
//! ```text
//! Session::"ses_…" { application: Application, labels: Set<String>, depth: Long, subject?: Subject }
//!     in Application::"name"
//! Resource::"resource://name"    Subject::"sub_…"    Action::"SCOPE"    Action::"caracal:lend"
//! context { now: datetime, phase: "mint" | "call",
//!           actor: { application: Application, labels: Set<String> },
//!           delegation?: { id: String, depth: Long }, approval?: { id: String },
//!           request: { method, path, host: String, query: Set<String>, tool?: String } }
//! ```
//!
//! A tool's `arguments` are arbitrary JSON. Strict validation knows only closed records, so
//! they are not in the schema yet: a policy that mentions them is refused, rather than
//! accepted without being checked. [`RequestView::arguments`] is carried for that day.
//!
//! # Two phases
//!
//! At mint there is no operation. A statement that mentions `context.request`, or uses
//! `context` as a whole, is *deferred*: a permit counts as possible and a forbid is left out
//! where the Gateway asks again; where a service enforces, the permit does not count and
//! the forbid does. A deferred permit's `@ttl` shortens the mandate all the same; its
//! `@approval` and `@rate` wait for the call.
//!
//! # Bounds
//!
//! Size, nesting, chains of operators, strings and numbers of statements are limited before
//! Cedar's recursive code sees a text ([`caracal_core::MAX_POLICY_BYTES`],
//! [`MAX_STATEMENTS`], [`MAX_UNSCOPED`]; brackets 64 deep, expressions 128, strings of
//! 2,048 bytes, 256 actions in a statement), so that neither compiling nor asking can
//! overflow a stack. Questions are evaluated on the statements whose heads match, found by
//! an index, so that a thousand scoped policies cost what ten do.

mod answer;
mod approval_by;
mod canonical_bytes;
mod compile;
mod compiled_policy;
mod explanation;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzz;
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
pub use compiled_policy::{CompiledPolicy, ForbidsOnPath};
pub use explanation::{Explanation, HeadPart, NearMiss, StatementStatus, Status};
pub use policy_error::PolicyError;
pub use policy_errors::PolicyErrors;
pub use question::{Actor, DelegationView, Phase, Question, RequestView};
pub use rate::{Rate, RateError};
pub use vocabulary::Vocabulary;
