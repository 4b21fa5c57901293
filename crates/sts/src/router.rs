//! The routes of the door.

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use caracal_engine::Engine;
use caracal_limits::{FailureBudget, Turnstile, TurnstileLimits};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::finish::finish;
use crate::revocations::Seats;
use crate::{
    answer, approvals, decide, decisions, delegations, introspect, metadata, metrics, reports,
    revocations, revoke, sessions, token,
};

/// The largest form that is read: 64 KiB.
pub(crate) const MAX_FORM_BYTES: usize = 64 * 1024;

/// How many requests may wait for a person.
const MAX_WAITS: u32 = 1024;

/// What the door needs to know.
#[derive(Debug, Clone)]
pub struct StsConfig {
    /// The public URL of this door, without a slash at the end.
    pub public_url: String,
    /// How many bad secrets one source may show per minute before it is told to slow down; 0: no
    /// limit. Good ones are not counted, and always work.
    pub bad_secrets_per_minute: u32,
    /// How many requests of authenticated clients may be under way, and how they share that.
    pub places: TurnstileLimits,
    /// Ends the live feeds, so that a stop need not wait for their clients.
    pub shutdown: CancellationToken,
    /// The live feeds, so that a stop sees them end.
    pub tasks: TaskTracker,
}

impl StsConfig {
    /// The defaults: 120 bad secrets per minute and source, 512 places.
    pub fn new(public_url: impl Into<String>) -> Self {
        Self {
            public_url: public_url.into(),
            bad_secrets_per_minute: 120,
            places: TurnstileLimits::of(512),
            shutdown: CancellationToken::new(),
            tasks: TaskTracker::new(),
        }
    }
}

#[derive(Clone)]
pub(crate) struct Sts {
    pub(crate) engine: Engine,
    pub(crate) config: StsConfig,
    pub(crate) limits: Arc<Limits>,
}

/// What all requests share.
pub(crate) struct Limits {
    pub(crate) bad_secrets: FailureBudget,
    pub(crate) places: Turnstile,
    /// Who waits for a person takes nobody's place.
    pub(crate) waits: Turnstile,
    pub(crate) seats: Seats,
}

/// The router of the door.
pub fn router(engine: Engine, config: StsConfig) -> Router {
    let limits = Arc::new(Limits {
        bad_secrets: FailureBudget::new(config.bad_secrets_per_minute),
        places: Turnstile::new("sts", config.places),
        waits: Turnstile::new("sts", TurnstileLimits::of(MAX_WAITS).without_queue()),
        seats: Seats::default(),
    });
    let sts = Sts {
        engine,
        config,
        limits,
    };
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
        .route("/v1/sessions", post(sessions::open))
        .route(
            "/v1/sessions/{id}",
            get(sessions::get).delete(sessions::close),
        )
        .route("/v1/sessions/{id}/authority", get(sessions::authority))
        .route("/v1/sessions/{id}/heartbeat", post(sessions::beat))
        .route("/v1/sessions/{id}/suspend", post(sessions::suspend))
        .route("/v1/sessions/{id}/resume", post(sessions::resume))
        .route("/v1/delegations", post(delegations::create))
        .route(
            "/v1/delegations/{id}",
            get(delegations::get).delete(delegations::end),
        )
        .route("/v1/delegations/{id}/accept", post(delegations::accept))
        .route("/v1/approvals/{id}", get(approvals::get))
        .route("/v1/calls", post(reports::report))
        .route("/v1/decide", post(decide::decide))
        .route("/v1/approvals/{id}/approve", post(decisions::approve))
        .route("/v1/approvals/{id}/reject", post(decisions::reject))
        .route("/v1/revocations/stream", get(revocations::stream))
        .route("/health", get(metadata::health))
        .route("/ready", get(metadata::ready))
        .route("/metrics", get(metrics::page))
        .fallback(answer::not_found)
        .method_not_allowed_fallback(answer::wrong_method)
        .layer(from_fn_with_state(sts.clone(), finish))
        .with_state(sts)
}
