//! What a destination asks for.

use caracal_core::UpstreamProtocol;

/// What the resource behind a request asks of the way out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Destination<'a> {
    /// True: loopback and private addresses are fine, if the instance allows them too.
    pub allow_private: bool,
    /// PEM certificates trusted in place of the system's roots, at most
    /// [`MAX_CA_BYTES`](crate::MAX_CA_BYTES).
    pub ca_pem: Option<&'a str>,
    /// The HTTP version that is spoken.
    pub protocol: UpstreamProtocol,
}
