//! What the instance's operator allows.

use std::net::SocketAddr;

/// What the instance allows for every outbound connection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EgressRules {
    /// True: loopback and private addresses are allowed where a destination asks for them.
    pub allow_private: bool,
    /// Our own listeners and our database. An unspecified address stands for every address
    /// of this machine. A public address that leads here through a translator or load
    /// balancer cannot be guessed and must be named.
    pub forbidden: Vec<SocketAddr>,
}
