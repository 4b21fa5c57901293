//! The instance's own addresses, which nobody may reach through us.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, UdpSocket};

/// True when `ip` (canonical) with `port` is one of the listeners.
pub(crate) fn is_own(ip: IpAddr, port: u16, listeners: &[SocketAddr]) -> bool {
    listeners
        .iter()
        .filter(|listener| listener.port() == port)
        .any(|listener| {
            let own = listener.ip().to_canonical();
            own == ip || (own.is_unspecified() && is_of_this_machine(ip))
        })
}

/// True unless the kernel says that no interface has this address: only an address of
/// one's own can be bound. Every other failure counts as "own", the safe side. Asked only
/// when the port is already that of a listener on all interfaces, so it is rare.
fn is_of_this_machine(ip: IpAddr) -> bool {
    if ip.is_loopback() {
        return true;
    }
    match UdpSocket::bind(SocketAddr::new(ip, 0)) {
        Ok(_) => true,
        Err(error) => error.kind() != ErrorKind::AddrNotAvailable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(ip: &str, port: u16, listener: &str) -> bool {
        is_own(ip.parse().unwrap(), port, &[listener.parse().unwrap()])
    }

    #[test]
    fn exact_listeners_are_exact() {
        assert!(own("127.0.0.1", 8080, "127.0.0.1:8080"));
        assert!(own("127.0.0.1", 8080, "[::ffff:127.0.0.1]:8080"));
        assert!(own("8.8.8.8", 443, "8.8.8.8:443"));
        assert!(!own("127.0.0.1", 8081, "127.0.0.1:8080"));
        assert!(!own("127.0.0.2", 8080, "127.0.0.1:8080"));
        assert!(!own("::1", 8080, "127.0.0.1:8080"));
    }

    #[test]
    fn listeners_on_all_interfaces_cover_this_machine_only() {
        for listener in ["0.0.0.0:8080", "[::]:8080", "[::ffff:0.0.0.0]:8080"] {
            assert!(own("127.0.0.1", 8080, listener), "{listener}");
            assert!(own("127.8.9.10", 8080, listener), "{listener}");
            assert!(own("::1", 8080, listener), "{listener}");
            assert!(!own("127.0.0.1", 8081, listener), "{listener}");
            assert!(!own("8.8.8.8", 8080, listener), "{listener}");
        }
    }

    #[test]
    fn addresses_of_interfaces_are_found() {
        // The address this machine would use to talk to the outside; no packet is sent.
        let probe = UdpSocket::bind("0.0.0.0:0").unwrap();
        if probe.connect("8.8.8.8:53").is_ok() {
            let mine = probe.local_addr().unwrap().ip();
            assert!(is_of_this_machine(mine), "{mine}");
        }
        assert!(!is_of_this_machine("8.8.8.8".parse().unwrap()));
    }
}
