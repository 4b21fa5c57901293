use super::*;

/// Each row: address, allowed without and with `allow_private`.
const TABLE: &[(&str, bool, bool)] = &[
    // Public.
    ("1.1.1.1", true, true),
    ("8.8.8.8", true, true),
    ("9.255.255.255", true, true),
    ("11.0.0.0", true, true),
    ("100.63.255.255", true, true),
    ("100.128.0.0", true, true),
    ("126.255.255.255", true, true),
    ("128.0.0.0", true, true),
    ("169.253.255.255", true, true),
    ("169.255.0.0", true, true),
    ("172.15.255.255", true, true),
    ("172.32.0.0", true, true),
    ("192.167.255.255", true, true),
    ("192.169.0.0", true, true),
    ("198.17.255.255", true, true),
    ("198.20.0.0", true, true),
    ("223.255.255.255", true, true),
    ("2606:4700:4700::1111", true, true),
    ("2001:4860:4860::8888", true, true),
    ("2a00:1450:4001::1", true, true),
    ("2001:200::1", true, true),
    ("::ffff:8.8.8.8", true, true),
    ("64:ff9b::8.8.8.8", true, true),
    ("2002:808:808::1", true, true),
    ("2001:0:808:808:0:0:f7f7:f7f7", true, true),
    ("2606:4700::5efe:808:808", true, true),
    // Loopback, private, carrier-grade NAT, unique local.
    ("127.0.0.1", false, true),
    ("127.255.255.254", false, true),
    ("10.0.0.0", false, true),
    ("10.255.255.255", false, true),
    ("172.16.0.1", false, true),
    ("172.31.255.255", false, true),
    ("192.168.0.1", false, true),
    ("192.168.255.255", false, true),
    ("100.64.0.1", false, true),
    ("100.127.255.255", false, true),
    ("::1", false, true),
    ("fc00::1", false, true),
    ("fdff:ffff::1", false, true),
    ("fd00:ec3::254", false, true),
    ("::ffff:127.0.0.1", false, true),
    ("::ffff:10.1.2.3", false, true),
    ("::ffff:192.168.1.1", false, true),
    // Never: unspecified, link-local, metadata.
    ("0.0.0.0", false, false),
    ("0.1.2.3", false, false),
    ("::", false, false),
    ("::ffff:0.0.0.0", false, false),
    ("169.254.0.1", false, false),
    ("169.254.169.254", false, false),
    ("169.254.170.2", false, false),
    ("::ffff:169.254.169.254", false, false),
    ("fe80::1", false, false),
    ("febf::1", false, false),
    ("100.100.100.200", false, false),
    ("::ffff:100.100.100.200", false, false),
    ("168.63.129.16", false, false),
    ("192.0.0.192", false, false),
    ("fd00:ec2::254", false, false),
    ("fd00:ec2::23", false, false),
    ("fd20:ce::254", false, false),
    ("fd00:42::42", false, false),
    ("fd00:c1::a9fe:a9fe", false, false),
    // Never: multicast, broadcast, reserved, documentation, benchmark.
    ("224.0.0.1", false, false),
    ("239.255.255.255", false, false),
    ("ff02::1", false, false),
    ("255.255.255.255", false, false),
    ("240.0.0.1", false, false),
    ("192.0.0.1", false, false),
    ("192.0.2.1", false, false),
    ("198.51.100.1", false, false),
    ("203.0.113.1", false, false),
    ("192.88.99.1", false, false),
    ("198.18.0.1", false, false),
    ("198.19.255.255", false, false),
    ("2001:db8::1", false, false),
    ("3fff::1", false, false),
    ("2001:2::1", false, false),
    ("2001:10::1", false, false),
    ("2001:20::1", false, false),
    ("100::1", false, false),
    ("5f00::1", false, false),
    ("fec0::1", false, false),
    ("4000::1", false, false),
    // Never: carrying an address that is not public.
    ("::127.0.0.1", false, false),
    ("::8.8.8.8", false, false),
    ("::2", false, false),
    ("64:ff9b::127.0.0.1", false, false),
    ("64:ff9b::10.0.0.1", false, false),
    ("64:ff9b::169.254.169.254", false, false),
    ("64:ff9b::100.100.100.200", false, false),
    ("64:ff9b:1::1", false, false),
    ("64:ff9b:1::8.8.8.8", false, false),
    ("64:ff9b:1:a9fe:a9:fe00::", false, false),
    ("64:ff9b:2::8.8.8.8", false, false),
    ("::ffff:0:127.0.0.1", false, false),
    ("2002:7f00:1::1", false, false),
    ("2002:a9fe:a9fe::1", false, false),
    ("2002:a00:1::1", false, false),
    ("2001:0:808:808:0:0:80ff:fffe", false, false),
    ("2001:0:7f00:1:0:0:f7f7:f7f7", false, false),
    ("2001:0:a00:1:0:0:f7f7:f7f7", false, false),
    ("2606:4700::5efe:7f00:1", false, false),
    ("2606:4700::200:5efe:a9fe:a9fe", false, false),
    ("fd12::5efe:7f00:1", false, false),
];

