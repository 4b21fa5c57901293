//! Where a door listens.

mod bind;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

pub(crate) use bind::bind;

/// An address to listen on. Every loopback name stands for 127.0.0.1 and, where it exists,
/// ::1: nobody else can take the half that a client may try first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListenSpec {
    addresses: Vec<IpAddr>,
    port: u16,
}

impl ListenSpec {
    /// True when nothing outside this machine can connect.
    pub(crate) fn is_loopback(&self) -> bool {
        self.addresses.iter().all(IpAddr::is_loopback)
    }

    /// True when these are addresses that it stands for. A machine may lack one family.
    pub(crate) fn is_served_by(&self, addresses: &[SocketAddr]) -> bool {
        let is_own = |address: &SocketAddr| {
            self.addresses.contains(&address.ip()) && [0, address.port()].contains(&self.port)
        };
        let first = self.addresses.first();
        addresses.iter().all(is_own) && addresses.iter().any(|a| Some(&a.ip()) == first)
    }

    /// The port; 0 stands for one that is chosen once per home.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

impl FromStr for ListenSpec {
    type Err = String;

    /// Reads `localhost:PORT`, `:PORT` (the same), `ADDRESS:PORT` or `[IPv6]:PORT`.
    fn from_str(text: &str) -> Result<Self, String> {
        let refuse =
            || format!("`{text}` is no place to listen on: use `localhost:PORT` or `ADDRESS:PORT`");
        let (host, port) = text.trim().rsplit_once(':').ok_or_else(refuse)?;
        let port = port.parse().map_err(|_| refuse())?;
        let bracketed = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        let address = match (host, bracketed) {
            ("" | "localhost", _) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            (_, Some(v6)) => IpAddr::V6(v6.parse().map_err(|_| refuse())?),
            (v4, None) => IpAddr::V4(v4.parse().map_err(|_| refuse())?),
        };
        let both = [
            IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(Ipv6Addr::LOCALHOST),
        ];
        let addresses = if both.contains(&address) {
            both.to_vec()
        } else {
            vec![address]
        };
        Ok(Self { addresses, port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_the_loopback_means_both_families() {
        for text in ["localhost:80", ":80", "127.0.0.1:80", "[::1]:80"] {
            let spec: ListenSpec = text.parse().unwrap();
            assert_eq!(spec.addresses.len(), 2, "{text}");
            assert!(spec.is_loopback() && spec.port() == 80);
        }
    }

    #[test]
    fn other_addresses_stand_for_themselves() {
        for (text, loopback) in [
            ("0.0.0.0:0", false),
            ("[::]:1", false),
            ("127.0.0.9:1", true),
        ] {
            let spec: ListenSpec = text.parse().unwrap();
            assert_eq!(
                (spec.addresses.len(), spec.is_loopback()),
                (1, loopback),
                "{text}"
            );
        }
        for bad in [
            "",
            "80",
            "localhost",
            "example.com:80",
            "::1:80",
            "localhost:70000",
            "[::1]",
        ] {
            assert!(bad.parse::<ListenSpec>().is_err(), "{bad}");
        }
    }
}
