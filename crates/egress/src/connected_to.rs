//! The address an answer came from.

use std::net::SocketAddr;

/// The checked address that an answer came from; in the extensions of every answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectedTo(pub SocketAddr);
