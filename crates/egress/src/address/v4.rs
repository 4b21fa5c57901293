//! IPv4 ranges.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::Reach;

const fn net(a: u8, b: u8, c: u8, d: u8, bits: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), bits)
}

/// Read before [`PRIVATE`], so that a metadata address inside a private range stays closed.
const NEVER: [(Ipv4Net, &str); 14] = [
    (net(100, 100, 100, 200, 32), METADATA),
    // Azure's host agent hands out credentials and certificates on a public address.
    (net(168, 63, 129, 16, 32), METADATA),
    (net(192, 0, 0, 192, 32), METADATA),
    (net(169, 254, 0, 0, 16), "link-local and metadata addresses"),
    (net(0, 0, 0, 0, 8), "unspecified addresses"),
    (net(255, 255, 255, 255, 32), "broadcast addresses"),
    (net(224, 0, 0, 0, 4), "multicast addresses"),
    (net(240, 0, 0, 0, 4), super::v6::RESERVED),
    (net(192, 0, 0, 0, 24), super::v6::RESERVED),
    (net(192, 88, 99, 0, 24), super::v6::RESERVED),
    (net(192, 0, 2, 0, 24), super::v6::DOCUMENTATION),
    (net(198, 51, 100, 0, 24), super::v6::DOCUMENTATION),
    (net(203, 0, 113, 0, 24), super::v6::DOCUMENTATION),
    (net(198, 18, 0, 0, 15), "benchmark addresses"),
];

pub(super) const METADATA: &str = "cloud metadata addresses";

const PRIVATE: [Ipv4Net; 5] = [
    net(127, 0, 0, 0, 8),
    net(10, 0, 0, 0, 8),
    net(172, 16, 0, 0, 12),
    net(192, 168, 0, 0, 16),
    net(100, 64, 0, 0, 10),
];

pub(super) fn reach(ip: Ipv4Addr) -> Reach {
    if let Some((_, range)) = NEVER.iter().find(|(net, _)| net.contains(&ip)) {
        return Reach::Never(range);
    }
    if PRIVATE.iter().any(|net| net.contains(&ip)) {
        return Reach::Private;
    }
    Reach::Public
}
