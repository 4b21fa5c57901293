//! Following the endings of a zone.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use caracal_core::{Anchor, ApplicationId, Revision, Revocation, Session, SessionStatus, ZoneId};
use tokio::sync::watch;
use tokio::time::Instant;

use super::derive::of_revocation;
use super::{Ending, EndingKind};
use crate::view::{Stored, ZoneView};
use crate::zone_handle::ZoneHandle;
use crate::{CallerCredentials, Engine, IssueError};

/// How long a feed is silent at most.
pub const ENDINGS_HEARTBEAT: Duration = Duration::from_millis(500);
/// How many endings a batch of a snapshot has at most.
const BATCH: usize = 512;

/// What a feed tells next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndingsBatch {
    /// True: a snapshot begins; what was told before no longer counts.
    pub is_reset: bool,
    /// What ended, oldest first.
    pub endings: Vec<Ending>,
    /// Everything up to this has been told; none: more of the snapshot follows.
    pub position: Option<String>,
}

/// Why a feed has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeedEnd {
    /// Its client is not welcome any more.
    Refused,
    /// It is too far behind.
    Slow,
    /// The zone's state cannot be followed.
    Stuck,
}

/// The endings of a zone as they happen. It keeps no queue of its own: all feeds of a zone read
/// the same recent endings.
pub struct EndingsFeed {
    engine: Engine,
    credentials: CallerCredentials,
    /// The thumbprint of the key that the client proved when it began.
    key: Option<String>,
    handle: Arc<ZoneHandle>,
    application: ApplicationId,
    applied: watch::Receiver<Revision>,
    seen: Revision,
    snapshot: Option<Snapshot>,
    /// The last heartbeat; none: nothing was told yet.
    told_at: Option<Instant>,
}

impl Engine {
    /// Follows what ends in the caller's zone. `after` is the last position that the caller has
    /// seen; when that is unknown here, the feed begins with a snapshot.
    ///
    /// # Errors
    /// When the caller is unknown, or its application is revoked. A frozen zone is no reason:
    /// whoever verifies has to learn of that too.
    pub async fn follow_endings(
        &self,
        credentials: CallerCredentials,
        key: Option<&str>,
        after: Option<&str>,
    ) -> Result<EndingsFeed, IssueError> {
        let caller = self.authenticate_caller(&credentials, key).await?;
        let (handle, application) = (caller.handle, caller.application);
        let applied = handle.follow();
        let view = handle.view();
        if view.is_revoked(Anchor::Application(application)) {
            return Err(IssueError::denied(
                "revocation",
                "the application is revoked",
            ));
        }
        let now = view.position.revision;
        let seen = after
            .and_then(|position| revision_of(&view, position))
            .filter(|after| handle.endings.between(*after, now).is_ok());
        Ok(EndingsFeed {
            engine: self.clone(),
            credentials,
            key: caller.key,
            application,
            applied,
            seen: seen.unwrap_or(now),
            snapshot: seen.is_none().then(|| Snapshot::of(&view)),
            told_at: None,
            handle,
        })
    }
}

/// The revision of a position, when it is one of this history.
fn revision_of(view: &ZoneView, position: &str) -> Option<Revision> {
    let mut parts = position.split('.');
    let (_, revision, hash) = (parts.next()?, parts.next()?, parts.next()?);
    let is_whole = hash.len() == 16 && parts.next().is_none();
    let revision = Revision(revision.parse().ok()?);
    (is_whole && view.position.epoch.is_of(position) && revision <= view.position.revision)
        .then_some(revision)
}

impl EndingsFeed {
    /// The zone that it is about.
    pub fn zone(&self) -> ZoneId {
        self.handle.id
    }

    /// What is to be told next: at once when something ended, else after
    /// [`ENDINGS_HEARTBEAT`].
    ///
    /// # Errors
    /// When the feed has ended.
    pub async fn next(&mut self) -> Result<EndingsBatch, FeedEnd> {
        loop {
            self.applied.mark_unchanged();
            let view = self.handle.view();
            if self.handle.is_stuck() {
                return Err(FeedEnd::Stuck);
            }
            if let Some(snapshot) = &mut self.snapshot {
                let batch = snapshot.next();
                if batch.position.is_some() {
                    self.snapshot = None;
                    self.told_at = Some(Instant::now());
                }
                return Ok(batch);
            }
            let now = view.position.revision;
            let endings = self.handle.endings.between(self.seen, now);
            let endings = endings.map_err(|_| FeedEnd::Slow)?;
            self.seen = now;
            let due = self.told_at.map(|told| told + ENDINGS_HEARTBEAT);
            let is_due = due.is_none_or(|due| due <= Instant::now());
            if !endings.is_empty() || is_due {
                self.check(&view).await?;
                self.told_at = Some(Instant::now());
                return Ok(EndingsBatch {
                    is_reset: false,
                    endings,
                    position: Some(view.position.to_string()),
                });
            }
            let due = due.unwrap_or_else(Instant::now);
            // A zone that is gone tells so by its own silence.
            let _ = tokio::time::timeout_at(due, self.applied.changed()).await;
        }
    }

    /// Whether the client may still know.
    async fn check(&self, view: &ZoneView) -> Result<(), FeedEnd> {
        let known = self
            .engine
            .authenticate_caller(&self.credentials, self.key.as_deref());
        let is_revoked = view.is_revoked(Anchor::Application(self.application));
        if is_revoked || known.await.is_err() {
            return Err(FeedEnd::Refused);
        }
        Ok(())
    }
}

/// Everything that is dead now and still remembered. It holds what is stored, not copies.
struct Snapshot {
    revision: Revision,
    position: String,
    revocations: VecDeque<Arc<Stored<Revocation>>>,
    sessions: VecDeque<Arc<Stored<Session>>>,
    begun: bool,
}

impl Snapshot {
    fn of(view: &ZoneView) -> Self {
        let is_limited = |held: &&Arc<Stored<Session>>| {
            held.value.status == SessionStatus::Suspended || held.value.generation > 1
        };
        Self {
            revision: view.position.revision,
            position: view.position.to_string(),
            revocations: view.revocations.values().cloned().collect(),
            sessions: view.sessions.iter().filter(is_limited).cloned().collect(),
            begun: false,
        }
    }

    fn next(&mut self) -> EndingsBatch {
        let revision = self.revision;
        let ending = |kind, anchor, through| Ending {
            kind,
            anchor: Some(anchor),
            key: None,
            revision,
            through,
            generation: None,
        };
        let mut endings = Vec::new();
        while endings.len() < BATCH {
            if let Some(held) = self.revocations.pop_front() {
                let (kind, through) = of_revocation(&held.value);
                endings.push(ending(kind, held.value.anchor, through));
            } else if let Some(held) = self.sessions.pop_front() {
                let anchor = Anchor::Session(held.value.id);
                if held.value.status == SessionStatus::Suspended {
                    endings.push(ending(EndingKind::Suspended, anchor, None));
                }
                if let Some(fenced) = held.value.fenced {
                    endings.push(Ending::fenced(&held.value, revision, fenced));
                }
            } else {
                break;
            }
        }
        let is_done = self.revocations.is_empty() && self.sessions.is_empty();
        EndingsBatch {
            is_reset: !std::mem::replace(&mut self.begun, true),
            endings,
            position: is_done.then(|| self.position.clone()),
        }
    }
}
