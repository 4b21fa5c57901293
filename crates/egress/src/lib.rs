//! The one guarded way out: resolver, address filter, HTTP and TLS client.
//!
//! Every outbound request of any door goes through [`Egress`]. It must never connect to
//! an address that [`check_address`] did not allow (the address that was checked is the
//! one connected to), never follow a redirect, never send a request a second time once
//! a byte of it may have been written (unless the upstream has said, in the words of HTTP/2,
//! that it did not look at it), and never trust a certificate on its own account.

mod address;
mod answer;
mod cache;
mod client;
mod connected_to;
mod connector;
mod destination;
mod egress;
mod error;
mod failure;
mod fetch;
mod held_body;
mod link;
mod listeners;
mod post;
mod refusal;
mod resolver;
mod rules;
mod shared;
#[cfg(test)]
mod sockets;
mod trust;

pub use address::check_address;
pub use answer::Answer;
pub use connected_to::ConnectedTo;
pub use destination::Destination;
pub use egress::{Body, Egress, MAX_ANSWER_HEAD_BYTES, MAX_ANSWER_HEADERS};
pub use error::{EgressError, Phase};
pub use fetch::FetchError;
pub use post::{PostError, Posted};
pub use refusal::Refusal;
pub use rules::EgressRules;
pub use trust::MAX_CA_BYTES;
