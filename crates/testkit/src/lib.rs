//! What tests stand on: the conformance suite of the stores, a store in memory that fails on
//! demand, a clock that stands still, and an engine with a zone that is ready for calls.
//!
//! Only tests depend on this crate; it must never be part of a program that people run.

pub mod conformance;
mod fake_clock;
mod memory_store;
mod outside_issuer;
mod prover;
mod seeded_zone;
mod test_engine;

pub use fake_clock::FakeClock;
pub use memory_store::{AppendFault, ClaimFault, CommitFault, MemoryStore, Stalled};
pub use outside_issuer::OutsideIssuer;
pub use prover::Prover;
pub use seeded_zone::SeededZone;
pub use test_engine::TestEngine;
