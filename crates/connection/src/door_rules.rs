//! What holds for every connection of a door.

use crate::{Limits, Stopping, TrustedProxies};

/// What holds for every connection of a door.
#[derive(Debug, Clone)]
pub struct DoorRules {
    /// The name of the door, for metrics.
    pub door: &'static str,
    /// What of a connection is borne.
    pub limits: Limits,
    /// Who may say where a request comes from.
    pub proxies: TrustedProxies,
    /// Tells that the door is closing.
    pub stopping: Stopping,
}
