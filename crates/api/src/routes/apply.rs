//! Declarative configuration.

use axum::Json;
use axum::extract::{Path, State};
use caracal_core::{Name, ZoneId};
use caracal_engine::{Admin, AdminError, ZoneSpec};
use caracal_wire::{ApplyAnswer, ApplyRequest, ZoneFile};

use crate::Api;
use crate::convert::{
    apply_answer, note_created_zone, place_fields, planned_answer, zone_file, zone_spec,
};
use crate::extract::{Reading, WritingBody};
use crate::refusal::Refusal;

/// Brings a zone to what the request says, in one commit. Applying again changes nothing.
#[utoipa::path(post, path = "/v1/zones/{zone}/apply", tag = "apply",
    operation_id = "applyToZone", request_body = ApplyRequest,
    security(("operator" = ["admin"])), responses((status = 200, body = ApplyAnswer)))]
pub(super) async fn apply(
    State(api): State<Api>,
    Path(zone): Path<String>,
    WritingBody(mut admin, body): WritingBody<ApplyRequest>,
) -> Result<Json<ApplyAnswer>, Refusal> {
    let zone = api.zone(&admin, &zone)?;
    let held = api.engine().get_zone(&admin, zone)?.value.name;
    if let Some(name) = body.zone.as_deref().filter(|name| *name != held.as_str()) {
        let why = format!("this is the zone `{held}`, not `{name}`");
        return Err(Refusal::invalid("zone", why));
    }
    let spec = zone_spec(&body)?;
    admin.base = body.base.clone();
    run(&api, &admin, zone, spec, &body).await.map(Json)
}

/// The same for the zone that the request names; a missing one is created, which needs the role
/// owner for all zones.
#[utoipa::path(post, path = "/v1/apply", tag = "apply", operation_id = "apply",
    request_body = ApplyRequest, security(("operator" = ["admin"])),
    responses((status = 200, body = ApplyAnswer)))]
pub(super) async fn apply_by_name(
    State(api): State<Api>,
    WritingBody(mut admin, body): WritingBody<ApplyRequest>,
) -> Result<Json<ApplyAnswer>, Refusal> {
    let text = body.zone.as_deref().unwrap_or_default();
    let name: Name = text
        .parse()
        .map_err(|error| Refusal::invalid("zone", error))?;
    let spec = zone_spec(&body)?;
    admin.base = body.base.clone();
    match api.zone(&admin, text) {
        Ok(zone) => run(&api, &admin, zone, spec, &body).await.map(Json),
        Err(_) => create(&api, &admin, name, spec, &body).await.map(Json),
    }
}

async fn create(
    api: &Api,
    admin: &Admin,
    name: Name,
    spec: ZoneSpec,
    body: &ApplyRequest,
) -> Result<ApplyAnswer, Refusal> {
    // A file with a mistake leaves no empty zone behind.
    let planned = api.engine().plan_new_zone(admin, name.clone(), &spec);
    let planned = planned.map_err(|error| place_fields(error, body))?;
    if admin.dry_run {
        return Ok(planned_answer(planned));
    }
    match api.engine().create_zone(admin, name.clone()).await {
        Ok(zone) => {
            let mut answer = run(api, admin, zone.value.id, spec, body).await?;
            note_created_zone(&mut answer);
            Ok(answer)
        }
        // Somebody else has created it meanwhile.
        Err(AdminError::NameTaken(_)) => {
            let zone = api.zone(admin, name.as_str())?;
            run(api, admin, zone, spec, body).await
        }
        Err(error) => Err(error.into()),
    }
}

async fn run(
    api: &Api,
    admin: &Admin,
    zone: ZoneId,
    spec: ZoneSpec,
    body: &ApplyRequest,
) -> Result<ApplyAnswer, Refusal> {
    let applied = api.engine().apply(zone, admin, spec).await;
    let applied = applied.map_err(|error| place_fields(error, body))?;
    Ok(apply_answer(applied, admin.dry_run))
}

/// Gives a zone as the file that `caracal apply` reads, without secrets.
#[utoipa::path(get, path = "/v1/zones/{zone}/export", tag = "apply",
    operation_id = "exportZone", security(("operator" = ["viewer"])),
    responses((status = 200, body = ZoneFile)))]
pub(super) async fn export(
    State(api): State<Api>,
    Path(zone): Path<String>,
    Reading(admin): Reading,
) -> Result<Json<ZoneFile>, Refusal> {
    let zone = api.zone(&admin, &zone)?;
    Ok(Json(zone_file(api.engine().export(zone, &admin)?)))
}
