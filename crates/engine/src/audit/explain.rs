//! A decision in words.

use caracal_core::{Decision, Event, PolicySource, ZoneId};
use caracal_store::Query;
use serde::{Deserialize, Serialize};

use super::parse;
use crate::{Admin, AdminError, Engine};

/// One gate of a decision.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Gate {
    /// Its name: `mandate`, `operation`, `scope`, `policy`, `upstream`.
    pub gate: String,
    /// `passed`, `refused` or `not reached`.
    pub outcome: String,
    /// What it looked at.
    pub detail: String,
}

/// A decision in words.
#[derive(Debug, Clone, Serialize)]
pub struct EventExplanation {
    /// The event.
    pub event: Event,
    /// The gates in order.
    pub gates: Vec<Gate>,
    /// The determining policies as they were then.
    pub policies: Vec<PolicySource>,
    /// The other events of the same request, oldest first.
    pub related: Vec<Event>,
}

impl Engine {
    /// Explains a decision from its event and the policies of that time.
    ///
    /// # Errors
    /// Needs the role auditor.
    pub async fn explain_event(
        &self,
        zone: ZoneId,
        admin: &Admin,
        id: &str,
    ) -> Result<EventExplanation, AdminError> {
        let leaf = self.get_event(zone, admin, id).await?;
        let event = parse(&leaf)?;
        let query = Query {
            request_id: Some(event.request_id.clone()),
            ascending: true,
            limit: 100,
            ..Query::default()
        };
        let page = self.search_events(zone, admin, query).await?;
        let related: Vec<Event> = page
            .leaves
            .iter()
            .filter_map(|(_, leaf)| parse(leaf).ok())
            .filter(|other: &Event| other.id != event.id)
            .collect();
        let view = self.readable(admin, zone)?;
        let bundle = event
            .policy_version
            .as_ref()
            .and_then(|version| view.bundles.get(version));
        let policies = bundle
            .map(|stored| stored.bundle.policies.clone())
            .unwrap_or_default()
            .into_iter()
            .filter(|source| {
                event
                    .policies
                    .as_ref()
                    .is_some_and(|named| named.contains(&source.name))
            })
            .collect();
        Ok(EventExplanation {
            gates: gates_of(&event, &related),
            policies,
            related,
            event,
        })
    }
}

/// The gates that a request passed, as far as its events tell.
fn gates_of(event: &Event, related: &[Event]) -> Vec<Gate> {
    let order = ["mandate", "operation", "scope", "policy", "upstream"];
    let refused = match (event.decision, event.reason.as_deref()) {
        (Some(Decision::Deny), Some(reason)) => Some(match reason {
            "operation_not_declared" | "path_invalid" | "resource_unknown" => "operation",
            "scope_missing" | "invalid_scope" | "invalid_target" => "scope",
            "policy_denied" | "access_denied" | "approval_required" => "policy",
            _ => "mandate",
        }),
        _ => None,
    };
    let mut open = true;
    order
        .into_iter()
        .map(|gate| {
            let outcome = match refused {
                Some(at) if at == gate => {
                    open = false;
                    "refused"
                }
                _ if open => "passed",
                _ => "not reached",
            };
            Gate {
                gate: gate.to_owned(),
                outcome: outcome.to_owned(),
                // Nothing is known of a gate that was not reached.
                detail: if outcome == "not reached" {
                    String::new()
                } else {
                    detail_of(gate, event, related)
                },
            }
        })
        .filter(|gate| gate.gate != "upstream" || is_call(event))
        .collect()
}

fn is_call(event: &Event) -> bool {
    event.event_type.as_str().starts_with("call.")
}

fn detail_of(gate: &str, event: &Event, related: &[Event]) -> String {
    let show = |value: Option<String>| value.unwrap_or_else(|| "none".to_owned());
    match gate {
        "mandate" => show(event.mandate.map(|id| id.to_string())),
        "operation" => show(event.operation.as_ref().map(|operation| {
            let path = operation.path.as_deref().unwrap_or("(no rule matches)");
            format!("{} {path}", operation.method)
        })),
        "scope" => show(event.scopes.as_ref().map(ToString::to_string)),
        "policy" => {
            let names = event.policies.iter().flatten().map(|name| name.to_string());
            let names: Vec<_> = names.collect();
            if names.is_empty() {
                "no policy permits".to_owned()
            } else {
                names.join(", ")
            }
        }
        _ => {
            let finished = related
                .iter()
                .find(|e| e.event_type.as_str() == "call.finished");
            let own = (event.event_type.as_str() == "call.finished").then_some(event);
            match finished.or(own) {
                Some(end) => {
                    let status = show(end.status.map(|status| status.to_string()));
                    let reason = end
                        .reason
                        .as_deref()
                        .map(|r| format!(", {r}"))
                        .unwrap_or_default();
                    format!(
                        "status {status}{reason}, {} ms",
                        end.latency_ms.unwrap_or(0)
                    )
                }
                None => "outcome unknown".to_owned(),
            }
        }
    }
}
