//! Logs, for those who verify them.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use caracal_core::LogId;
use caracal_engine::AdminError;
use caracal_wire::{LogView, Page, PrunedView};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde::Deserialize;
use utoipa::IntoParams;

use super::answer;
use crate::convert::pruned_view;
use crate::extract::{Filter, PageFilter, Reading, check_limit};
use crate::ledger::{TilePath, TileRow, entries_bundle};
use crate::refusal::Refusal;
use crate::{Api, cursor};

const KIND: &str = "log";

/// Which leaves of a log.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct EntriesFilter {
    /// The index of the first leaf. Default 0.
    #[serde(default)]
    first: u64,
    /// How many, 1 to 1000. Default 100.
    #[serde(default)]
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// Lists the logs of a zone, oldest first; only the newest is written.
#[utoipa::path(get, path = "/v1/zones/{zone}/logs", tag = "logs", operation_id = "listLogs",
    params(PageFilter), security(("operator" = ["auditor"])),
    responses((status = 200, body = Page<LogView>)))]
pub(super) async fn list(
    State(api): State<Api>,
    Path(zone): Path<String>,
    Reading(admin): Reading,
    Filter(filter): Filter<PageFilter>,
) -> Result<Response, Refusal> {
    let zone = api.zone_of_log(&admin, &zone)?;
    let (limit, after) = (
        filter.limit()?,
        cursor::read(KIND, filter.cursor.as_deref())?,
    );
    let logs = api.engine().list_logs(zone, &admin)?;
    let view = |log: caracal_engine::LogInfo| LogView {
        id: log.id.to_string(),
        origin: log.origin,
        verifier: log.verifier,
        created_at: log.created_at,
    };
    let key = |log: &caracal_engine::LogInfo| log.id.to_string();
    let is_after = |log: &caracal_engine::LogInfo, after: &str| key(log).as_str() > after;
    Ok(answer::page_of_all(KIND, logs, is_after, key, (limit, after), view).into_response())
}

/// Gives the newest signed checkpoint of a log (C2SP tlog-checkpoint).
#[utoipa::path(get, path = "/v1/zones/{zone}/logs/{log}/checkpoint", tag = "logs",
    operation_id = "getCheckpoint", security(("operator" = ["auditor"])),
    responses((status = 200, body = String, content_type = "text/plain")))]
pub(super) async fn checkpoint(
    State(api): State<Api>,
    Path((zone, log)): Path<(String, String)>,
    Reading(admin): Reading,
) -> Result<Response, Refusal> {
    let zone = api.zone_of_log(&admin, &zone)?;
    let note = api
        .engine()
        .get_checkpoint(zone, &admin, log_id(&log)?)
        .await?;
    let note = note.ok_or_else(|| AdminError::not_found("checkpoint", &log))?;
    Ok(([(CONTENT_TYPE, "text/plain; charset=utf-8")], note).into_response())
}

/// Gives a tile (C2SP tlog-tiles): `<L>/<N>[.p/<W>]` for hashes, `entries/<N>[.p/<W>]` for
/// leaves, where `N` is written in groups such as `x001/234`.
#[utoipa::path(get, path = "/v1/zones/{zone}/logs/{log}/tile/{*tile}", tag = "logs",
    operation_id = "getTile",
    params(("zone" = String, Path), ("log" = String, Path), ("tile" = String, Path)), security(("operator" = ["auditor"])),
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream")))]
pub(super) async fn tile(
    State(api): State<Api>,
    Path((zone, log, tile)): Path<(String, String, String)>,
    Reading(admin): Reading,
) -> Result<Response, Refusal> {
    let zone = api.zone_of_log(&admin, &zone)?;
    let log = log_id(&log)?;
    let missing = || AdminError::not_found("tile", &tile);
    let wanted = TilePath::parse(&tile);
    let bytes = match wanted {
        Some(TilePath {
            row: TileRow::Level(level),
            n,
            width,
        }) => {
            api.engine()
                .get_tile(zone, &admin, log, level, n, width)
                .await?
        }
        Some(TilePath {
            row: TileRow::Entries,
            n,
            width,
        }) => {
            let first = n.checked_mul(256).ok_or_else(missing)?;
            let count = usize::from(width);
            let leaves = api
                .engine()
                .read_log(zone, &admin, log, first, count)
                .await?;
            // Where old leaves are not kept, what is found begins later.
            let begins = leaves.first().is_some_and(|(index, _)| *index == first);
            if leaves.len() != count || !begins {
                return Err(missing().into());
            }
            entries_bundle(&leaves).ok_or_else(|| {
                let detail = "a leaf of this tile is too long for the format; read it as an entry";
                Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "leaf_too_long", detail)
            })?
        }
        None => {
            // Who may not read the log need not learn how tiles are spelled.
            api.engine().get_checkpoint(zone, &admin, log).await?;
            return Err(missing().into());
        }
    };
    Ok(([(CONTENT_TYPE, "application/octet-stream")], bytes).into_response())
}

/// Gives what stands for the leaves of a log that are not kept any more.
#[utoipa::path(get, path = "/v1/zones/{zone}/logs/{log}/pruned", tag = "logs",
    operation_id = "getPruned", security(("operator" = ["auditor"])),
    responses((status = 200, body = PrunedView)))]
pub(super) async fn pruned(
    State(api): State<Api>,
    Path((zone, log)): Path<(String, String)>,
    Reading(admin): Reading,
) -> Result<Json<PrunedView>, Refusal> {
    let zone = api.zone_of_log(&admin, &zone)?;
    let tree = api.engine().get_pruned(zone, &admin, log_id(&log)?).await?;
    Ok(Json(pruned_view(&tree)))
}

/// Gives leaves of a log in order, one line for each, exactly as they are hashed. Where the
/// first are not kept any more, it begins with the first that is.
#[utoipa::path(get, path = "/v1/zones/{zone}/logs/{log}/entries", tag = "logs",
    operation_id = "listEntries", params(EntriesFilter), security(("operator" = ["auditor"])),
    responses((status = 200, body = String, content_type = "application/x-ndjson")))]
pub(super) async fn entries(
    State(api): State<Api>,
    Path((zone, log)): Path<(String, String)>,
    Reading(admin): Reading,
    Filter(filter): Filter<EntriesFilter>,
) -> Result<Response, Refusal> {
    let zone = api.zone_of_log(&admin, &zone)?;
    let limit = check_limit(filter.limit)?;
    let log = log_id(&log)?;
    let leaves = api
        .engine()
        .read_log(zone, &admin, log, filter.first, limit)
        .await?;
    Ok(answer::lines(leaves.into_iter().map(|(_, leaf)| leaf)))
}

fn log_id(text: &str) -> Result<LogId, AdminError> {
    text.parse().map_err(|_| AdminError::not_found("log", text))
}
