//! What tests stand on: the conformance suite of the stores, and a store in memory that fails
//! on demand.
//!
//! Only tests depend on this crate; it must never be part of a program that people run.

pub mod conformance;
mod memory_store;

pub use memory_store::{AppendFault, CommitFault, MemoryStore, Stalled};
