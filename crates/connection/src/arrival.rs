//! How a connection came in.

use std::net::{IpAddr, SocketAddr};

use caracal_core::ClientAddress;

use crate::Protocol;

/// How a connection came in, as the listener saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// The other end; none for the local socket.
    pub remote: Option<SocketAddr>,
    /// Our end; none for the local socket.
    pub local: Option<SocketAddr>,
    /// True when TLS was ended here.
    pub is_tls: bool,
    /// What is spoken.
    pub protocol: Protocol,
}

impl Arrival {
    /// A connection of the local socket.
    pub const LOCAL: Self = Self {
        remote: None,
        local: None,
        is_tls: false,
        protocol: Protocol::Http1,
    };

    /// The address of the other end, which may be a proxy's.
    pub fn peer(&self) -> ClientAddress {
        let ip = self.remote.as_ref().map(SocketAddr::ip);
        ip.map_or(ClientAddress::Local, ClientAddress::network)
    }

    /// True when it came in over a loopback address.
    pub fn is_loopback(&self) -> bool {
        let local: Option<IpAddr> = self.local.map(|local| local.ip());
        local.is_some_and(|ip| ip.to_canonical().is_loopback())
    }
}
