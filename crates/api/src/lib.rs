//! The control door: what operators, the command line and the console speak to.
//!
//! It turns HTTP into calls of the engine and the engine's answers into HTTP. It decides
//! nothing: which role an operation needs is enforced by the engine and only documented here.
//! It never sees an agent, never forwards a request, and gives a browser page nothing that is
//! not the console's own.

mod api;
mod authenticate;
mod config;
mod convert;
mod cursor;
mod extract;
mod finish;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzz;
mod guard;
mod ledger;
mod openapi;
mod peer;
mod refusal;
mod request_id;
mod routes;
mod serve;

pub use api::{Api, router};
pub use config::{ApiConfig, BackupChunks, BackupSource, StatusSource};
pub use openapi::document;
pub use serve::{serve_stream, serve_unix};
