//! The proxies whose word about a client's address is taken.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use caracal_core::ClientAddress;
use http::HeaderMap;
use http::header::FORWARDED;
use ipnet::IpNet;

const X_FORWARDED_FOR: &str = "x-forwarded-for";
/// How many hops are looked at, from the right.
const MAX_HOPS: usize = 32;

/// The networks of the proxies that are trusted to name a client's address. With none, only the
/// connection does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies(Arc<[IpNet]>);

/// A text that is no address and no network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotANetwork(
    /// The text.
    pub String,
);

impl TrustedProxies {
    /// Reads addresses and networks.
    ///
    /// # Errors
    /// With the first text that is neither.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, NotANetwork> {
        let nets = texts.into_iter().map(|text| {
            let text = text.trim();
            let address = text.parse::<IpAddr>().map(IpNet::from);
            let net = address.or_else(|_| text.parse::<IpNet>());
            net.map_err(|_| NotANetwork(text.to_owned()))
        });
        Ok(Self(nets.collect::<Result<_, _>>()?))
    }

    /// True when nobody is trusted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// True when a proxy of this address is trusted.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|net| net.contains(&address))
    }

    /// The client of a request that came from `peer`: behind trusted proxies the rightmost
    /// address that is not one of theirs. Each hop vouches for what it wrote itself, so a text
    /// that cannot be read ends the search at the last hop that was understood. Where
    /// `Forwarded` and `X-Forwarded-For` are both there and tell different things, one of them
    /// is the client's own, and neither counts.
    pub fn client(&self, peer: ClientAddress, headers: &HeaderMap) -> ClientAddress {
        let Some(proxy) = peer.ip().filter(|ip| self.contains(*ip)) else {
            return peer;
        };
        let plain = headers.contains_key(X_FORWARDED_FOR);
        let standard = headers.contains_key(FORWARDED);
        let found = match (plain, standard) {
            (false, false) => proxy,
            (true, false) => self.walk(proxy, hops(headers, X_FORWARDED_FOR, address_of)),
            (false, true) => self.walk(proxy, hops(headers, FORWARDED.as_str(), forwarded_for)),
            (true, true) => {
                let plain = self.walk(proxy, hops(headers, X_FORWARDED_FOR, address_of));
                let standard = self.walk(proxy, hops(headers, FORWARDED.as_str(), forwarded_for));
                if plain == standard { plain } else { proxy }
            }
        };
        ClientAddress::network(found)
    }

    fn walk(&self, proxy: IpAddr, hops: impl Iterator<Item = Option<IpAddr>>) -> IpAddr {
        let mut last = proxy;
        for hop in hops.take(MAX_HOPS) {
            let Some(hop) = hop else { break };
            last = hop.to_canonical();
            if !self.contains(last) {
                break;
            }
        }
        last
    }
}

/// The hops that a header names, the nearest first; none for one that cannot be read.
fn hops<'a>(
    headers: &'a HeaderMap,
    name: &'a str,
    read: fn(&str) -> Option<IpAddr>,
) -> impl Iterator<Item = Option<IpAddr>> + 'a {
    let lines: Vec<_> = headers.get_all(name).iter().collect();
    lines.into_iter().rev().flat_map(move |line| {
        let text = String::from_utf8_lossy(line.as_bytes());
        let read: Vec<_> = text.rsplit(',').map(|hop| read(hop.trim())).collect();
        read
    })
}

/// An address as proxies write it: alone, or with a port.
fn address_of(text: &str) -> Option<IpAddr> {
    if let Ok(ip) = text.parse() {
        return Some(ip);
    }
    if let Ok(with_port) = text.parse::<SocketAddr>() {
        return Some(with_port.ip());
    }
    let inner = text.strip_prefix('[')?.strip_suffix(']')?;
    inner.parse().map(IpAddr::V6).ok()
}

