//! The door itself.

use std::sync::Arc;

use caracal_egress::Egress;
use caracal_engine::Engine;

use crate::GatewayConfig;

/// The Gateway. Cloning is cheap. Whoever accepts connections hands them to
/// [`Gateway::converse`].
#[derive(Clone)]
pub struct Gateway(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) engine: Engine,
    pub(crate) egress: Egress,
    pub(crate) config: GatewayConfig,
}

impl Gateway {
    /// A Gateway that serves no connection yet.
    pub fn new(engine: Engine, egress: Egress, config: GatewayConfig) -> Self {
        Self(Arc::new(Inner {
            engine,
            egress,
            config,
        }))
    }
}
