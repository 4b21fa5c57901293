//! The policies that decide now.

use axum::Json;
use axum::extract::{Path, State};
use caracal_engine::AdminError;
use caracal_wire::{ActivePolicies, PolicyBody};

use super::answer;
use crate::convert::policy_body;
use crate::extract::{Filter, PageFilter, Reading};
use crate::refusal::Refusal;
use crate::{Api, cursor};

const KIND: &str = "policy";

/// Lists the active policies, by name.
#[utoipa::path(get, path = "/v1/zones/{zone}/policies", tag = "policies",
    operation_id = "listPolicies", params(PageFilter), security(("operator" = ["viewer"])),
    responses((status = 200, body = ActivePolicies)))]
pub(super) async fn list(
    State(api): State<Api>,
    Path(zone): Path<String>,
    Reading(admin): Reading,
    Filter(filter): Filter<PageFilter>,
) -> Result<Json<ActivePolicies>, Refusal> {
    let zone = api.zone(&admin, &zone)?;
    let (limit, after) = (
        filter.limit()?,
        cursor::read(KIND, filter.cursor.as_deref())?,
    );
    let (version, policies) = api.engine().list_policies(zone, &admin)?;
    let Json(page) = answer::page_of_all(
        KIND,
        policies,
        |policy, after| policy.name.as_str() > after,
        |policy| policy.name.to_string(),
        (limit, after),
        |policy| policy_body(&policy),
    );
    Ok(Json(ActivePolicies {
        policy_version: version.map(|version| version.to_string()),
        items: page.items,
        next_cursor: page.next_cursor,
    }))
}

/// Gives one active policy by name.
#[utoipa::path(get, path = "/v1/zones/{zone}/policies/{policy}", tag = "policies",
    operation_id = "getPolicy", security(("operator" = ["viewer"])),
    responses((status = 200, body = PolicyBody)))]
pub(super) async fn get(
    State(api): State<Api>,
    Path((zone, policy)): Path<(String, String)>,
    Reading(admin): Reading,
) -> Result<Json<PolicyBody>, Refusal> {
    let zone = api.zone(&admin, &zone)?;
    let (_, policies) = api.engine().list_policies(zone, &admin)?;
    let held = policies.iter().find(|held| held.name.as_str() == policy);
    let held = held.ok_or_else(|| AdminError::not_found("policy", &policy))?;
    Ok(Json(policy_body(held)))
}
