//! The decision about one address.

mod v4;
mod v6;

use std::net::{IpAddr, SocketAddr};

use crate::Refusal;
use crate::listeners;

/// What kind of place an address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// Reached over the internet.
    Public,
    /// Loopback or a network of one's own: only where instance and destination allow it.
    Private,
    /// Never, whatever is allowed; the text names the range.
    Never(&'static str),
}

/// Decides whether `ip` with `port` may be connected to.
///
/// `allow_private` must be true only if the instance **and** the destination allow
/// loopback and private addresses. `forbidden` are the instance's own listeners (and its
/// database): each is refused exactly, and one with an unspecified address is refused on
/// every address of this machine.
///
/// An IPv6 address that carries an IPv4 address (mapped, NAT64, 6to4, Teredo, ISATAP) is
/// judged by the carried address too.
///
/// # Errors
///
/// The [`Refusal`] that applies; ranges that no setting opens are named first.
pub fn check_address(
    ip: IpAddr,
    port: u16,
    allow_private: bool,
    forbidden: &[SocketAddr],
) -> Result<(), Refusal> {
    let ip = ip.to_canonical();
    let reach = match ip {
        IpAddr::V4(ip) => v4::reach(ip),
        IpAddr::V6(ip) => v6::reach(ip),
    };
    match reach {
        Reach::Never(range) => return Err(Refusal::Never(range)),
        Reach::Private if !allow_private => return Err(Refusal::Private),
        Reach::Private | Reach::Public => {}
    }
    if port == 0 {
        return Err(Refusal::PortZero);
    }
    if listeners::is_own(ip, port, forbidden) {
        return Err(Refusal::OwnListener);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
