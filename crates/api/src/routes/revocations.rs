//! Revocations.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use caracal_core::Revocation;
use caracal_engine::{AdminError, Versioned};
use caracal_wire::{Page, RevocationBody, RevocationReceipt, RevocationView};

use super::answer;
use crate::convert::{Fields, receipt_view, revocation_view};
use crate::extract::{Filter, PageFilter, Reading, Writing, WritingBody};
use crate::refusal::Refusal;
use crate::{Api, cursor};

const KIND: &str = "revocation";

/// Lists the revocations of a zone, newest first.
#[utoipa::path(get, path = "/v1/zones/{zone}/revocations", tag = "revocations",
    operation_id = "listRevocations", params(PageFilter), security(("operator" = ["viewer"])),
    responses((status = 200, body = Page<RevocationView>)))]
pub(super) async fn list(
    State(api): State<Api>,
    Path(zone): Path<String>,
    Reading(admin): Reading,
    Filter(filter): Filter<PageFilter>,
) -> Result<Response, Refusal> {
    let zone = api.zone(&admin, &zone)?;
    let (limit, after) = (
        filter.limit()?,
        cursor::read(KIND, filter.cursor.as_deref())?,
    );
    let all = api.engine().list_revocations(zone, &admin)?;
    let key = |held: &Versioned<Revocation>| held.value.id.to_string();
    let is_after = |held: &Versioned<Revocation>, after: &str| key(held).as_str() < after;
    let page = answer::page_of_all(KIND, all, is_after, key, (limit, after), revocation_view);
    Ok(page.into_response())
}

/// Revokes: everything below the anchor ends. Answers with the receipt once it holds.
/// Revoking again confirms what holds already.
#[utoipa::path(post, path = "/v1/zones/{zone}/revocations", tag = "revocations",
    operation_id = "revoke", request_body = RevocationBody,
    security(("operator" = ["admin"])), responses((status = 200, body = RevocationReceipt)))]
pub(super) async fn revoke(
    State(api): State<Api>,
    Path(zone): Path<String>,
    WritingBody(admin, body): WritingBody<RevocationBody>,
) -> Result<Json<RevocationReceipt>, Refusal> {
    let zone = api.zone(&admin, &zone)?;
    let mut fields = Fields::default();
    let anchor = fields.parse("anchor", &body.anchor);
    let anchor = fields.finish(anchor)?;
    let receipt = api
        .engine()
        .revoke(zone, &admin, anchor, body.reason)
        .await?;
    Ok(Json(receipt_view(receipt, admin.dry_run)))
}

/// Lifts a revocation: new authority may be issued again, what was issued before stays dead.
#[utoipa::path(post, path = "/v1/zones/{zone}/revocations/{revocation}/lift",
    tag = "revocations", operation_id = "liftRevocation",
    security(("operator" = ["admin"])), responses((status = 200, body = RevocationView)))]
pub(super) async fn lift(
    State(api): State<Api>,
    Path((zone, revocation)): Path<(String, String)>,
    Writing(admin): Writing,
) -> Result<Response, Refusal> {
    let zone = api.zone(&admin, &zone)?;
    let id = revocation.parse();
    let id = id.map_err(|_| AdminError::not_found("revocation", &revocation))?;
    let lifted = api.engine().lift(zone, &admin, id).await?;
    Ok(answer::object(lifted.version.0, revocation_view(lifted)))
}
