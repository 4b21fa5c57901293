//! The streaming proxy: verify, authorize, inject, forward.
//!
//! It speaks to the engine and to the guarded way out, and to nothing else. It must never
//! forward anything without a [`caracal_engine::Permit`], never read a request's body before
//! the call is authorised, never collect a body, never send a mandate upstream, and never
//! leave a call's end unrecorded.

mod admission;
mod answer_body;
mod answered;
mod call;
mod connection;
mod forward;
mod framing;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzz;
mod gateway;
mod gateway_config;
mod grpc;
mod handle;
mod held;
mod hygiene;
mod location;
mod mandate;
mod meters;
mod own_endpoints;
mod proof;
mod query;
mod refused;
mod route;
mod trace_context;
mod trailers;
mod upload;

pub use gateway::Gateway;
pub use gateway_config::GatewayConfig;
