//! How long and how much of a connection is borne.

use std::time::Duration;

/// How long and how much of each connection is borne.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// For TLS's handshake, from its end to the first byte, and from the first byte of a request's
    /// head to its last. Over HTTP/2 a head that does not end counts as silence.
    pub head_timeout: Duration,
    /// Without any request.
    pub idle_timeout: Duration,
    /// How long a client may leave what it is given of an answer unread, and how long it may take
    /// for each KiB of a body that it owes.
    pub slow_timeout: Duration,
    /// How long running requests may go on once the door is closing.
    pub drain: Duration,
    /// How many requests may be under way on one connection of HTTP/2.
    pub max_streams: u32,
}

impl Limits {
    /// The largest head of a request, and of the list of its headers, in bytes.
    pub const HEAD_BYTES: usize = 64 * 1024;
    /// How many headers a request may have.
    pub const HEADERS: usize = 100;
    /// What a client has to send of a body it owes within the time for slow clients, in bytes.
    pub const OWED_BYTES: u64 = 1024;
}

impl Default for Limits {
    /// 10 s for a head, 75 s of silence, 30 s for slow clients, 10 s to drain, 128 streams.
    fn default() -> Self {
        Self {
            head_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            slow_timeout: Duration::from_secs(30),
            drain: Duration::from_secs(10),
            max_streams: 128,
        }
    }
}
