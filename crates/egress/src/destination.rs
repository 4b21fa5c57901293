//! What a destination asks for.

use caracal_core::{UpstreamProtocol, ZoneId};

/// What the resource behind a request asks of the way out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Destination<'a> {
    /// Whose request it is: zones share no connection of HTTP/2.
    pub zone: Option<ZoneId>,
    /// True: loopback and private addresses are fine, if the instance allows them too.
    pub allow_private: bool,
    /// PEM certificates trusted in place of the system's roots, at most
    /// [`MAX_CA_BYTES`](crate::MAX_CA_BYTES).
    pub ca_pem: Option<&'a str>,
    /// The HTTP version that is spoken.
    pub protocol: UpstreamProtocol,
}
