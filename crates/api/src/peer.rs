//! Where a connection comes from.

/// Where a connection comes from. Only the listeners of this crate can say so: it travels as a
/// request extension of a type that nobody else can build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    /// The Unix socket; the user on the other end was checked.
    Local,
    /// A network listener bound to a loopback address.
    Loopback,
    /// A network listener bound to another address.
    Network,
}

impl Peer {
    /// The peer of a request. A request without one is treated as strictly as any.
    pub(crate) fn of(extensions: &http::Extensions) -> Self {
        extensions.get::<Self>().copied().unwrap_or(Self::Loopback)
    }
}
