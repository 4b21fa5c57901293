//! Delegations, as operators see and end them.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use caracal_core::{Anchor, DelegationId};
use caracal_engine::AdminError;
use caracal_wire::{DelegationView, Page, RevocationReceipt};

use super::answer;
use crate::Api;
use crate::convert::receipt_view;
use crate::extract::{Filter, PageFilter, Reading, Writing};
use crate::refusal::Refusal;

const KIND: &str = "delegation";

/// Lists the delegations of a zone, oldest first.
#[utoipa::path(get, path = "/v1/zones/{zone}/delegations", tag = "delegations",
    operation_id = "listDelegations", params(PageFilter), security(("operator" = ["viewer"])),
    responses((status = 200, body = Page<DelegationView>)))]
pub(super) async fn list(
    State(api): State<Api>,
    Path(zone): Path<String>,
    Reading(admin): Reading,
    Filter(filter): Filter<PageFilter>,
) -> Result<Response, Refusal> {
    let zone = api.zone(&admin, &zone)?;
    let after = answer::after_id(KIND, filter.cursor.as_deref())?;
    let listing = api
        .engine()
        .list_delegations(zone, &admin, after, filter.limit()?)?;
    let view = |held: caracal_engine::Versioned<_>| DelegationView::of(&held.value);
    Ok(answer::page_by_id(KIND, listing, view, |view| &view.id).into_response())
}

/// A delegation.
#[utoipa::path(get, path = "/v1/zones/{zone}/delegations/{delegation}", tag = "delegations",
    operation_id = "getDelegation", security(("operator" = ["viewer"])),
    responses((status = 200, body = DelegationView)))]
pub(super) async fn get(
    State(api): State<Api>,
    Path((zone, delegation)): Path<(String, String)>,
    Reading(admin): Reading,
) -> Result<Response, Refusal> {
    let zone = api.zone(&admin, &zone)?;
    let held = api
        .engine()
        .find_delegation(zone, &admin, id(&delegation)?)?;
    Ok(answer::object(
        held.version.0,
        DelegationView::of(&held.value),
    ))
}

/// Ends a delegation and everything that was taken from it; answers with the receipt.
#[utoipa::path(delete, path = "/v1/zones/{zone}/delegations/{delegation}", tag = "delegations",
    operation_id = "endDelegation", security(("operator" = ["admin"])),
    responses((status = 200, body = RevocationReceipt)))]
pub(super) async fn end(
    State(api): State<Api>,
    Path((zone, delegation)): Path<(String, String)>,
    Writing(admin): Writing,
) -> Result<Json<RevocationReceipt>, Refusal> {
    let zone = api.zone(&admin, &zone)?;
    let anchor = Anchor::Delegation(id(&delegation)?);
    let receipt = api.engine().revoke(zone, &admin, anchor, None).await?;
    Ok(Json(receipt_view(receipt, admin.dry_run)))
}

fn id(text: &str) -> Result<DelegationId, Refusal> {
    text.parse()
        .map_err(|_| AdminError::not_found("delegation", text).into())
}
