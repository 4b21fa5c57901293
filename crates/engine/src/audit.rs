//! Reading the ledger.

use caracal_core::{Decision, Event, EventId, LogId, PolicySource, Role, ZoneId};
use caracal_ledger::{InclusionProof, TileSource};
use caracal_store::{Page, Query, StoreError};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::{Admin, AdminError, Engine};

/// A log of a zone.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LogInfo {
    /// The log.
    pub id: LogId,
    /// The origin line of its checkpoints.
    pub origin: String,
    /// Its note verifier key.
    pub verifier: String,
    /// When it was opened.
    pub created_at: Timestamp,
}

/// What someone needs to check that an event stands in a log.
#[derive(Debug, Clone)]
pub struct EventProof {
    /// The proof.
    pub proof: InclusionProof,
    /// The log.
    pub log: LogId,
    /// The signed checkpoint that the proof leads to.
    pub checkpoint: String,
    /// The log's note verifier key.
    pub verifier: String,
}

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
    /// Searches the events of a zone.
    ///
    /// # Errors
    /// Needs the role auditor.
    pub async fn search_events(
        &self,
        zone: ZoneId,
        admin: &Admin,
        mut query: Query,
    ) -> Result<Page, AdminError> {
        admin.operator.require(Role::Auditor, zone)?;
        query.zone = Some(zone);
        query.limit = query.limit.clamp(1, 1000);
        self.evidence().search(query).await.map_err(unavailable)
    }

    /// The leaf of an event by its id; for a request id, the leaf that decided it.
    ///
    /// # Errors
    /// Needs the role auditor.
    pub async fn get_event(
        &self,
        zone: ZoneId,
        admin: &Admin,
        id: &str,
    ) -> Result<Vec<u8>, AdminError> {
        let mut query = Query {
            ascending: true,
            limit: 10,
            ..Query::default()
        };
        if id.parse::<EventId>().is_ok() {
            query.id = Some(id.to_owned());
        } else {
            query.request_id = Some(id.to_owned());
        }
        let page = self.search_events(zone, admin, query).await?;
        page.leaves
            .into_iter()
            .next()
            .map(|(_, leaf)| leaf)
            .ok_or_else(|| AdminError::not_found("event", id))
    }

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

    /// Proves that an event stands in its log.
    ///
    /// # Errors
    /// Needs the role auditor.
    pub async fn prove_event(
        &self,
        zone: ZoneId,
        admin: &Admin,
        id: &str,
    ) -> Result<EventProof, AdminError> {
        let leaf = self.get_event(zone, admin, id).await?;
        let event = parse(&leaf)?;
        let (Some(log), Some(index)) = (event.log, event.index) else {
            return Err(AdminError::not_found("event", id));
        };
        let info = self.find_log(zone, admin, log)?;
        let head = self.evidence().head(log).await.map_err(unavailable)?;
        let checkpoint = head
            .checkpoint
            .ok_or_else(|| AdminError::not_found("checkpoint", log))?;
        let opened = caracal_ledger::open_checkpoint(&checkpoint, &info.verifier)
            .map_err(|e| damaged(e.to_string()))?;
        let tiles = self.collect_tiles(log, index, opened.size).await?;
        let proof = caracal_ledger::prove_inclusion(&tiles, index, opened.size)
            .map_err(|e| damaged(e.to_string()))?;
        if proof.leaf != caracal_ledger::leaf_hash(&leaf) {
            return Err(damaged(format!(
                "leaf {index} of `{log}` is not what its tree says"
            )));
        }
        Ok(EventProof {
            proof,
            log,
            checkpoint,
            verifier: info.verifier,
        })
    }

    /// The tiles that a proof may touch, fetched one by one until it is satisfied.
    async fn collect_tiles(&self, log: LogId, index: u64, size: u64) -> Result<Tiles, AdminError> {
        let mut tiles = Tiles::default();
        loop {
            match caracal_ledger::prove_inclusion(&tiles, index, size) {
                Ok(_) => return Ok(tiles),
                Err(error) => {
                    let missing = tiles.missing.lock().ok().and_then(|mut held| held.take());
                    let Some((level, n, width)) = missing else {
                        return Err(damaged(error.to_string()));
                    };
                    let bytes = self
                        .evidence()
                        .tile(log, level, n, width)
                        .await
                        .map_err(unavailable)?;
                    tiles.held.insert((level, n, width), bytes);
                }
            }
        }
    }

    /// The logs of a zone, oldest first.
    ///
    /// # Errors
    /// Needs the role auditor.
    pub fn list_logs(&self, zone: ZoneId, admin: &Admin) -> Result<Vec<LogInfo>, AdminError> {
        admin.operator.require(Role::Auditor, zone)?;
        let view = self.readable(admin, zone)?;
        let logs = view.zone.value.logs.iter();
        Ok(logs
            .map(|log| LogInfo {
                id: log.id,
                origin: log.origin.clone(),
                verifier: log.verifier.clone(),
                created_at: log.created_at,
            })
            .collect())
    }

    fn find_log(&self, zone: ZoneId, admin: &Admin, log: LogId) -> Result<LogInfo, AdminError> {
        self.list_logs(zone, admin)?
            .into_iter()
            .find(|info| info.id == log)
            .ok_or_else(|| AdminError::not_found("log", log))
    }

    /// The newest signed checkpoint of a log; none while it is empty.
    ///
    /// # Errors
    /// Needs the role auditor.
    pub async fn get_checkpoint(
        &self,
        zone: ZoneId,
        admin: &Admin,
        log: LogId,
    ) -> Result<Option<String>, AdminError> {
        self.find_log(zone, admin, log)?;
        Ok(self
            .evidence()
            .head(log)
            .await
            .map_err(unavailable)?
            .checkpoint)
    }

    /// A tile of a log.
    ///
    /// # Errors
    /// Needs the role auditor; the log must be large enough.
    pub async fn get_tile(
        &self,
        zone: ZoneId,
        admin: &Admin,
        log: LogId,
        level: u8,
        n: u64,
        width: u16,
    ) -> Result<Vec<u8>, AdminError> {
        self.find_log(zone, admin, log)?;
        let size = self.evidence().head(log).await.map_err(unavailable)?.size;
        // The tile's last hash must be of a complete subtree.
        let per_hash = 1_u64
            .checked_shl(8 * u32::from(level))
            .filter(|_| level < 8);
        let end = n
            .checked_mul(256)
            .and_then(|first| first.checked_add(u64::from(width)))
            .zip(per_hash)
            .and_then(|(hashes, leaves)| hashes.checked_mul(leaves));
        if width == 0 || width > 256 || end.is_none_or(|end| end > size) {
            return Err(AdminError::not_found(
                "tile",
                format!("{level}/{n}.p/{width}"),
            ));
        }
        self.evidence()
            .tile(log, level, n, width)
            .await
            .map_err(unavailable)
    }

    /// Leaves of a log in order, from index `first`, at most 1000.
    ///
    /// # Errors
    /// Needs the role auditor.
    pub async fn read_log(
        &self,
        zone: ZoneId,
        admin: &Admin,
        log: LogId,
        first: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Vec<u8>)>, AdminError> {
        self.find_log(zone, admin, log)?;
        self.evidence()
            .read(log, first, limit.clamp(1, 1000))
            .await
            .map_err(unavailable)
    }

    /// Rises with every append to any log.
    pub fn tail(&self) -> watch::Receiver<u64> {
        self.evidence().tail()
    }

    /// The newest signed checkpoints of the logs of all zones, for a place outside.
    pub async fn checkpoints(&self) -> Vec<String> {
        let handles: Vec<_> = self.0.zones.pin().values().cloned().collect();
        let mut logs: Vec<LogId> = handles
            .iter()
            .flat_map(|handle| {
                handle
                    .view()
                    .zone
                    .value
                    .logs
                    .iter()
                    .map(|log| log.id)
                    .collect::<Vec<_>>()
            })
            .collect();
        logs.sort();
        let mut notes = Vec::with_capacity(logs.len());
        for log in logs {
            if let Ok(head) = self.evidence().head(log).await {
                notes.extend(head.checkpoint);
            }
        }
        notes
    }
}

#[derive(Default)]
struct Tiles {
    held: std::collections::HashMap<(u8, u64, u16), Vec<u8>>,
    missing: std::sync::Mutex<Option<(u8, u64, u16)>>,
}

impl Tiles {
    fn note(&self, key: (u8, u64, u16)) {
        if let Ok(mut missing) = self.missing.lock() {
            *missing = Some(key);
        }
    }
}

impl TileSource for Tiles {
    fn tile(&self, level: u8, n: u64, width: u16) -> Result<Vec<u8>, caracal_ledger::LedgerError> {
        let key = (level, n, width);
        self.held.get(&key).cloned().ok_or_else(|| {
            self.note(key);
            caracal_ledger::LedgerError::Source("not fetched yet".to_owned())
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
                detail: detail_of(gate, event, related),
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

fn parse(leaf: &[u8]) -> Result<Event, AdminError> {
    serde_json::from_slice(leaf).map_err(|e| damaged(format!("a leaf is not an event: {e}")))
}

fn unavailable(error: StoreError) -> AdminError {
    AdminError::Unavailable {
        why: error.to_string(),
        done: false,
    }
}

fn damaged(why: String) -> AdminError {
    AdminError::Unavailable { why, done: false }
}
