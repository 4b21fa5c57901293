//! IPv6 ranges, and the IPv4 addresses that some of them carry.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::Ipv6Net;

use super::{Reach, v4};

pub(super) const RESERVED: &str = "reserved addresses";
pub(super) const DOCUMENTATION: &str = "documentation addresses";
const CARRIED: &str = "addresses that carry an IPv4 address which is not public";

const fn net(segments: [u16; 8], bits: u8) -> Ipv6Net {
    let [a, b, c, d, e, f, g, h] = segments;
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, e, f, g, h), bits)
}

/// Closed ranges inside those that are open below.
const NEVER: [(Ipv6Net, &str); 9] = [
    // Amazon's metadata (::254), pod credentials (::23), clock and resolver.
    (net([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0], 32), v4::METADATA),
    // Google, Scaleway, Oracle.
    (net([0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254], 128), v4::METADATA),
    (net([0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42], 128), v4::METADATA),
    (
        net([0xfd00, 0xc1, 0, 0, 0, 0, 0xa9fe, 0xa9fe], 128),
        v4::METADATA,
    ),
    (
        net([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10),
        "link-local and metadata addresses",
    ),
    (net([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), "multicast addresses"),
    (net([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32), DOCUMENTATION),
    (net([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20), DOCUMENTATION),
    (net([0, 0, 0, 0, 0, 0, 0, 0], 128), "unspecified addresses"),
];

const TEREDO: Ipv6Net = net([0x2001, 0, 0, 0, 0, 0, 0, 0], 32);
/// Protocol assignments: benchmarking, ORCHID and others. Nothing an upstream has.
const PROTOCOLS: Ipv6Net = net([0x2001, 0, 0, 0, 0, 0, 0, 0], 23);
const SIX_TO_FOUR: Ipv6Net = net([0x2002, 0, 0, 0, 0, 0, 0, 0], 16);
const NAT64: Ipv6Net = net([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96);
const UNIQUE_LOCAL: Ipv6Net = net([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7);
const GLOBAL: Ipv6Net = net([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);

/// Judges an address that is not IPv4-mapped. What no range below opens is reserved: that
/// covers IPv4-compatible, site-local, discard and local-use NAT64 (`64:ff9b:1::/48`,
/// where the place of the carried address is the operator's choice and cannot be read).
pub(super) fn reach(ip: Ipv6Addr) -> Reach {
    if let Some((_, range)) = NEVER.iter().find(|(net, _)| net.contains(&ip)) {
        return Reach::Never(range);
    }
    let carried = carried(ip);
    if carried
        .into_iter()
        .flatten()
        .any(|inner| v4::reach(inner) != Reach::Public)
    {
        return Reach::Never(CARRIED);
    }
    if NAT64.contains(&ip) || TEREDO.contains(&ip) {
        return Reach::Public;
    }
    if ip.is_loopback() || UNIQUE_LOCAL.contains(&ip) {
        return Reach::Private;
    }
    if GLOBAL.contains(&ip) && !PROTOCOLS.contains(&ip) {
        return Reach::Public;
    }
    Reach::Never(RESERVED)
}

/// The IPv4 addresses inside an IPv6 address, at most two.
fn carried(ip: Ipv6Addr) -> [Option<Ipv4Addr>; 2] {
    let [_, second, third, fourth, isatap, marker, seventh, last] = ip.segments();
    let join =
        |high: u16, low: u16| Some(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)));
    if NAT64.contains(&ip) {
        [join(seventh, last), None]
    } else if SIX_TO_FOUR.contains(&ip) {
        [join(second, third), None]
    } else if TEREDO.contains(&ip) {
        // The server in clear, the client with every bit turned.
        [join(third, fourth), join(!seventh, !last)]
    } else if marker == 0x5efe && isatap & !0x0200 == 0 {
        [join(seventh, last), None]
    } else {
        [None, None]
    }
}
