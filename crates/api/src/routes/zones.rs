//! Zones.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use caracal_core::{Anchor, Zone};
use caracal_engine::{Admin, Versioned};
use caracal_wire::{Page, ZoneBody, ZoneView};

use super::answer;
use crate::convert::{Fields, zone_view};
use crate::extract::{Filter, PageFilter, Reading, WritingBody};
use crate::refusal::Refusal;
use crate::{Api, cursor};

const KIND: &str = "zone";

/// Lists the zones that the operator may see, by name.
#[utoipa::path(get, path = "/v1/zones", tag = "zones", operation_id = "listZones",
    params(PageFilter), security(("operator" = ["viewer"])),
    responses((status = 200, body = Page<ZoneView>)))]
pub(super) async fn list(
    State(api): State<Api>,
    Reading(admin): Reading,
    Filter(filter): Filter<PageFilter>,
) -> Result<Response, Refusal> {
    let (limit, after) = (
        filter.limit()?,
        cursor::read(KIND, filter.cursor.as_deref())?,
    );
    let zones = api.engine().list_zones(&admin)?;
    let is_after = |zone: &Versioned<Zone>, after: &str| zone.value.name.as_str() > after;
    let key = |zone: &Versioned<Zone>| zone.value.name.to_string();
    let view = |zone: Versioned<Zone>| zone_view(&zone, is_frozen(&api, &admin, &zone.value));
    Ok(answer::page_of_all(KIND, zones, is_after, key, (limit, after), view).into_response())
}

/// Creates a zone with its keys and its log. `Idempotency-Key` has no effect here: the name
/// is unique, so that a repeated request answers 409 `name_taken`.
#[utoipa::path(post, path = "/v1/zones", tag = "zones", operation_id = "createZone",
    request_body = ZoneBody, security(("operator" = ["owner"])),
    responses((status = 201, body = ZoneView)))]
pub(super) async fn create(
    State(api): State<Api>,
    WritingBody(admin, body): WritingBody<ZoneBody>,
) -> Result<Response, Refusal> {
    let mut fields = Fields::default();
    let name = fields.parse("name", &body.name);
    let zone = api
        .engine()
        .create_zone(&admin, fields.finish(name)?)
        .await?;
    let place = format!("/v1/zones/{}", zone.value.id);
    let view = zone_view(&zone, false);
    Ok(answer::created(&admin, zone.version.0, &place, view))
}

/// Gives one zone.
#[utoipa::path(get, path = "/v1/zones/{zone}", tag = "zones", operation_id = "getZone",
    security(("operator" = ["viewer"])), responses((status = 200, body = ZoneView)))]
pub(super) async fn get(
    State(api): State<Api>,
    Path(zone): Path<String>,
    Reading(admin): Reading,
) -> Result<Response, Refusal> {
    let zone = api.zone(&admin, &zone)?;
    let zone = api.engine().get_zone(&admin, zone)?;
    let frozen = is_frozen(&api, &admin, &zone.value);
    Ok(answer::object(zone.version.0, zone_view(&zone, frozen)))
}

/// True while the zone itself is revoked.
pub(super) fn is_frozen(api: &Api, admin: &Admin, zone: &Zone) -> bool {
    let revocations = api.engine().list_revocations(zone.id, admin);
    revocations
        .unwrap_or_default()
        .iter()
        .any(|held| held.value.anchor == Anchor::Zone(zone.id) && held.value.lifted_after.is_none())
}
