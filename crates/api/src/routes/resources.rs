//! Resources.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use caracal_wire::{Page, ResourceBody, ResourceView};
use http::StatusCode;

use super::answer;
use crate::Api;
use crate::convert::{Fields, resource_spec, resource_view, top_fields};
use crate::extract::{Filter, PageFilter, Reading, Writing, WritingBody};
use crate::refusal::Refusal;

const KIND: &str = "resource";

/// Lists the resources of a zone, by name.
#[utoipa::path(get, path = "/v1/zones/{zone}/resources", tag = "resources",
    operation_id = "listResources", params(PageFilter), security(("operator" = ["viewer"])),
    responses((status = 200, body = Page<ResourceView>)))]
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
        .list_resources(zone, &admin, after.as_ref(), limit)?;
    Ok(answer::page(KIND, listing, resource_view, |view| &view.name).into_response())
}

/// Registers a resource.
#[utoipa::path(post, path = "/v1/zones/{zone}/resources", tag = "resources",
    operation_id = "createResource", request_body = ResourceBody,
    security(("operator" = ["admin"])), responses((status = 201, body = ResourceView)))]
pub(super) async fn create(
    State(api): State<Api>,
    Path(zone): Path<String>,
    WritingBody(admin, body): WritingBody<ResourceBody>,
) -> Result<Response, Refusal> {
    let zone = api.zone(&admin, &zone)?;
    let mut fields = Fields::default();
    let spec = resource_spec(&body, "", &mut fields);
    let created = api
        .engine()
        .create_resource(zone, &admin, fields.finish(spec)?)
        .await;
    let created = created.map_err(|error| top_fields(error, "resources", &body.name))?;
    let view = resource_view(created);
    let place = format!("/v1/zones/{zone}/resources/{}", view.id);
    Ok(answer::created(&admin, view.version, &place, view))
}

/// Gives one resource by id or name.
#[utoipa::path(get, path = "/v1/zones/{zone}/resources/{resource}", tag = "resources",
    operation_id = "getResource", security(("operator" = ["viewer"])),
    responses((status = 200, body = ResourceView)))]
pub(super) async fn get(
    State(api): State<Api>,
    Path((zone, resource)): Path<(String, String)>,
    Reading(admin): Reading,
) -> Result<Response, Refusal> {
    let zone = api.zone(&admin, &zone)?;
    let held = api.engine().get_resource(zone, &admin, &resource)?;
    Ok(answer::object(held.version.0, resource_view(held)))
}

/// Changes a resource; its name is immutable.
#[utoipa::path(put, path = "/v1/zones/{zone}/resources/{resource}", tag = "resources",
    operation_id = "updateResource", request_body = ResourceBody,
    security(("operator" = ["admin"])), responses((status = 200, body = ResourceView)))]
pub(super) async fn update(
    State(api): State<Api>,
    Path((zone, resource)): Path<(String, String)>,
    WritingBody(admin, body): WritingBody<ResourceBody>,
) -> Result<Response, Refusal> {
    let zone = api.zone(&admin, &zone)?;
    let mut fields = Fields::default();
    let spec = resource_spec(&body, "", &mut fields);
    let spec = fields.finish(spec)?;
    let updated = api
        .engine()
        .update_resource(zone, &admin, &resource, spec)
        .await;
    let updated = updated.map_err(|error| top_fields(error, "resources", &body.name))?;
    Ok(answer::object(updated.version.0, resource_view(updated)))
}

/// Removes a resource. No active policy may name it.
#[utoipa::path(delete, path = "/v1/zones/{zone}/resources/{resource}", tag = "resources",
    operation_id = "deleteResource", security(("operator" = ["admin"])),
    responses((status = 204)))]
pub(super) async fn delete(
    State(api): State<Api>,
    Path((zone, resource)): Path<(String, String)>,
    Writing(admin): Writing,
) -> Result<StatusCode, Refusal> {
    let zone = api.zone(&admin, &zone)?;
    api.engine()
        .delete_resource(zone, &admin, &resource)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
