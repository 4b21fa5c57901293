//! Events as they happen, as server-sent events.

use std::time::Duration;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use caracal_core::{Role, ZoneId};
use caracal_engine::{Admin, Query};
use futures_util::stream;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use tokio::sync::{OwnedSemaphorePermit, watch};

use crate::Api;
use crate::authenticate::Identity;
use crate::extract::{EventFilter, Filter, Reading};
use crate::refusal::Refusal;

/// How long the feed is silent at most.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How long appends are gathered before the next search.
const GATHER: Duration = Duration::from_millis(100);
/// How many events are sent at a time.
const BATCH: usize = 200;

/// Sends events as they happen, each with its position as the id. With `Last-Event-ID` it goes
/// on after that position, else it begins now. It ends when the token is no longer good, and
/// when the server stops.
#[utoipa::path(get, path = "/v1/zones/{zone}/events/stream", tag = "events",
    operation_id = "streamEvents", params(EventFilter), security(("operator" = ["auditor"])),
    responses((status = 200, body = String, content_type = "text/event-stream")))]
pub(super) async fn stream(
    State(api): State<Api>,
    Path(zone): Path<String>,
    Reading(admin): Reading,
    Filter(filter): Filter<EventFilter>,
    Extension(identity): Extension<Identity>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let zone = api.zone_of_log(&admin, &zone)?;
    admin.operator.require(Role::Auditor, zone)?;
    if filter.names_a_page() {
        let detail = "a live feed has no `limit`, `cursor` or `ascending`";
        return Err(Refusal::bad_request("query_invalid", detail));
    }
    let query = filter.query(api.engine(), zone, &admin)?;
    let tail = api.engine().tail();
    let last = match last_event_id(&headers)? {
        Some(last) => last,
        None => *tail.borrow(),
    };
    let Ok(permit) = api.feeds().try_acquire_owned() else {
        let detail = "too many live feeds are open";
        let status = StatusCode::TOO_MANY_REQUESTS;
        return Err(Refusal::new(status, "feeds_exhausted", detail).hint("close another feed"));
    };
    let feed = Feed {
        api,
        identity,
        admin,
        zone,
        query,
        last,
        tail,
        begun: false,
        _permit: permit,
    };
    let chunks = stream::unfold(feed, |mut feed| async move {
        let chunk = feed.next().await?;
        Some((Ok::<_, std::convert::Infallible>(chunk), feed))
    });
    let body = Body::from_stream(chunks);
    Ok(([(CONTENT_TYPE, "text/event-stream")], body).into_response())
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<u64>, Refusal> {
    let Some(value) = headers.get("last-event-id") else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default();
    // A client that has seen no event yet sends an empty id.
    if text.is_empty() {
        return Ok(None);
    }
    let parsed = text.parse().map(Some);
    parsed.map_err(|_| Refusal::unreadable("Last-Event-ID", "use the id of an event of this feed"))
}

struct Feed {
    api: Api,
    identity: Identity,
    admin: Admin,
    zone: ZoneId,
    query: Query,
    last: u64,
    tail: watch::Receiver<u64>,
    begun: bool,
    _permit: OwnedSemaphorePermit,
}

impl Feed {
    /// The next bytes to send; none at the end.
    async fn next(&mut self) -> Option<Bytes> {
        if !self.begun {
            self.begun = true;
            // The client learns at once that it listens.
            return Some(Bytes::from_static(b": listening\n\n"));
        }
        let shutdown = self.api.config().shutdown.clone();
        loop {
            if shutdown.is_cancelled() {
                return None;
            }
            self.tail.mark_unchanged();
            let (chunk, is_all) = self.search().await?;
            if !chunk.is_empty() {
                return Some(chunk.into());
            }
            if !is_all {
                continue;
            }
            tokio::select! {
                () = shutdown.cancelled() => return None,
                changed = self.tail.changed() => {
                    changed.ok()?;
                    tokio::time::sleep(GATHER).await;
                }
                () = tokio::time::sleep(HEARTBEAT) => {
                    return Some(Bytes::from_static(b": heartbeat\n\n"));
                }
            }
        }
    }

    /// What was appended since, and whether that was all; none when the operator may not see it
    /// any more.
    async fn search(&mut self) -> Option<(Vec<u8>, bool)> {
        let engine = self.api.engine();
        self.admin.operator = self.identity.operator(engine).ok()?;
        // Complete for everything up to here.
        let tail = *self.tail.borrow();
        let query = Query {
            cursor: Some(self.last),
            ascending: true,
            limit: BATCH,
            ..self.query.clone()
        };
        let page = engine
            .search_events(self.zone, &self.admin, query)
            .await
            .ok()?;
        let mut chunk = Vec::new();
        for (position, leaf) in page.leaves {
            self.last = position;
            chunk.extend_from_slice(format!("id: {position}\ndata: ").as_bytes());
            // A leaf is one line: its line ends are escaped.
            chunk.extend(leaf.into_iter().filter(|b| !matches!(b, b'\n' | b'\r')));
            chunk.extend_from_slice(b"\n\n");
        }
        // Not again through what was looked at and is of no interest here.
        self.last = self.last.max(page.next.unwrap_or(tail));
        Some((chunk, page.next.is_none()))
    }
}
