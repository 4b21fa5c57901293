//! Applications.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use caracal_wire::{ApplicationBody, ApplicationView, CreatedApplication, Page};
use http::StatusCode;

use super::answer;
use crate::Api;
use crate::convert::{Fields, application_spec, application_view, created_application, top_fields};
use crate::extract::{Filter, PageFilter, Reading, Writing, WritingBody};
use crate::refusal::Refusal;

const KIND: &str = "application";

/// Lists the applications of a zone, by name.
#[utoipa::path(get, path = "/v1/zones/{zone}/applications", tag = "applications",
    operation_id = "listApplications", params(PageFilter), security(("operator" = ["viewer"])),
    responses((status = 200, body = Page<ApplicationView>)))]
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
        .list_applications(zone, &admin, after.as_ref(), limit)?;
    Ok(answer::page(KIND, listing, application_view, |view| &view.name).into_response())
}

/// Registers an application. The answer holds the only copy of its client secret.
#[utoipa::path(post, path = "/v1/zones/{zone}/applications", tag = "applications",
    operation_id = "createApplication", request_body = ApplicationBody,
    security(("operator" = ["admin"])), responses((status = 201, body = CreatedApplication)))]
pub(super) async fn create(
    State(api): State<Api>,
    Path(zone): Path<String>,
    WritingBody(admin, body): WritingBody<ApplicationBody>,
) -> Result<Response, Refusal> {
    let zone = api.zone(&admin, &zone)?;
    let mut fields = Fields::default();
    let spec = application_spec(&body, "", &mut fields);
    let created = api
        .engine()
        .create_application(zone, &admin, fields.finish(spec)?)
        .await;
    let created = created.map_err(|error| top_fields(error, "applications", &body.name))?;
    let version = created.application.version.0;
    let view = created_application(created);
    let place = format!("/v1/zones/{zone}/applications/{}", view.application.id);
    Ok(answer::created(&admin, version, &place, view))
}

/// Gives one application by id or name.
#[utoipa::path(get, path = "/v1/zones/{zone}/applications/{application}", tag = "applications",
    operation_id = "getApplication", security(("operator" = ["viewer"])),
    responses((status = 200, body = ApplicationView)))]
pub(super) async fn get(
    State(api): State<Api>,
    Path((zone, application)): Path<(String, String)>,
    Reading(admin): Reading,
) -> Result<Response, Refusal> {
    let zone = api.zone(&admin, &zone)?;
    let held = api.engine().get_application(zone, &admin, &application)?;
    Ok(answer::object(held.version.0, application_view(held)))
}

/// Changes an application; its name is immutable.
#[utoipa::path(put, path = "/v1/zones/{zone}/applications/{application}", tag = "applications",
    operation_id = "updateApplication", request_body = ApplicationBody,
    security(("operator" = ["admin"])), responses((status = 200, body = ApplicationView)))]
pub(super) async fn update(
    State(api): State<Api>,
    Path((zone, application)): Path<(String, String)>,
    WritingBody(admin, body): WritingBody<ApplicationBody>,
) -> Result<Response, Refusal> {
    let zone = api.zone(&admin, &zone)?;
    let mut fields = Fields::default();
    let spec = application_spec(&body, "", &mut fields);
    let spec = fields.finish(spec)?;
    let updated = api
        .engine()
        .update_application(zone, &admin, &application, spec)
        .await;
    let updated = updated.map_err(|error| top_fields(error, "applications", &body.name))?;
    Ok(answer::object(updated.version.0, application_view(updated)))
}

/// Removes an application; its mandates die with it. No active policy may name it.
#[utoipa::path(delete, path = "/v1/zones/{zone}/applications/{application}", tag = "applications",
    operation_id = "deleteApplication", security(("operator" = ["admin"])),
    responses((status = 204)))]
pub(super) async fn delete(
    State(api): State<Api>,
    Path((zone, application)): Path<(String, String)>,
    Writing(admin): Writing,
) -> Result<StatusCode, Refusal> {
    let zone = api.zone(&admin, &zone)?;
    api.engine()
        .delete_application(zone, &admin, &application)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
