//! Approvals: what waits for a person, and their decision.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::Response;
use caracal_core::{ApprovalId, Role};
use caracal_engine::{Admin, AdminError, Verdict};
use caracal_wire::{ApprovalView, DecisionBody, Page};
use serde::Deserialize;
use utoipa::IntoParams;

use super::answer;
use crate::convert::approval_view;
use crate::extract::{Filter, PageFilter, Reading, WritingOptional};
use crate::refusal::Refusal;
use crate::{Api, cursor};

const KIND: &str = "approval";
/// The longest wait, in seconds.
const MAX_WAIT: u32 = 25;

/// How long to wait.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct WaitFilter {
    /// Answer once it is decided, after so many seconds at most: 0 to 25. Default 0.
    #[serde(default)]
    #[param(minimum = 0, maximum = 25)]
    wait: Option<u32>,
}

/// Lists the approvals of a zone, oldest first: those that wait, and those of the last hour.
#[utoipa::path(get, path = "/v1/zones/{zone}/approvals", tag = "approvals",
    operation_id = "listApprovals", params(PageFilter), security(("operator" = ["viewer"])),
    responses((status = 200, body = Page<ApprovalView>)))]
pub(super) async fn list(
    State(api): State<Api>,
    Path(zone): Path<String>,
    Reading(admin): Reading,
    Filter(filter): Filter<PageFilter>,
) -> Result<Json<Page<ApprovalView>>, Refusal> {
    let zone = api.zone(&admin, &zone)?;
    let after = cursor::read(KIND, filter.cursor.as_deref())?;
    let after = after.map(|text| text.parse::<ApprovalId>()).transpose();
    let after =
        after.map_err(|_| Refusal::unreadable("cursor", "this cursor is not from this list"))?;
    let engine = api.engine();
    let page = engine.list_approvals(zone, &admin, after, filter.limit()?)?;
    let last = page.items.last().filter(|_| page.has_more);
    let next_cursor = last.map(|held| cursor::write(KIND, held.value.id));
    let now = engine.now();
    let views = page.items.into_iter();
    let items = views.map(|held| approval_view(held, now, None)).collect();
    Ok(Json(Page { items, next_cursor }))
}

/// Shows an approval; whoever may decide also sees the request itself.
#[utoipa::path(get, path = "/v1/zones/{zone}/approvals/{approval}", tag = "approvals",
    operation_id = "getApproval", params(WaitFilter), security(("operator" = ["viewer"])),
    responses((status = 200, body = ApprovalView)))]
pub(super) async fn get(
    State(api): State<Api>,
    Path((zone, approval)): Path<(String, String)>,
    Reading(admin): Reading,
    Filter(filter): Filter<WaitFilter>,
) -> Result<Response, Refusal> {
    let zone = api.zone(&admin, &zone)?;
    let id = id(&approval)?;
    let engine = api.engine();
    if let Some(seconds) = filter.wait.filter(|seconds| *seconds > 0) {
        let wait = Duration::from_secs(seconds.min(MAX_WAIT).into());
        engine.wait_for_decision(zone, &admin, id, wait).await?;
    }
    let held = engine.get_approval(zone, &admin, id)?;
    let shown = match admin.operator.require(Role::Approver, zone) {
        Ok(()) => Some(engine.show_approval(zone, &admin, &held.value)?),
        Err(_) => None,
    };
    let version = held.version.0;
    let view = approval_view(held, engine.now(), shown);
    Ok(answer::object(version, view))
}

/// Approves: the request may happen, once, exactly as it was asked for.
#[utoipa::path(post, path = "/v1/zones/{zone}/approvals/{approval}/approve", tag = "approvals",
    operation_id = "approve", request_body = Option<DecisionBody>,
    security(("operator" = ["approver"])), responses((status = 200, body = ApprovalView)))]
pub(super) async fn approve(
    State(api): State<Api>,
    Path(path): Path<(String, String)>,
    WritingOptional(admin, body): WritingOptional<DecisionBody>,
) -> Result<Response, Refusal> {
    decide(&api, path, admin, Verdict::Approve, body).await
}

/// Rejects: the request is refused, with the reason.
#[utoipa::path(post, path = "/v1/zones/{zone}/approvals/{approval}/reject", tag = "approvals",
    operation_id = "reject", request_body = Option<DecisionBody>,
    security(("operator" = ["approver"])), responses((status = 200, body = ApprovalView)))]
pub(super) async fn reject(
    State(api): State<Api>,
    Path(path): Path<(String, String)>,
    WritingOptional(admin, body): WritingOptional<DecisionBody>,
) -> Result<Response, Refusal> {
    decide(&api, path, admin, Verdict::Reject, body).await
}

async fn decide(
    api: &Api,
    (zone, approval): (String, String),
    admin: Admin,
    verdict: Verdict,
    body: DecisionBody,
) -> Result<Response, Refusal> {
    let zone = api.zone(&admin, &zone)?;
    // Who may not decide need not learn what there is.
    admin.operator.require(Role::Approver, zone)?;
    let engine = api.engine();
    let decided = engine
        .decide_approval(zone, &admin, id(&approval)?, verdict, body.reason)
        .await?;
    let version = decided.version.0;
    Ok(answer::object(
        version,
        approval_view(decided, engine.now(), None),
    ))
}

fn id(text: &str) -> Result<ApprovalId, AdminError> {
    text.parse()
        .map_err(|_| AdminError::not_found("approval", text))
}
