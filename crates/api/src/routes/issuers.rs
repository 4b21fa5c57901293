//! Outside issuers.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use caracal_wire::{IssuerBody, IssuerView, Page, SubjectBody, SubjectView};
use http::StatusCode;

use super::answer;
use crate::Api;
use crate::convert::{Fields, issuer_spec, issuer_view, top_fields};
use crate::extract::{Filter, PageFilter, Reading, Writing, WritingBody};
use crate::refusal::Refusal;

const KIND: &str = "issuer";

/// Lists the outside issuers of a zone, by name.
#[utoipa::path(get, path = "/v1/zones/{zone}/issuers", tag = "issuers",
    operation_id = "listIssuers", params(PageFilter), security(("operator" = ["viewer"])),
    responses((status = 200, body = Page<IssuerView>)))]
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
        .list_issuers(zone, &admin, after.as_ref(), limit)?;
    Ok(answer::page(KIND, listing, issuer_view, |view| &view.issuer.name).into_response())
}

/// Registers an outside issuer, whose tokens then prove what it says.
#[utoipa::path(post, path = "/v1/zones/{zone}/issuers", tag = "issuers",
    operation_id = "createIssuer", request_body = IssuerBody,
    security(("operator" = ["admin"])), responses((status = 201, body = IssuerView)))]
pub(super) async fn create(
    State(api): State<Api>,
    Path(zone): Path<String>,
    WritingBody(admin, body): WritingBody<IssuerBody>,
) -> Result<Response, Refusal> {
    let zone = api.zone(&admin, &zone)?;
    let mut fields = Fields::default();
    let spec = issuer_spec(&body, "", &mut fields);
    let created = api
        .engine()
        .create_issuer(zone, &admin, fields.finish(spec)?)
        .await;
    let created = created.map_err(|error| top_fields(error, "issuers", &body.name))?;
    let view = issuer_view(created);
    let place = format!("/v1/zones/{zone}/issuers/{}", view.id);
    Ok(answer::created(&admin, view.version, &place, view))
}

/// Gives one outside issuer by id or name.
#[utoipa::path(get, path = "/v1/zones/{zone}/issuers/{issuer}", tag = "issuers",
    operation_id = "getIssuer", security(("operator" = ["viewer"])),
    responses((status = 200, body = IssuerView)))]
pub(super) async fn get(
    State(api): State<Api>,
    Path((zone, issuer)): Path<(String, String)>,
    Reading(admin): Reading,
) -> Result<Response, Refusal> {
    let zone = api.zone(&admin, &zone)?;
    let held = api.engine().get_issuer(zone, &admin, &issuer)?;
    Ok(answer::object(held.version.0, issuer_view(held)))
}

/// Changes an outside issuer; its name is immutable.
#[utoipa::path(put, path = "/v1/zones/{zone}/issuers/{issuer}", tag = "issuers",
    operation_id = "updateIssuer", request_body = IssuerBody,
    security(("operator" = ["admin"])), responses((status = 200, body = IssuerView)))]
pub(super) async fn update(
    State(api): State<Api>,
    Path((zone, issuer)): Path<(String, String)>,
    WritingBody(admin, body): WritingBody<IssuerBody>,
) -> Result<Response, Refusal> {
    let zone = api.zone(&admin, &zone)?;
    let mut fields = Fields::default();
    let spec = issuer_spec(&body, "", &mut fields);
    let spec = fields.finish(spec)?;
    let updated = api
        .engine()
        .update_issuer(zone, &admin, &issuer, spec)
        .await;
    let updated = updated.map_err(|error| top_fields(error, "issuers", &body.name))?;
    Ok(answer::object(updated.version.0, issuer_view(updated)))
}

/// Removes an outside issuer. No application may name it.
#[utoipa::path(delete, path = "/v1/zones/{zone}/issuers/{issuer}", tag = "issuers",
    operation_id = "deleteIssuer", security(("operator" = ["admin"])),
    responses((status = 204)))]
pub(super) async fn delete(
    State(api): State<Api>,
    Path((zone, issuer)): Path<(String, String)>,
    Writing(admin): Writing,
) -> Result<StatusCode, Refusal> {
    let zone = api.zone(&admin, &zone)?;
    api.engine().delete_issuer(zone, &admin, &issuer).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Gives the Subject that a person is who is called so by an issuer: what to look for in events,
/// and what to revoke. Nothing is stored.
#[utoipa::path(post, path = "/v1/zones/{zone}/issuers/{issuer}/subject", tag = "issuers",
    operation_id = "findSubject", request_body = SubjectBody,
    security(("operator" = ["admin"])), responses((status = 200, body = SubjectView)))]
pub(super) async fn subject(
    State(api): State<Api>,
    Path((zone, issuer)): Path<(String, String)>,
    WritingBody(admin, body): WritingBody<SubjectBody>,
) -> Result<Json<SubjectView>, Refusal> {
    let zone = api.zone(&admin, &zone)?;
    let found = api
        .engine()
        .find_subject(zone, &admin, &issuer, &body.sub)?;
    Ok(Json(SubjectView {
        id: found.to_string(),
    }))
}
