//! Where a request comes from.

use std::fmt;
use std::net::IpAddr;

/// Where a request comes from, as far as it can be known: for limits and logs. It is no
/// authority: nothing is allowed because of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClientAddress {
    /// The local socket; the user on the other end was checked.
    Local,
    /// A network address, never an IPv4 one written as IPv6. Behind trusted proxies it is the
    /// one that the outermost of them saw.
    Network(IpAddr),
}

impl ClientAddress {
    /// The client at this address.
    pub fn network(address: IpAddr) -> Self {
        Self::Network(address.to_canonical())
    }

    /// The address, if there is one.
    pub fn ip(self) -> Option<IpAddr> {
        match self {
            Self::Local => None,
            Self::Network(ip) => Some(ip),
        }
    }
}

impl fmt::Display for ClientAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local => f.write_str("local"),
            Self::Network(ip) => ip.fmt(f),
        }
    }
}
