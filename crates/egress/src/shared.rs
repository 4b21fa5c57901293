//! Connections that many requests share, opened and filled by our own count.
//!
//! The library beneath takes any number of requests, sends them as the peer's limit of streams
//! allows, and cannot take back one that waits for a stream: it would go out after its call was
//! revoked. So a request is handed over only when a stream is free for it and the socket takes
//! bytes; until then it waits here, where dropping it is enough.

mod opening;
mod place;
mod room;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use caracal_core::ZoneId;
use http::{Request, Response, Uri};
use hyper::client::conn::http2::SendRequest;
use tokio::sync::Notify;
use tokio::time::Instant;

pub(crate) use self::place::Place;
use self::room::Room;
use crate::answer::Answer;
use crate::connector::Connector;
use crate::failure::Failure;
use crate::held_body::HeldBody;
use crate::{ConnectedTo, EgressError};

/// The most connections to one origin. When all are full, requests wait.
const MAX_CONNECTIONS: usize = 32;
/// How many origins are remembered before those without a connection are forgotten.
const MAX_ORIGINS: usize = 1024;
/// How long no further connection is tried after one failed, while others serve.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// The shared connections of one kind of trust. Clones are the same pool.
#[derive(Clone)]
pub(crate) struct SharedPool(Arc<Pool>);

struct Pool {
    connector: Connector,
    origins: Mutex<HashMap<Key, Origin>>,
}

/// Whose connections: zones share none, so that none can use up the streams of another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    zone: Option<ZoneId>,
    /// Scheme and authority.
    origin: Uri,
}

#[derive(Default)]
struct Origin {
    members: Vec<Member>,
    is_opening: bool,
    /// How many connections could not be opened so far, and when and why the last.
    failures: u64,
    last_failure: Option<(Instant, EgressError)>,
    /// Told whenever a waiting request may have reason to look again.
    changed: Arc<Notify>,
}

struct Member {
    sender: SendRequest<HeldBody>,
    room: Arc<Room>,
}

impl SharedPool {
    pub(crate) fn new(connector: Connector) -> Self {
        let origins = Mutex::default();
        Self(Arc::new(Pool { connector, origins }))
    }

    /// Sends a request when a stream is free for it. Dropped before, it was never sent.
    pub(crate) async fn request(
        &self,
        zone: Option<ZoneId>,
        mut request: Request<HeldBody>,
    ) -> Result<Response<Answer>, Failure> {
        let key = Key::new(zone, request.uri()).map_err(Failure::Opening)?;
        let (mut sender, place) = self.0.get_place(&key).await.map_err(Failure::Opening)?;
        let place = Arc::new(place);
        request.body_mut().occupy(Arc::clone(&place));
        let watch = place.watch();
        let answer = sender.send_request(request).await;
        watch.over(&answer);
        let mut answer = answer.map_err(Failure::Shared)?;
        if let Some(remote) = place.remote() {
            answer.extensions_mut().insert(ConnectedTo(remote));
        }
        Ok(answer.map(|incoming| Answer::shared(incoming, place)))
    }
}

impl Key {
    fn new(zone: Option<ZoneId>, uri: &Uri) -> Result<Self, EgressError> {
        let mut parts = uri.clone().into_parts();
        parts.path_and_query = Some(http::uri::PathAndQuery::from_static("/"));
        let origin =
            Uri::from_parts(parts).map_err(|_| EgressError::BadTarget("it has no host"))?;
        Ok(Self { zone, origin })
    }
}

impl Pool {
    /// Waits for a free stream. Opens a connection when all of the origin are full.
    async fn get_place(
        self: &Arc<Self>,
        key: &Key,
    ) -> Result<(SendRequest<HeldBody>, Place), EgressError> {
        let mut seen = None;
        // One vain attempt of others is outlived, one's own is not.
        let mut is_last = false;
        loop {
            let changed = {
                let mut origins = self.origins();
                if origins.len() >= MAX_ORIGINS {
                    origins.retain(|_, origin| origin.is_opening || !origin.members.is_empty());
                }
                let origin = origins.entry(key.clone()).or_default();
                origin.forget_ended();
                if let Some(found) = origin.find_place() {
                    return Ok(found);
                }
                if let Some(error) = origin.find_failure_since(seen) {
                    if is_last {
                        return Err(error);
                    }
                    is_last = true;
                    metrics::counter!("caracal_egress_second_sends_total", "why" => "unopened")
                        .increment(1);
                }
                seen = Some(origin.failures);
                if origin.may_open() {
                    is_last = true;
                    origin.is_opening = true;
                    self.open(key, Arc::clone(&origin.changed));
                }
                // Made before the lock is given up, so that no change is missed.
                Arc::clone(&origin.changed).notified_owned()
            };
            changed.await;
        }
    }

    fn opened(&self, key: &Key, opened: Result<Member, EgressError>) {
        let mut origins = self.origins();
        let origin = origins.entry(key.clone()).or_default();
        origin.is_opening = false;
        match opened {
            Ok(member) => origin.members.push(member),
            Err(error) => {
                origin.failures += 1;
                origin.last_failure = Some((Instant::now(), error));
            }
        }
        origin.changed.notify_waiters();
    }

    /// Lets no more requests onto a connection; with the last answer it ends.
    fn remove(&self, key: &Key, room: &Arc<Room>) {
        let mut origins = self.origins();
        let Some(origin) = origins.get_mut(key) else {
            return;
        };
        origin
            .members
            .retain(|member| !Arc::ptr_eq(&member.room, room));
        origin.changed.notify_waiters();
        if origin.members.is_empty() && !origin.is_opening {
            origins.remove(key);
        }
    }

    fn origins(&self) -> MutexGuard<'_, HashMap<Key, Origin>> {
        self.origins.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Origin {
    fn forget_ended(&mut self) {
        self.members
            .retain(|member| !member.sender.is_closed() && member.room.takes_more());
    }

    /// A place on the oldest connection that has one, so that the others become idle and end.
    fn find_place(&self) -> Option<(SendRequest<HeldBody>, Place)> {
        let found = self
            .members
            .iter()
            .find_map(|member| Some((member.sender.clone(), member.room.find_place()?)))?;
        if self.members.iter().any(|member| member.room.is_free()) {
            // Whoever waits beside us is told of one place at a time.
            self.changed.notify_one();
        }
        Some(found)
    }

    /// Why there is no connection, if one failed since `seen`.
    fn find_failure_since(&self, seen: Option<u64>) -> Option<EgressError> {
        let has_failed = seen.is_some_and(|seen| seen != self.failures) && self.members.is_empty();
        let (_, error) = self.last_failure.as_ref().filter(|_| has_failed)?;
        Some(error.clone())
    }

    fn may_open(&self) -> bool {
        let has_just_failed = || {
            let at = self.last_failure.as_ref().map(|(at, _)| *at);
            at.is_some_and(|at| at.elapsed() < AFTER_FAILURE)
        };
        !self.is_opening
            && self.members.len() < MAX_CONNECTIONS
            && (self.members.is_empty() || !has_just_failed())
    }
}
