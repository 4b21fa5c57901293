//! What the Gateway needs to know.

use caracal_limits::TurnstileLimits;

/// What the Gateway needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayConfig {
    /// The public URL, without a slash at the end. What stands in `Host` is never used for one.
    pub public_url: String,
    /// How many bad mandates one source may show per minute before it is told to slow down; 0:
    /// no limit. Good ones are not counted, and always work.
    pub bad_secrets_per_minute: u32,
    /// How many calls may be under way until their answer begins, and how they share that.
    pub places: TurnstileLimits,
    /// How many calls may be open until their answer ends. Nobody waits for one of these.
    pub open_calls: TurnstileLimits,
}

impl GatewayConfig {
    /// A Gateway that is known under this URL, with the default limits: 120 bad mandates per
    /// minute and source, 4,096 calls until their answer begins, 16,384 until it ends.
    pub fn new(public_url: impl Into<String>) -> Self {
        Self {
            public_url: public_url.into(),
            bad_secrets_per_minute: 120,
            places: TurnstileLimits::of(4096),
            open_calls: TurnstileLimits::of(16_384).without_queue(),
        }
    }
}
