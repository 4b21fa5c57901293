//! The switch that stops a whole zone.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::Response;
use caracal_core::{Anchor, Role};
use caracal_wire::{FreezeBody, RevocationReceipt, RevocationView};
use http::StatusCode;

use super::answer;
use crate::Api;
use crate::convert::{receipt_view, revocation_view};
use crate::extract::{Writing, WritingOptional};
use crate::refusal::Refusal;

/// Freezes a zone: revokes everything in it, and nothing new is issued until it is thawed.
#[utoipa::path(post, path = "/v1/zones/{zone}/freeze", tag = "revocations",
    operation_id = "freezeZone", request_body = Option<FreezeBody>,
    security(("operator" = ["admin"])), responses((status = 200, body = RevocationReceipt)))]
pub(super) async fn freeze(
    State(api): State<Api>,
    Path(zone): Path<String>,
    WritingOptional(admin, body): WritingOptional<FreezeBody>,
) -> Result<Json<RevocationReceipt>, Refusal> {
    let zone = api.zone(&admin, &zone)?;
    let anchor = Anchor::Zone(zone);
    let receipt = api
        .engine()
        .revoke(zone, &admin, anchor, body.reason)
        .await?;
    Ok(Json(receipt_view(receipt, admin.dry_run)))
}

/// Thaws a frozen zone: lifts the revocation of the zone. What was issued before stays dead.
#[utoipa::path(post, path = "/v1/zones/{zone}/thaw", tag = "revocations",
    operation_id = "thawZone", security(("operator" = ["admin"])),
    responses((status = 200, body = RevocationView)))]
pub(super) async fn thaw(
    State(api): State<Api>,
    Path(zone): Path<String>,
    Writing(admin): Writing,
) -> Result<Response, Refusal> {
    let zone = api.zone(&admin, &zone)?;
    // Who may not thaw need not learn whether there is anything to thaw.
    admin.operator.require(Role::Admin, zone)?;
    let held = api.engine().list_revocations(zone, &admin)?;
    let frozen = held
        .into_iter()
        .find(|held| held.value.anchor == Anchor::Zone(zone) && held.value.lifted_after.is_none());
    let Some(frozen) = frozen else {
        let detail = "the zone is not frozen";
        return Err(Refusal::new(
            StatusCode::CONFLICT,
            "zone_not_frozen",
            detail,
        ));
    };
    let lifted = api.engine().lift(zone, &admin, frozen.value.id).await?;
    Ok(answer::object(lifted.version.0, revocation_view(lifted)))
}
