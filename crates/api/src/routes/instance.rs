//! The instance: how it is, and what this door speaks.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use caracal_core::RoleScope;
use caracal_engine::EvidenceFigures;
use caracal_wire::{HealthView, IndexView, StatusView};
use http::StatusCode;
use http::header::CONTENT_TYPE;

use crate::Api;
use crate::extract::{Reading, Writing};
use crate::refusal::Refusal;

/// Tells how the process is. Every operator may ask.
#[utoipa::path(get, path = "/v1/status", tag = "instance", operation_id = "getStatus",
    security(("operator" = ["viewer"])), responses((status = 200, body = StatusView)))]
pub(super) async fn status(
    State(api): State<Api>,
    Reading(admin): Reading,
) -> Result<Json<StatusView>, Refusal> {
    let mut status = (api.config().status)();
    if admin.operator.scope() != RoleScope::AllZones {
        status.home = String::new();
    }
    status.index = Some(index_view(api.engine().index_progress()));
    Ok(Json(status))
}

/// Makes what people search anew from the ledger, in the background: searches answer 503
/// `index_behind` until it is done, and nothing else waits.
#[utoipa::path(post, path = "/v1/index/rebuild", tag = "instance",
    operation_id = "rebuildIndex", security(("operator" = ["admin"])),
    responses((status = 202, body = IndexView)))]
pub(super) async fn rebuild_index(
    State(api): State<Api>,
    Writing(admin): Writing,
) -> Result<Response, Refusal> {
    let progress = api.engine().rebuild_index(&admin).await?;
    let view = IndexView {
        done: 0,
        ..index_view(progress)
    };
    Ok((StatusCode::ACCEPTED, Json(view)).into_response())
}

fn index_view(progress: EvidenceFigures) -> IndexView {
    IndexView {
        done: progress.projected,
        newest: progress.tail,
    }
}

/// Gives this document.
#[utoipa::path(get, path = "/v1/openapi.json", tag = "instance", operation_id = "getDocument",
    security(()), responses((status = 200, body = Object)))]
pub(super) async fn document(State(api): State<Api>) -> Response {
    ([(CONTENT_TYPE, "application/json")], api.document()).into_response()
}

/// Answers while the process runs.
#[utoipa::path(get, path = "/health", tag = "instance", operation_id = "getHealth",
    security(()), responses((status = 200, body = HealthView)))]
pub(super) async fn health() -> Json<HealthView> {
    Json(HealthView {
        status: "ok".to_owned(),
    })
}

/// Answers 200 when state can be read and evidence written, else 503.
#[utoipa::path(get, path = "/ready", tag = "instance", operation_id = "getReadiness",
    security(()), responses((status = 200, body = HealthView)))]
pub(super) async fn ready(State(api): State<Api>) -> Result<Json<HealthView>, Refusal> {
    if api.engine().can_administer() {
        return Ok(health().await);
    }
    let detail = "state cannot be read or evidence cannot be written";
    Err(Refusal::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "not_ready",
        detail,
    ))
}
