//! Providers.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use caracal_wire::{Page, ProviderBody, ProviderView};
use http::StatusCode;

use super::answer;
use crate::Api;
use crate::convert::{Fields, provider_spec, provider_view, top_fields};
use crate::extract::{Filter, PageFilter, Reading, Writing, WritingBody};
use crate::refusal::Refusal;

const KIND: &str = "provider";

/// Lists the providers of a zone, by name.
#[utoipa::path(get, path = "/v1/zones/{zone}/providers", tag = "providers",
    operation_id = "listProviders", params(PageFilter), security(("operator" = ["viewer"])),
    responses((status = 200, body = Page<ProviderView>)))]
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
        .list_providers(zone, &admin, after.as_ref(), limit)?;
    Ok(answer::page(KIND, listing, provider_view, |view| &view.name).into_response())
}

/// Connects a provider. Its secret goes in here and never comes out.
#[utoipa::path(post, path = "/v1/zones/{zone}/providers", tag = "providers",
    operation_id = "createProvider", request_body = ProviderBody,
    security(("operator" = ["admin"])), responses((status = 201, body = ProviderView)))]
pub(super) async fn create(
    State(api): State<Api>,
    Path(zone): Path<String>,
    WritingBody(admin, body): WritingBody<ProviderBody>,
) -> Result<Response, Refusal> {
    let zone = api.zone(&admin, &zone)?;
    let mut fields = Fields::default();
    let spec = provider_spec(&body, "", &mut fields);
    let created = api
        .engine()
        .create_provider(zone, &admin, fields.finish(spec)?)
        .await;
    let created = created.map_err(|error| top_fields(error, "providers", &body.name))?;
    let view = provider_view(created);
    let place = format!("/v1/zones/{zone}/providers/{}", view.id);
    Ok(answer::created(&admin, view.version, &place, view))
}

/// Gives one provider by id or name.
#[utoipa::path(get, path = "/v1/zones/{zone}/providers/{provider}", tag = "providers",
    operation_id = "getProvider", security(("operator" = ["viewer"])),
    responses((status = 200, body = ProviderView)))]
pub(super) async fn get(
    State(api): State<Api>,
    Path((zone, provider)): Path<(String, String)>,
    Reading(admin): Reading,
) -> Result<Response, Refusal> {
    let zone = api.zone(&admin, &zone)?;
    let held = api.engine().get_provider(zone, &admin, &provider)?;
    Ok(answer::object(held.version.0, provider_view(held)))
}

/// Changes a provider; its name is immutable. Without a secret the stored one stays, unless
/// `allowed_hosts` changes: the secret is sealed for exactly those.
#[utoipa::path(put, path = "/v1/zones/{zone}/providers/{provider}", tag = "providers",
    operation_id = "updateProvider", request_body = ProviderBody,
    security(("operator" = ["admin"])), responses((status = 200, body = ProviderView)))]
pub(super) async fn update(
    State(api): State<Api>,
    Path((zone, provider)): Path<(String, String)>,
    WritingBody(admin, body): WritingBody<ProviderBody>,
) -> Result<Response, Refusal> {
    let zone = api.zone(&admin, &zone)?;
    let mut fields = Fields::default();
    let spec = provider_spec(&body, "", &mut fields);
    let spec = fields.finish(spec)?;
    let updated = api
        .engine()
        .update_provider(zone, &admin, &provider, spec)
        .await;
    let updated = updated.map_err(|error| top_fields(error, "providers", &body.name))?;
    Ok(answer::object(updated.version.0, provider_view(updated)))
}

/// Removes a provider. No resource may name it.
#[utoipa::path(delete, path = "/v1/zones/{zone}/providers/{provider}", tag = "providers",
    operation_id = "deleteProvider", security(("operator" = ["admin"])),
    responses((status = 204)))]
pub(super) async fn delete(
    State(api): State<Api>,
    Path((zone, provider)): Path<(String, String)>,
    Writing(admin): Writing,
) -> Result<StatusCode, Refusal> {
    let zone = api.zone(&admin, &zone)?;
    api.engine()
        .delete_provider(zone, &admin, &provider)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
