//! The routes of the door.

use axum::Router;
use axum::routing::{get, post};
use caracal_engine::Engine;

use crate::{answer, introspect, metadata, metrics, revoke, token};

/// The largest form that is read: 64 KiB.
pub(crate) const MAX_FORM_BYTES: usize = 64 * 1024;

/// What the door needs to know.
#[derive(Debug, Clone)]
pub struct StsConfig {
    /// The public URL of this door, without a slash at the end.
    pub public_url: String,
}

#[derive(Clone)]
pub(crate) struct Sts {
    pub(crate) engine: Engine,
    pub(crate) config: StsConfig,
}

/// The router of the door.
pub fn router(engine: Engine, config: StsConfig) -> Router {
    Router::new()
        .route("/oauth/2/token", post(token::issue))
        .route("/oauth/token", post(token::issue))
        .route("/oauth/2/revoke", post(revoke::revoke))
        .route("/oauth/2/introspect", post(introspect::introspect))
        .route(
            "/.well-known/oauth-authorization-server/zones/{zone}",
            get(metadata::server),
        )
        .route("/zones/{zone}/jwks.json", get(metadata::jwks))
        .route("/.well-known/jwks.json", get(metadata::jwks_by_query))
        .route("/health", get(metadata::health))
        .route("/ready", get(metadata::ready))
        .route("/metrics", get(metrics::page))
        .fallback(answer::not_found)
        .method_not_allowed_fallback(answer::wrong_method)
        .with_state(Sts { engine, config })
}
