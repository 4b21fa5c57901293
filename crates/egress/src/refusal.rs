//! Why an address is not connected to.

/// Why an address is not connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// The address lies in a range that no setting opens; the text names the range.
    #[error("{0} are never connected to")]
    Never(&'static str),
    /// The address is loopback or private and at least one of instance and destination
    /// does not allow that.
    #[error(
        "loopback and private addresses need `allow_private: true` on the resource, and an instance that allows them"
    )]
    Private,
    /// The address and port are one of this instance's own listeners, or its database.
    #[error("this is an address of the instance itself")]
    OwnListener,
    /// Port 0 is not a port.
    #[error("port 0 cannot be connected to")]
    PortZero,
}
