//! Evidence.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use caracal_wire::{EventExplanation, EventProof, EventView, Page};
use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_TYPE};

use super::answer;
use crate::convert::{event_explanation, event_proof};
use crate::extract::{EVENT_KIND, EventFilter, Filter, Reading};
use crate::refusal::Refusal;
use crate::{Api, cursor};

/// Searches the events of a zone. With `Accept: application/x-ndjson` each line is a leaf
/// exactly as it is hashed, and the header `Caracal-Next-Cursor` names the next page.
#[utoipa::path(get, path = "/v1/zones/{zone}/events", tag = "events",
    operation_id = "listEvents", params(EventFilter), security(("operator" = ["auditor"])),
    responses((status = 200, content((Page<EventView> = "application/json"),
        (String = "application/x-ndjson")))))]
pub(super) async fn list(
    State(api): State<Api>,
    Path(zone): Path<String>,
    Reading(admin): Reading,
    Filter(filter): Filter<EventFilter>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let zone = api.zone_of_log(&admin, &zone)?;
    let query = filter.query(api.engine(), zone, &admin)?;
    let found = api.engine().search_events(zone, &admin, query).await?;
    let next_cursor = found.next.map(|next| cursor::write(EVENT_KIND, next));
    let leaves = found.leaves.into_iter().map(|(_, leaf)| leaf);
    if wants_lines(&headers) {
        let mut response = answer::lines(leaves);
        if let Some(cursor) = next_cursor.and_then(|cursor| cursor.parse().ok()) {
            response.headers_mut().insert("caracal-next-cursor", cursor);
        }
        return Ok(response);
    }
    let items = leaves.filter_map(|leaf| find_event(&leaf)).collect();
    Ok(Json(Page { items, next_cursor }).into_response())
}

/// Gives one event by its id, or the first of a request by the request's id, exactly as it is
/// hashed.
#[utoipa::path(get, path = "/v1/zones/{zone}/events/{event}", tag = "events",
    operation_id = "getEvent", security(("operator" = ["auditor"])),
    responses((status = 200, body = EventView)))]
pub(super) async fn get(
    State(api): State<Api>,
    Path((zone, event)): Path<(String, String)>,
    Reading(admin): Reading,
) -> Result<Response, Refusal> {
    let zone = api.zone_of_log(&admin, &zone)?;
    let leaf = api.engine().get_event(zone, &admin, &event).await?;
    Ok(([(CONTENT_TYPE, "application/json")], leaf).into_response())
}

/// Explains a decision: each gate, the determining policies of that time, and the other events
/// of the same request.
#[utoipa::path(get, path = "/v1/zones/{zone}/events/{event}/explain", tag = "events",
    operation_id = "explainEvent", security(("operator" = ["auditor"])),
    responses((status = 200, body = EventExplanation)))]
pub(super) async fn explain(
    State(api): State<Api>,
    Path((zone, event)): Path<(String, String)>,
    Reading(admin): Reading,
) -> Result<Json<EventExplanation>, Refusal> {
    let zone = api.zone_of_log(&admin, &zone)?;
    let explained = api.engine().explain_event(zone, &admin, &event).await?;
    Ok(Json(event_explanation(explained)))
}

/// Proves that an event stands in its log (RFC 6962).
#[utoipa::path(get, path = "/v1/zones/{zone}/events/{event}/proof", tag = "events",
    operation_id = "proveEvent", security(("operator" = ["auditor"])),
    responses((status = 200, body = EventProof)))]
pub(super) async fn prove(
    State(api): State<Api>,
    Path((zone, event)): Path<(String, String)>,
    Reading(admin): Reading,
) -> Result<Json<EventProof>, Refusal> {
    let zone = api.zone_of_log(&admin, &zone)?;
    let proof = api.engine().prove_event(zone, &admin, &event).await?;
    Ok(Json(event_proof(proof)))
}

fn wants_lines(headers: &HeaderMap) -> bool {
    headers.get_all(ACCEPT).iter().any(|value| {
        let ranges = value.to_str().unwrap_or_default().split(',');
        let mut essences = ranges.filter_map(|range| range.split(';').next());
        essences.any(|essence| essence.trim().eq_ignore_ascii_case("application/x-ndjson"))
    })
}

/// The event of a leaf; none when somebody made it unreadable, which must not hide the others.
/// Verifying the log names it.
fn find_event(leaf: &[u8]) -> Option<EventView> {
    serde_json::from_slice(leaf)
        .inspect_err(|error| tracing::warn!(%error, "a stored event cannot be read"))
        .ok()
}
