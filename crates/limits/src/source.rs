//! Who a failure is put down to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use caracal_core::ClientAddress;

/// The smallest network that one machine is sure to be alone in: an IPv4 address, or the first
/// 64 bits of an IPv6 one, since every machine there can take any of the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Source(u128);

impl Source {
    /// The source of a request. The user at the local socket has none: they own the instance.
    /// All whose address is not known are one source.
    pub fn of_client(client: Option<ClientAddress>) -> Option<Self> {
        match client {
            Some(ClientAddress::Local) => None,
            Some(ClientAddress::Network(address)) => Some(Self::of(address)),
            None => Some(Self::of(Ipv4Addr::UNSPECIFIED.into())),
        }
    }

    /// The source of a client at this address. IPv4 inside IPv6 counts as IPv4.
    pub fn of(address: IpAddr) -> Self {
        const NETWORK: u128 = !(u64::MAX as u128);
        match address.to_canonical() {
            IpAddr::V4(address) => Self(address.to_ipv6_mapped().to_bits()),
            IpAddr::V6(address) => Self(Ipv6Addr::to_bits(address) & NETWORK),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Source {
        Source::of(text.parse().unwrap())
    }

    #[test]
    fn addresses_that_one_machine_can_take_are_one_source() {
        assert_eq!(
            of("2001:db8:1:2::1"),
            of("2001:db8:1:2:ffff:ffff:ffff:ffff")
        );
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_eq!(of("192.0.2.1"), of("::ffff:192.0.2.1"));
        assert_ne!(of("0.0.0.1"), of("::1"));
    }

    #[test]
    fn only_the_local_socket_has_no_source() {
        let client = ClientAddress::network("::ffff:192.0.2.1".parse().unwrap());
        assert_eq!(Source::of_client(Some(client)), Some(of("192.0.2.1")));
        assert_eq!(Source::of_client(Some(ClientAddress::Local)), None);
        assert!(Source::of_client(None).is_some());
    }
}