/// The address in one element of `Forwarded` (RFC 7239). An address has no comma and no
/// semicolon, so that an element whose quotes hold one is not understood, which is safe.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let mut found = None;
    for pair in element.split(';') {
        let (name, value) = pair.split_once('=')?;
        if !name.trim().eq_ignore_ascii_case("for") {
            continue;
        }
        if found.is_some() {
            return None;
        }
        let value = value.trim();
        let bare = match value.strip_prefix('"') {
            Some(rest) => rest.strip_suffix('"')?,
            None => value,
        };
        found = Some(address_of(bare)?);
    }
    found
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    use super::*;

    fn client(trusted: &str, peer: &str, headers: &[(&str, &str)]) -> String {
        let trusted = TrustedProxies::parse(trusted.split(',')).unwrap();
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            map.append(name, HeaderValue::from_str(value).unwrap());
        }
        let peer = ClientAddress::network(peer.parse().unwrap());
        trusted.client(peer, &map).to_string()
    }

    #[test]
    fn the_rightmost_address_that_is_no_proxy_is_the_client() {
        let xff = "x-forwarded-for";
        for (peer, headers, wanted) in [
            // Nobody but a proxy is believed.
            ("192.0.2.7", vec![(xff, "198.51.100.1")], "192.0.2.7"),
            ("10.0.0.1", vec![], "10.0.0.1"),
            ("10.0.0.1", vec![(xff, "198.51.100.1")], "198.51.100.1"),
            // What the client wrote itself stands to the left.
            (
                "10.0.0.1",
                vec![(xff, "127.0.0.1, 198.51.100.1")],
                "198.51.100.1",
            ),
            (
                "10.0.0.1",
                vec![(xff, "198.51.100.1, 10.2.2.2")],
                "198.51.100.1",
            ),
            (
                "10.0.0.1",
                vec![(xff, "6.6.6.6"), (xff, "198.51.100.1")],
                "198.51.100.1",
            ),
            ("10.0.0.1", vec![(xff, "198.51.100.1:4711")], "198.51.100.1"),
            ("10.0.0.1", vec![(xff, "[2001:db8::1]:4711")], "2001:db8::1"),
            ("10.0.0.1", vec![(xff, "2001:db8::1")], "2001:db8::1"),
            (
                "::ffff:10.0.0.1",
                vec![(xff, "::ffff:198.51.100.1")],
                "198.51.100.1",
            ),
            // A hop that says nothing readable is itself the last that is known.
            ("10.0.0.1", vec![(xff, "198.51.100.1, unknown")], "10.0.0.1"),
            (
                "10.0.0.1",
                vec![(xff, "198.51.100.1, unknown, 10.3.3.3")],
                "10.3.3.3",
            ),
            ("10.0.0.1", vec![(xff, "")], "10.0.0.1"),
            (
                "10.0.0.1",
                vec![("forwarded", "for=198.51.100.1;proto=https")],
                "198.51.100.1",
            ),
            (
                "10.0.0.1",
                vec![("forwarded", "for=6.6.6.6, For=\"[2001:db8::1]:47\"")],
                "2001:db8::1",
            ),
            (
                "10.0.0.1",
                vec![("forwarded", "for=_hidden, for=198.51.100.1")],
                "198.51.100.1",
            ),
            (
                "10.0.0.1",
                vec![("forwarded", "for=198.51.100.1;for=6.6.6.6")],
                "10.0.0.1",
            ),
            (
                "10.0.0.1",
                vec![("forwarded", "for=\"198.51.100.1")],
                "10.0.0.1",
            ),
            // One of two that disagree was written by the client.
            (
                "10.0.0.1",
                vec![(xff, "6.6.6.6"), ("forwarded", "for=198.51.100.1")],
                "10.0.0.1",
            ),
            (
                "10.0.0.1",
                vec![(xff, "198.51.100.1"), ("forwarded", "for=198.51.100.1")],
                "198.51.100.1",
            ),
        ] {
            assert_eq!(client("10.0.0.0/8", peer, &headers), wanted, "{headers:?}");
        }
        let all_proxies = client(
            "10.0.0.0/8,192.0.2.1",
            "10.0.0.1",
            &[(xff, "192.0.2.1, 10.1.1.1")],
        );
        assert_eq!(all_proxies, "192.0.2.1");
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for bad in ["10.0.0.0/33", "x", "", "10.0.0"] {
            assert!(TrustedProxies::parse([bad]).is_err(), "{bad}");
        }
        assert!(TrustedProxies::parse(["::1", "fd00::/8", " 10.0.0.1 "]).is_ok());
    }

    proptest! {
        #[test]
        fn a_client_cannot_choose_its_address(text in "[ -~]{0,80}", honest in any::<[u8; 4]>()) {
            let honest = std::net::Ipv4Addr::from(honest);
            prop_assume!(honest.octets()[0] != 10);
            let header = format!("{text}, {honest}");
            prop_assert_eq!(client("10.0.0.0/8", "10.0.0.1", &[("x-forwarded-for", &header)]), honest.to_string());
        }
    }
}
