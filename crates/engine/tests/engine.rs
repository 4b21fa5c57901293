//! The engine as doors see it, over a store in memory that fails on demand.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking, also outside its own function"
)]

mod engine {
    mod again;
    mod apply;
    mod approvals;
    mod assertions;
    mod calls;
    mod delegations;
    mod endings;
    mod evidence;
    mod exact_calls;
    mod fencing;
    mod history;
    mod holding;
    mod idempotency;
    mod issue;
    mod issuers;
    mod key_endpoint;
    mod keys;
    mod logs;
    mod mandates;
    mod master_key;
    mod policies;
    mod proofs;
    mod providers;
    mod questions;
    mod refusals;
    mod retention;
    mod revocation;
    mod roles;
    mod secrets;
    mod sessions;
    mod shares;
    mod single_use;
    mod sinks;
    mod subjects;
    mod tokens;
    mod writes;
}
