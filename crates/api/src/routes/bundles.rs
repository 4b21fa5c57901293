//! Bundles: immutable sets of policies.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use caracal_core::Bundle;
use caracal_engine::Versioned;
use caracal_wire::{
    BundleBody, BundleCheck, BundleView, Page, PolicyTestReport, PolicyTestRun, ZoneView,
};

use super::{answer, zones};
use crate::convert::{bundle_view, policy_set, test_report, test_run, zone_view};
use crate::extract::{Filter, PageFilter, Reading, Writing, WritingBody};
use crate::refusal::Refusal;
use crate::{Api, cursor};

const KIND: &str = "bundle";

/// Lists the bundles of a zone, newest first.
#[utoipa::path(get, path = "/v1/zones/{zone}/bundles", tag = "bundles",
    operation_id = "listBundles", params(PageFilter), security(("operator" = ["viewer"])),
    responses((status = 200, body = Page<BundleView>)))]
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
    let bundles = api.engine().list_bundles(zone, &admin)?;
    let active = api.engine().get_zone(&admin, zone)?.value.policy;
    let key = |held: &Versioned<Bundle>| held.value.id.to_string();
    let is_after = |held: &Versioned<Bundle>, after: &str| key(held).as_str() < after;
    let view = |held: Versioned<Bundle>| bundle_view(&held.value, active.as_ref());
    Ok(answer::page_of_all(KIND, bundles, is_after, key, (limit, after), view).into_response())
}

/// Stores a bundle after checking it against the zone. It does nothing until it is activated.
#[utoipa::path(post, path = "/v1/zones/{zone}/bundles", tag = "bundles",
    operation_id = "storeBundle", request_body = BundleBody,
    security(("operator" = ["admin"])), responses((status = 201, body = BundleView)))]
pub(super) async fn store(
    State(api): State<Api>,
    Path(zone): Path<String>,
    WritingBody(admin, body): WritingBody<BundleBody>,
) -> Result<Response, Refusal> {
    let zone = api.zone(&admin, &zone)?;
    let set = policy_set(&body)?;
    let stored = api.engine().store_bundle(zone, &admin, set).await?;
    let active = api.engine().get_zone(&admin, zone)?.value.policy;
    let view = bundle_view(&stored.value, active.as_ref());
    let place = format!("/v1/zones/{zone}/bundles/{}", view.version);
    Ok(answer::created(&admin, stored.version.0, &place, view))
}

/// Checks policies against the zone and runs their tests, without storing them; every mistake and
/// every test that fails is named.
#[utoipa::path(post, path = "/v1/zones/{zone}/bundles/check", tag = "bundles",
    operation_id = "checkBundle", request_body = BundleBody,
    security(("operator" = ["viewer"])), responses((status = 200, body = BundleCheck)))]
pub(super) async fn check(
    State(api): State<Api>,
    Path(zone): Path<String>,
    WritingBody(admin, body): WritingBody<BundleBody>,
) -> Result<Json<BundleCheck>, Refusal> {
    let zone = api.zone(&admin, &zone)?;
    let set = policy_set(&body)?;
    let version = api.engine().check_policies(zone, &admin, set)?;
    Ok(Json(BundleCheck {
        version: version.to_string(),
    }))
}

/// Runs tests against policies as they would decide in the zone as it is, and tells how each
/// ends. Policies or tests that are left out are those of the active bundle. Nothing is decided,
/// stored or recorded.
#[utoipa::path(post, path = "/v1/zones/{zone}/bundles/test", tag = "bundles",
    operation_id = "testBundle", request_body = PolicyTestRun,
    security(("operator" = ["viewer"])), responses((status = 200, body = PolicyTestReport)))]
pub(super) async fn test(
    State(api): State<Api>,
    Path(zone): Path<String>,
    WritingBody(admin, body): WritingBody<PolicyTestRun>,
) -> Result<Json<PolicyTestReport>, Refusal> {
    let zone = api.zone(&admin, &zone)?;
    let (policies, tests) = test_run(&body)?;
    let report = api.engine().test_policies(zone, &admin, policies, tests)?;
    Ok(Json(test_report(report)))
}

/// Gives one bundle by its version, or by the first 8 or more characters of it.
#[utoipa::path(get, path = "/v1/zones/{zone}/bundles/{version}", tag = "bundles",
    operation_id = "getBundle", security(("operator" = ["viewer"])),
    responses((status = 200, body = BundleView)))]
pub(super) async fn get(
    State(api): State<Api>,
    Path((zone, version)): Path<(String, String)>,
    Reading(admin): Reading,
) -> Result<Response, Refusal> {
    let zone = api.zone(&admin, &zone)?;
    let held = api.engine().get_bundle(zone, &admin, &version)?;
    let active = api.engine().get_zone(&admin, zone)?.value.policy;
    let view = bundle_view(&held.value, active.as_ref());
    Ok(answer::object(held.version.0, view))
}

/// Activates a stored bundle; activating an older one rolls back. `If-Match` speaks of the
/// zone's version.
#[utoipa::path(post, path = "/v1/zones/{zone}/bundles/{version}/activate", tag = "bundles",
    operation_id = "activateBundle", security(("operator" = ["admin"])),
    responses((status = 200, body = ZoneView)))]
pub(super) async fn activate(
    State(api): State<Api>,
    Path((zone, version)): Path<(String, String)>,
    Writing(admin): Writing,
) -> Result<Response, Refusal> {
    let zone = api.zone(&admin, &zone)?;
    let zone = api.engine().activate_bundle(zone, &admin, &version).await?;
    let frozen = zones::is_frozen(&api, &admin, &zone.value);
    Ok(answer::object(zone.version.0, zone_view(&zone, frozen)))
}
