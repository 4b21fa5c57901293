//! The door itself.

use std::sync::Arc;

use caracal_egress::Egress;
use caracal_engine::Engine;
use caracal_limits::{FailureBudget, Turnstile};

use crate::GatewayConfig;
use crate::held::HeldBodies;

/// The Gateway. Cloning is cheap. Whoever accepts connections hands them to
/// [`Gateway::converse`].
#[derive(Clone)]
pub struct Gateway(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) engine: Engine,
    pub(crate) egress: Egress,
    pub(crate) config: GatewayConfig,
    pub(crate) bad_secrets: FailureBudget,
    pub(crate) places: Turnstile,
    pub(crate) open_calls: Turnstile,
    pub(crate) held_bodies: HeldBodies,
}

impl Gateway {
    /// A Gateway that serves no connection yet.
    pub fn new(engine: Engine, egress: Egress, config: GatewayConfig) -> Self {
        Self(Arc::new(Inner {
            bad_secrets: FailureBudget::new(config.bad_secrets_per_minute),
            places: Turnstile::new("gateway", config.places),
            open_calls: Turnstile::new("gateway", config.open_calls),
            held_bodies: HeldBodies::new(),
            engine,
            egress,
            config,
        }))
    }
}
