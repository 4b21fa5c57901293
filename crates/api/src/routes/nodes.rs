//! The running processes.

use axum::Json;
use axum::extract::{Path, State};
use caracal_core::{Role, RoleScope};
use caracal_wire::{NodeView, Page};

use crate::extract::{Filter, PageFilter, Reading};
use crate::refusal::Refusal;
use crate::{Api, cursor};

/// Lists the nodes that serve a zone; with the embedded store this is the one.
#[utoipa::path(get, path = "/v1/zones/{zone}/nodes", tag = "nodes",
    operation_id = "listNodes", params(PageFilter), security(("operator" = ["viewer"])),
    responses((status = 200, body = Page<NodeView>)))]
pub(super) async fn list(
    State(api): State<Api>,
    Path(zone): Path<String>,
    Reading(admin): Reading,
    Filter(filter): Filter<PageFilter>,
) -> Result<Json<Page<NodeView>>, Refusal> {
    let zone = api.zone(&admin, &zone)?;
    admin.operator.require(Role::Viewer, zone)?;
    filter.limit()?;
    let id = api.engine().config().node.to_string();
    let after = cursor::read("node", filter.cursor.as_deref())?;
    // The calls are those of all zones, so an operator of one zone does not see their number.
    let everywhere = admin.operator.scope() == RoleScope::AllZones;
    let live = u64::try_from(api.engine().live_calls()).unwrap_or(u64::MAX);
    let node = NodeView {
        id,
        ready: api.engine().is_ready(),
        live_calls: everywhere.then_some(live),
        version: api.config().version.clone(),
    };
    let items = if after.is_none() {
        vec![node]
    } else {
        Vec::new()
    };
    Ok(Json(Page {
        items,
        next_cursor: None,
    }))
}
