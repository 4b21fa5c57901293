//! The door as a whole.

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use caracal_core::ZoneId;
use caracal_engine::{Admin, AdminError, Engine};
use caracal_limits::FailureBudget;
use tokio::sync::Semaphore;

use crate::authenticate::authenticate;
use crate::finish::finish;
use crate::refusal::Refusal;
use crate::{ApiConfig, openapi, routes};

/// How many live feeds may be open at a time.
const MAX_FEEDS: usize = 64;

/// The control door: an engine and what the door knows of the instance. Cloning is cheap.
#[derive(Clone)]
pub struct Api {
    engine: Engine,
    config: Arc<ApiConfig>,
    document: Arc<[u8]>,
    feeds: Arc<Semaphore>,
    bad_tokens: Arc<FailureBudget>,
}

/// The router of the control door. Serve it with [`crate::serve_stream`] and
/// [`crate::serve_unix`], which say where each request comes from.
pub fn router(engine: Engine, config: ApiConfig) -> Router {
    Api::new(engine, config).router()
}

impl Api {
    /// A door to this engine.
    pub fn new(engine: Engine, config: ApiConfig) -> Self {
        let document = openapi::document(&config.version);
        Self {
            engine,
            bad_tokens: Arc::new(FailureBudget::new(config.bad_secrets_per_minute)),
            config: Arc::new(config),
            document: serde_json::to_vec(&document).unwrap_or_default().into(),
            feeds: Arc::new(Semaphore::new(MAX_FEEDS)),
        }
    }

    /// The routes with their layers.
    pub fn router(&self) -> Router {
        let (closed, _) = routes::closed().split_for_parts();
        let (open, _) = routes::open().split_for_parts();
        closed
            .route_layer(from_fn_with_state(self.clone(), authenticate))
            .merge(open)
            .route("/", get(routes::root))
            .route("/metrics", get(routes::metrics))
            .fallback(routes::unknown)
            .layer(from_fn_with_state(self.clone(), finish))
            .with_state(self.clone())
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(crate) fn config(&self) -> &ApiConfig {
        &self.config
    }

    pub(crate) fn document(&self) -> Vec<u8> {
        self.document.to_vec()
    }

    pub(crate) fn bad_tokens(&self) -> &FailureBudget {
        &self.bad_tokens
    }

    pub(crate) fn feeds(&self) -> Arc<Semaphore> {
        Arc::clone(&self.feeds)
    }

    /// The zone that a path names by id or name. The instance's own partition is no zone.
    pub(crate) fn zone(&self, admin: &Admin, text: &str) -> Result<ZoneId, Refusal> {
        let zone = self.engine.resolve_zone(admin, text)?;
        if zone == ZoneId::INSTANCE {
            return Err(AdminError::not_found("zone", text).into());
        }
        Ok(zone)
    }

    /// The same for evidence: the instance's partition has a log that auditors may read.
    pub(crate) fn zone_of_log(&self, admin: &Admin, text: &str) -> Result<ZoneId, Refusal> {
        Ok(self.engine.resolve_zone(admin, text)?)
    }
}
