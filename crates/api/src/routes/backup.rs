//! Backups of the whole instance.

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use caracal_engine::AdminError;
use futures_util::stream;
use http::StatusCode;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};

use crate::Api;
use crate::extract::Reading;
use crate::refusal::Refusal;

/// Takes a backup of every zone and gives it as a tar archive: a manifest, the state, and the
/// ledger, at one moment. It never holds the master key. An answer that ends early is none.
#[utoipa::path(get, path = "/v1/backup", tag = "instance", operation_id = "takeBackup",
    security(("operator" = ["owner"])),
    responses((status = 200, body = Vec<u8>, content_type = "application/x-tar")))]
pub(super) async fn take(
    State(api): State<Api>,
    Reading(admin): Reading,
) -> Result<Response, Refusal> {
    api.engine().may_back_up(&admin)?;
    let source = api.config().backup.clone().ok_or_else(|| {
        let detail = "this server cannot take backups";
        Refusal::new(StatusCode::NOT_IMPLEMENTED, "backup_unsupported", detail)
    })?;
    let (id, chunks) =
        source().map_err(|why| Refusal::from(AdminError::Unavailable { why, done: false }))?;
    // The copying has begun; nothing of it is sent before this is durable.
    api.engine().record_backup(&admin, id).await?;
    let name = format!("attachment; filename=\"{id}.tar\"");
    let body = Body::from_stream(stream::unfold(chunks, |mut chunks| async move {
        let chunk = chunks.recv().await?;
        Some((chunk, chunks))
    }));
    let headers = [
        (CONTENT_TYPE, "application/x-tar".to_owned()),
        (CONTENT_DISPOSITION, name),
    ];
    Ok((headers, body).into_response())
}
