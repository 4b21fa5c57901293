//! What the Gateway needs to know.

/// What the Gateway needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayConfig {
    /// The public URL, without a slash at the end. What stands in `Host` is never used for one.
    pub public_url: String,
}

impl GatewayConfig {
    /// A Gateway that is known under this URL.
    pub fn new(public_url: impl Into<String>) -> Self {
        Self {
            public_url: public_url.into(),
        }
    }
}