#[test]
fn every_address_of_the_table() {
    for (text, closed, open) in TABLE {
        let ip: IpAddr = text.parse().unwrap();
        assert_eq!(
            check_address(ip, 443, false, &[]).is_ok(),
            *closed,
            "{text} without private"
        );
        assert_eq!(
            check_address(ip, 443, true, &[]).is_ok(),
            *open,
            "{text} with private"
        );
    }
    assert!(TABLE.len() >= 60);
}

#[test]
fn refusals_say_why() {
    let why = |text: &str, port| check_address(text.parse().unwrap(), port, false, &[]);
    assert_eq!(why("127.0.0.1", 80), Err(Refusal::Private));
    assert_eq!(why("8.8.8.8", 0), Err(Refusal::PortZero));
    assert_eq!(
        why("169.254.169.254", 80),
        Err(Refusal::Never("link-local and metadata addresses"))
    );
    assert!(
        why("fd00:ec2::254", 80)
            .unwrap_err()
            .to_string()
            .contains("metadata")
    );
}

#[test]
fn own_listeners_are_refused_even_where_private_is_allowed() {
    let own: [SocketAddr; 2] = [
        "127.0.0.1:8443".parse().unwrap(),
        "0.0.0.0:9000".parse().unwrap(),
    ];
    let check = |text: &str, port| check_address(text.parse().unwrap(), port, true, &own);
    assert_eq!(check("127.0.0.1", 8443), Err(Refusal::OwnListener));
    assert_eq!(check("::ffff:127.0.0.1", 8443), Err(Refusal::OwnListener));
    assert_eq!(check("::1", 9000), Err(Refusal::OwnListener));
    assert_eq!(check("127.3.3.3", 9000), Err(Refusal::OwnListener));
    assert_eq!(check("127.0.0.1", 8444), Ok(()));
    assert_eq!(check("8.8.8.8", 9000), Ok(()));
}

proptest::proptest! {
    /// Allowing private addresses only ever adds, and never opens a range of the kernel's
    /// own classification that must stay closed.
    #[test]
    fn no_setting_opens_what_is_closed(bits: u32, port in 1u16..) {
        let v4 = std::net::Ipv4Addr::from_bits(bits);
        let open = check_address(v4.into(), port, true, &[]).is_ok();
        let closed = check_address(v4.into(), port, false, &[]).is_ok();
        proptest::prop_assert!(open || !closed);
        let bad = v4.is_link_local() || v4.is_multicast() || v4.is_broadcast()
            || v4.is_unspecified() || v4.is_documentation();
        proptest::prop_assert!(!(bad && open));
        proptest::prop_assert!(!((v4.is_private() || v4.is_loopback()) && closed));
        // The mapped form is judged alike, a translated form never more freely.
        let mapped = check_address(v4.to_ipv6_mapped().into(), port, true, &[]).is_ok();
        proptest::prop_assert_eq!(mapped, open);
        let nat64 = std::net::Ipv6Addr::from_bits(0x64_ff9b << 96 | u128::from(bits));
        proptest::prop_assert_eq!(check_address(nat64.into(), port, true, &[]).is_ok(), closed);
    }

    /// IPv6: what is open without private addresses is global unicast or translated.
    #[test]
    fn open_ipv6_is_global(bits: u128, port in 1u16..) {
        let v6 = std::net::Ipv6Addr::from_bits(bits);
        if check_address(v6.into(), port, false, &[]).is_ok() {
            let first = v6.segments()[0];
            proptest::prop_assert!(first & 0xe000 == 0x2000 || v6.to_ipv4_mapped().is_some() || first == 0x64);
        }
    }
}
