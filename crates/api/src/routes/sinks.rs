//! Sinks: places that are told of approvals.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use caracal_wire::{DeliveryView, Page, SinkBody, SinkView};
use http::StatusCode;

use super::answer;
use crate::convert::{Fields, delivery_view, sink_spec, sink_view, top_fields};
use crate::extract::{Filter, PageFilter, Reading, Writing, WritingBody};
use crate::refusal::Refusal;
use crate::{Api, cursor};

const KIND: &str = "sink";
const DELIVERY: &str = "delivery";

/// Lists the sinks of a zone, by name.
#[utoipa::path(get, path = "/v1/zones/{zone}/sinks", tag = "sinks",
    operation_id = "listSinks", params(PageFilter), security(("operator" = ["viewer"])),
    responses((status = 200, body = Page<SinkView>)))]
pub(super) async fn list(
    State(api): State<Api>,
    Path(zone): Path<String>,
    Reading(admin): Reading,
    Filter(filter): Filter<PageFilter>,
) -> Result<Response, Refusal> {
    let zone = api.zone(&admin, &zone)?;
    let after = answer::after_name(KIND, filter.cursor.as_deref())?;
    let limit = filter.limit()?;
    let listing = api
        .engine()
        .list_sinks(zone, &admin, after.as_ref(), limit)?;
    Ok(answer::page(KIND, listing, sink_view, |view| &view.name).into_response())
}

/// Makes a sink. Its secret goes in here and never comes out.
#[utoipa::path(post, path = "/v1/zones/{zone}/sinks", tag = "sinks",
    operation_id = "createSink", request_body = SinkBody,
    security(("operator" = ["admin"])), responses((status = 201, body = SinkView)))]
pub(super) async fn create(
    State(api): State<Api>,
    Path(zone): Path<String>,
    WritingBody(admin, body): WritingBody<SinkBody>,
) -> Result<Response, Refusal> {
    let zone = api.zone(&admin, &zone)?;
    let mut fields = Fields::default();
    let spec = sink_spec(&body, "", &mut fields);
    let created = api
        .engine()
        .create_sink(zone, &admin, fields.finish(spec)?)
        .await;
    let created = created.map_err(|error| top_fields(error, "sinks", &body.name))?;
    let view = sink_view(created);
    let place = format!("/v1/zones/{zone}/sinks/{}", view.id);
    Ok(answer::created(&admin, view.version, &place, view))
}

/// Gives one sink by id or name.
#[utoipa::path(get, path = "/v1/zones/{zone}/sinks/{sink}", tag = "sinks",
    operation_id = "getSink", security(("operator" = ["viewer"])),
    responses((status = 200, body = SinkView)))]
pub(super) async fn get(
    State(api): State<Api>,
    Path((zone, sink)): Path<(String, String)>,
    Reading(admin): Reading,
) -> Result<Response, Refusal> {
    let zone = api.zone(&admin, &zone)?;
    let held = api.engine().get_sink(zone, &admin, &sink)?;
    Ok(answer::object(held.version.0, sink_view(held)))
}

/// Changes a sink; its name is immutable. Without a secret the stored one stays, unless the
/// host of `url` changes: the secret is sealed for it.
#[utoipa::path(put, path = "/v1/zones/{zone}/sinks/{sink}", tag = "sinks",
    operation_id = "updateSink", request_body = SinkBody,
    security(("operator" = ["admin"])), responses((status = 200, body = SinkView)))]
pub(super) async fn update(
    State(api): State<Api>,
    Path((zone, sink)): Path<(String, String)>,
    WritingBody(admin, body): WritingBody<SinkBody>,
) -> Result<Response, Refusal> {
    let zone = api.zone(&admin, &zone)?;
    let mut fields = Fields::default();
    let spec = sink_spec(&body, "", &mut fields);
    let spec = fields.finish(spec)?;
    let updated = api.engine().update_sink(zone, &admin, &sink, spec).await;
    let updated = updated.map_err(|error| top_fields(error, "sinks", &body.name))?;
    Ok(answer::object(updated.version.0, sink_view(updated)))
}

/// Removes a sink; what it was still to be told is not sent any more.
#[utoipa::path(delete, path = "/v1/zones/{zone}/sinks/{sink}", tag = "sinks",
    operation_id = "deleteSink", security(("operator" = ["admin"])),
    responses((status = 204)))]
pub(super) async fn delete(
    State(api): State<Api>,
    Path((zone, sink)): Path<(String, String)>,
    Writing(admin): Writing,
) -> Result<StatusCode, Refusal> {
    let zone = api.zone(&admin, &zone)?;
    api.engine().delete_sink(zone, &admin, &sink).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Sends a message that is about nothing, once, and tells what came of it.
#[utoipa::path(post, path = "/v1/zones/{zone}/sinks/{sink}/test", tag = "sinks",
    operation_id = "testSink", security(("operator" = ["admin"])),
    responses((status = 200, body = DeliveryView)))]
pub(super) async fn test(
    State(api): State<Api>,
    Path((zone, sink)): Path<(String, String)>,
    Writing(admin): Writing,
) -> Result<Json<DeliveryView>, Refusal> {
    let zone = api.zone(&admin, &zone)?;
    let told = api.engine().test_sink(zone, &admin, &sink).await?;
    Ok(Json(delivery_view(told)))
}

/// Lists the latest messages to the sinks of a zone, the latest first: about a thousand are kept.
#[utoipa::path(get, path = "/v1/zones/{zone}/deliveries", tag = "sinks",
    operation_id = "listDeliveries", params(PageFilter), security(("operator" = ["viewer"])),
    responses((status = 200, body = Page<DeliveryView>)))]
pub(super) async fn deliveries(
    State(api): State<Api>,
    Path(zone): Path<String>,
    Reading(admin): Reading,
    Filter(filter): Filter<PageFilter>,
) -> Result<Json<Page<DeliveryView>>, Refusal> {
    let zone = api.zone(&admin, &zone)?;
    let after = cursor::read(DELIVERY, filter.cursor.as_deref())?;
    let after = after.map(|text| {
        let (at, id) = text.split_once(' ')?;
        Some((at.parse().ok()?, id.parse().ok()?))
    });
    let after = match after {
        Some(None) => {
            let why = "this cursor is not from this list";
            return Err(Refusal::unreadable("cursor", why));
        }
        after => after.flatten(),
    };
    let engine = api.engine();
    let page = engine.list_deliveries(zone, &admin, after, filter.limit()?)?;
    let last = page.items.last().filter(|_| page.has_more);
    let next_cursor =
        last.map(|held| cursor::write(DELIVERY, format!("{} {}", held.value.at, held.value.id)));
    let values = page.items.into_iter().map(|held| held.value);
    let items = values.map(delivery_view).collect();
    Ok(Json(Page { items, next_cursor }))
}
