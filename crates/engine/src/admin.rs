//! The frame of every administrative use case: who asks, under which conditions, and how a
//! change becomes durable.

use std::time::Duration;

use caracal_core::{CommitId, Event, EventType, LogId, Position, Version, ZoneId};
use caracal_ledger::LeafDraft;
use caracal_store::{Commit, CommitError, StoreError};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::change::Change;
use crate::meters::committed;
use crate::view::ZoneView;
use crate::zone_handle::ZoneHandle;
use crate::{AdminError, Engine, Idempotency, Operator};

const CONFLICT_LIMIT: usize = 32;
const CONFIRM_LIMIT: Duration = Duration::from_secs(5);
/// The most changes of a zone whose events are not in the ledger yet.
const MAX_BACKLOG: u64 = 1000;

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
    /// The configuration that the change was planned on, as [`crate::Applied::base`] has it.
    pub base: Option<String>,
    /// The client's key for this write.
    pub idempotency: Option<Idempotency>,
}

impl Admin {
    /// A plain request without conditions.
    pub fn new(operator: Operator, request_id: impl Into<String>) -> Self {
        Self {
            operator,
            request_id: request_id.into(),
            dry_run: false,
            if_match: None,
            base: None,
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
        self.write_as(zone, admin, build).await
    }

    /// The same where it is refused in other words than those of administration.
    pub(crate) async fn write_as<T, E, F>(
        &self,
        zone: ZoneId,
        admin: &Admin,
        build: F,
    ) -> Result<T, E>
    where
        T: Serialize + DeserializeOwned,
        E: From<AdminError>,
        F: Fn(&ZoneView) -> Result<(Change, T), E>,
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
            check_backlog(&handle, &view, &change)?;
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
                Err(error) => return Err(refused(error).into()),
            }
        }
        Err(AdminError::Busy.into())
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
        let result = self.commit_or_find(commit).await;
        committed(&result);
        result
    }

    /// Makes a commit. Its events must be writable as leaves: once it is made, they must be.
    pub(crate) async fn commit_or_find(&self, commit: Commit) -> Result<Position, CommitError> {
        let any_log = LogId::from_uuid(uuid::Uuid::nil());
        if let Some(error) = commit
            .events
            .iter()
            .find_map(|event| LeafDraft::new(event, any_log).err())
        {
            tracing::error!(%error, "an event cannot be written");
            return Err(CommitError::Malformed("an event of it cannot be written"));
        }
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
        let label = admin.operator.label();
        event.operator = (!label.is_empty()).then(|| label.to_owned());
        event
    }
}

/// While the ledger cannot be written, the events of commits wait in memory: so many changes at
/// most. Ending authority goes on ten times as long.
fn check_backlog(handle: &ZoneHandle, view: &ZoneView, change: &Change) -> Result<(), AdminError> {
    let waiting = view.position.revision.0.saturating_sub(handle.recorded().0);
    let most = if change.only_revokes() {
        MAX_BACKLOG * 10
    } else {
        MAX_BACKLOG
    };
    if waiting < most {
        return Ok(());
    }
    Err(AdminError::Unavailable {
        why: format!("the ledger cannot be written, and {waiting} changes wait for it"),
        done: false,
    })
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
