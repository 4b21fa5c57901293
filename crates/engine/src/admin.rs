//! The frame of every administrative use case: who asks, under which conditions, and how a
//! change becomes durable.

use std::time::Duration;

use caracal_core::{CommitId, Event, EventType, Kind, Position, Secret, Version, ZoneId};
use caracal_store::{Commit, CommitError, StoreError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::change::Change;
use crate::view::{Remembered, ZoneKeys, ZoneView};
use crate::zone_handle::ZoneHandle;
use crate::{AdminError, Engine, Operator};

const CONFLICT_LIMIT: usize = 32;
const CONFIRM_LIMIT: Duration = Duration::from_secs(5);
/// How long the answer of a write with an idempotency key is remembered.
const REMEMBER_HOURS: i64 = 24;

/// An administrative request.
#[derive(Debug, Clone)]
pub struct Admin {
    /// Who asks.
    pub operator: Operator,
    /// The request's id, for its events.
    pub request_id: String,
    /// True: check everything, change nothing.
    pub dry_run: bool,
    /// The version that the changed object must have.
    pub if_match: Option<u64>,
    /// The client's key for this write.
    pub idempotency: Option<Idempotency>,
}

/// A write that a client may repeat.
#[derive(Debug, Clone)]
pub struct Idempotency {
    /// The client's key.
    pub key: String,
    /// Tells whether a repeated request is the same: method, path and body.
    pub input: Vec<u8>,
}

impl Admin {
    /// A plain request without conditions.
    pub fn new(operator: Operator, request_id: impl Into<String>) -> Self {
        Self {
            operator,
            request_id: request_id.into(),
            dry_run: false,
            if_match: None,
            idempotency: None,
        }
    }

    pub(crate) fn check_version(&self, found: Version) -> Result<(), AdminError> {
        match self.if_match {
            Some(expected) if expected != found.0 => Err(AdminError::VersionMismatch {
                found: found.0,
                expected,
            }),
            _ => Ok(()),
        }
    }
}

impl Engine {
    /// Runs a change until it is made or refused. `build` decides on a view; when what it
    /// read has changed meanwhile, it decides again on a newer one.
    pub(crate) async fn write<T, F>(
        &self,
        zone: ZoneId,
        admin: &Admin,
        build: F,
    ) -> Result<T, AdminError>
    where
        T: Serialize + DeserializeOwned,
        F: Fn(&ZoneView) -> Result<(Change, T), AdminError>,
    {
        let handle = self
            .zone_handle(zone)
            .ok_or_else(|| AdminError::not_found("zone", zone))?;
        for _ in 0..CONFLICT_LIMIT {
            let view = handle.view();
            if let Some(answer) = self.recall(&view, admin)? {
                return Ok(answer);
            }
            let (mut change, answer) = build(&view)?;
            if admin.dry_run || change.is_empty() {
                return Ok(answer);
            }
            self.remember(&view, admin, &mut change, &answer)?;
            match self.submit(zone, change).await {
                Ok(position) => {
                    self.confirm(&handle, position).await?;
                    return Ok(answer);
                }
                Err(CommitError::Conflict { .. }) => {
                    let newer = view.position.revision.next();
                    handle.wait_applied(newer, Duration::from_secs(1)).await;
                }
                Err(error) => return Err(refused(error)),
            }
        }
        Err(AdminError::Busy)
    }

    /// Commits a change; after an ambiguous failure it finds out what happened.
    async fn submit(&self, zone: ZoneId, change: Change) -> Result<Position, CommitError> {
        let id = CommitId::new(self.now(), &caracal_crypto::random_bytes());
        let Change {
            reads,
            writes,
            events,
            ..
        } = change;
        let commit = Commit {
            id,
            zone,
            reads,
            writes,
            events,
        };
        self.commit_or_find(commit).await
    }

    pub(crate) async fn commit_or_find(&self, commit: Commit) -> Result<Position, CommitError> {
        let (zone, id) = (commit.zone, commit.id);
        match self.state().commit(commit).await {
            Err(CommitError::Store(StoreError::Unavailable(why))) => {
                match self.state().find_commit(zone, id).await {
                    Ok(Some(position)) => Ok(position),
                    Ok(None) => Err(CommitError::Store(StoreError::Unavailable(why))),
                    Err(error) => Err(CommitError::Store(error)),
                }
            }
            other => other,
        }
    }

    /// A commit is acknowledged after this node decides on it and its events are in the log.
    pub(crate) async fn confirm(
        &self,
        handle: &ZoneHandle,
        position: Position,
    ) -> Result<(), AdminError> {
        let applied = handle.wait_applied(position.revision, CONFIRM_LIMIT).await;
        let recorded = handle.wait_recorded(position.revision, CONFIRM_LIMIT).await;
        if applied && recorded {
            return Ok(());
        }
        Err(AdminError::Unavailable {
            why: "the change is made, but its evidence could not be written yet; \
                  it will be as soon as the ledger can be written again"
                .to_owned(),
            done: true,
        })
    }

    /// An event of an administrative change.
    pub(crate) fn admin_event(&self, zone: ZoneId, admin: &Admin, event_type: EventType) -> Event {
        let mut event = self.event(zone, event_type, &admin.request_id);
        event.operator = Some(admin.operator.label().to_owned());
        event
    }

    fn recall<T: DeserializeOwned>(
        &self,
        view: &ZoneView,
        admin: &Admin,
    ) -> Result<Option<T>, AdminError> {
        let Some(idempotency) = &admin.idempotency else {
            return Ok(None);
        };
        let Some(held) = view.remembered.get(&key_of(view, admin, idempotency)) else {
            return Ok(None);
        };
        if held.value.input != input_of(view, idempotency) {
            return Err(AdminError::IdempotencyConflict);
        }
        let context = ZoneKeys::context(view.zone.value.id, "idempotency");
        let unreadable = |why: String| AdminError::Unavailable { why, done: true };
        let plain = self
            .keyring()
            .open(&held.value.answer, &context)
            .map_err(|e| unreadable(format!("the remembered answer cannot be opened: {e}")))?;
        serde_json::from_slice(plain.expose())
            .map(Some)
            .map_err(|e| unreadable(format!("the remembered answer cannot be read: {e}")))
    }

    fn remember<T: Serialize>(
        &self,
        view: &ZoneView,
        admin: &Admin,
        change: &mut Change,
        answer: &T,
    ) -> Result<(), AdminError> {
        let Some(idempotency) = &admin.idempotency else {
            return Ok(());
        };
        let unwritable = |why: String| AdminError::Unavailable { why, done: false };
        let now = self.now();
        for (id, old) in &view.remembered {
            let age = now.duration_since(old.value.created_at);
            if age.as_hours() >= REMEMBER_HOURS {
                change.delete(Kind::Idempotency, *id, old.version);
            }
        }
        // The answer may hold a client secret, so it is kept sealed.
        let plain = serde_json::to_vec(answer).map_err(|e| unwritable(e.to_string()))?;
        let context = ZoneKeys::context(view.zone.value.id, "idempotency");
        let answer = self
            .keyring()
            .seal(&Secret::new(plain), &context)
            .map_err(|e| unwritable(e.to_string()))?;
        let remembered = Remembered {
            input: input_of(view, idempotency),
            answer,
            created_at: now,
        };
        let id = key_of(view, admin, idempotency);
        change.put(Kind::Idempotency, id, None, Version::ABSENT, &remembered)
    }
}

fn key_of(view: &ZoneView, admin: &Admin, idempotency: &Idempotency) -> Uuid {
    let digest = caracal_crypto::keyed_digest(
        &view.keys.digest,
        format!("{}\n{}", admin.operator.label(), idempotency.key).as_bytes(),
    );
    let mut bytes = [0; 16];
    for (to, from) in bytes.iter_mut().zip(digest) {
        *to = from;
    }
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

fn input_of(view: &ZoneView, idempotency: &Idempotency) -> String {
    caracal_crypto::hex(&caracal_crypto::keyed_digest(
        &view.keys.digest,
        &idempotency.input,
    ))
}

/// A refusal of the store in the words of administration.
pub(crate) fn refused(error: CommitError) -> AdminError {
    match error {
        CommitError::NameTaken { name, .. } => AdminError::NameTaken(name.to_string()),
        CommitError::Conflict { .. } => AdminError::Busy,
        CommitError::Malformed(why) => AdminError::Unavailable {
            why: why.to_owned(),
            done: false,
        },
        CommitError::Store(error) => AdminError::Unavailable {
            why: error.to_string(),
            done: false,
        },
    }
}
