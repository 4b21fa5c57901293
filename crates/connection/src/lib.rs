//! One connection of a client, from its first byte to its last, for every door.
//!
//! It takes connections within limits, finds out which version of HTTP is spoken, and drives the
//! conversation: how long a head, a body, an answer and silence may take, and how all of it ends
//! when the process stops. It knows no path, no header's meaning but those that proxies add, and
//! nothing of TLS: whoever ends TLS hands it the stream inside. It must never decide anything.

mod activity;
mod admission;
mod alarm;
mod arrival;
mod converse;
mod door_rules;
mod exchange;
mod limits;
mod listening;
mod paced;
mod protocol;
mod stopping;
mod transport;
mod trusted_proxies;

pub use admission::{Admission, Admitted, Full};
pub use arrival::Arrival;
pub use converse::converse;
pub use door_rules::DoorRules;
pub use exchange::Exchange;
pub use limits::Limits;
pub use listening::listen;
pub use paced::Paced;
pub use protocol::Protocol;
pub use stopping::Stopping;
pub use transport::Transport;
pub use trusted_proxies::{NotANetwork, TrustedProxies};
