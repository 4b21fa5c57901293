//! What the Gateway needs to know.

use std::time::Duration;

/// How the Gateway serves. The limits hold for all its listeners together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayConfig {
    /// The public URL, without a slash at the end. What stands in `Host` is never used for one.
    pub public_url: String,
    /// How many connections may be open; further ones are closed at once.
    pub max_connections: usize,
    /// How long a client may take for the head of a request, and stay idle between two.
    pub head_timeout: Duration,
    /// How long running requests may go on after the shutdown began.
    pub drain: Duration,
}

impl GatewayConfig {
    /// The defaults: 10,000 connections, 10 s for a head, 10 s to drain.
    pub fn new(public_url: impl Into<String>) -> Self {
        Self {
            public_url: public_url.into(),
            max_connections: 10_000,
            head_timeout: Duration::from_secs(10),
            drain: Duration::from_secs(10),
        }
    }
}
