//! Client secrets of an application.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use caracal_engine::{DEFAULT_OVERLAP_SECONDS, EndOfOldSecret};
use caracal_wire::{ClientSecretView, Page, RotateSecretBody, RotatedSecret};
use http::StatusCode;

use crate::Api;
use crate::convert::{rotated_secret, secret_view};
use crate::extract::{Reading, Writing, WritingOptional};
use crate::refusal::Refusal;

/// Lists the client secrets that are accepted, newest first, without the secrets.
#[utoipa::path(get, path = "/v1/zones/{zone}/applications/{application}/secrets",
    tag = "applications", operation_id = "listSecrets", security(("operator" = ["viewer"])),
    responses((status = 200, body = Page<ClientSecretView>)))]
pub(super) async fn list(
    State(api): State<Api>,
    Path((zone, application)): Path<(String, String)>,
    Reading(admin): Reading,
) -> Result<Json<Page<ClientSecretView>>, Refusal> {
    let zone = api.zone(&admin, &zone)?;
    let all = api.engine().list_secrets(zone, &admin, &application)?;
    Ok(Json(Page {
        items: all.into_iter().map(secret_view).collect(),
        next_cursor: None,
    }))
}

/// Makes a new client secret; the answer holds its only copy. The old one is accepted for the
/// overlap, or ends at once. At most two are accepted at a time.
#[utoipa::path(post, path = "/v1/zones/{zone}/applications/{application}/secrets",
    tag = "applications", operation_id = "rotateSecret", request_body = RotateSecretBody,
    security(("operator" = ["admin"])), responses((status = 201, body = RotatedSecret)))]
pub(super) async fn rotate(
    State(api): State<Api>,
    Path((zone, application)): Path<(String, String)>,
    WritingOptional(admin, body): WritingOptional<RotateSecretBody>,
) -> Result<Response, Refusal> {
    let zone = api.zone(&admin, &zone)?;
    let end = match (body.revoke_old, body.overlap_seconds) {
        (true, Some(_)) => {
            let why = "an old secret that ends at once has no overlap";
            return Err(Refusal::invalid("overlap_seconds", why)
                .hint("leave out `overlap_seconds` or `revoke_old`"));
        }
        (true, None) => EndOfOldSecret::Now,
        (false, seconds) => EndOfOldSecret::After(seconds.unwrap_or(DEFAULT_OVERLAP_SECONDS)),
    };
    let rotated = api
        .engine()
        .rotate_secret(zone, &admin, &application, end)
        .await?;
    let status = if admin.dry_run {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    Ok((status, Json(rotated_secret(rotated))).into_response())
}

/// Ends one client secret at once. The only one can be replaced, not ended.
#[utoipa::path(delete, path = "/v1/zones/{zone}/applications/{application}/secrets/{secret}",
    tag = "applications", operation_id = "endSecret", security(("operator" = ["admin"])),
    responses((status = 204)))]
pub(super) async fn end(
    State(api): State<Api>,
    Path((zone, application, secret)): Path<(String, String, String)>,
    Writing(admin): Writing,
) -> Result<StatusCode, Refusal> {
    let zone = api.zone(&admin, &zone)?;
    api.engine()
        .end_secret(zone, &admin, &application, &secret)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
