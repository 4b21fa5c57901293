//! Holding a session: heartbeats, a new holder, suspending and resuming.

use caracal_core::SuspendedBy::{Operator, Workload};
use caracal_core::{EventType, Kind, Session, SessionId, SessionStatus, ZoneId};

use crate::caller::Caller;
use crate::change::Change;
use crate::{Admin, CallerCredentials, Engine, IssueError};

impl Engine {
    /// Says that a session's holder is there. The next generation is a new holder: it fences the
    /// one before, whose mandates are dead from then on.
    ///
    /// # Errors
    /// `stale_generation` for one that has been fenced; see [`IssueError`].
    pub async fn beat_session(
        &self,
        credentials: &CallerCredentials,
        key: Option<&str>,
        id: SessionId,
        generation: u64,
        request_id: &str,
    ) -> Result<(ZoneId, Session), IssueError> {
        let caller = self.authenticate_caller(credentials, key).await?;
        let admin = caller.admin(request_id);
        let beaten = self.write_as(caller.zone(), &admin, |view| {
            caller.session_named(Some(id))?;
            let held = caller.own_session(view, id)?;
            let mut change = Change::standalone(caller.zone());
            let now = held.value.generation;
            if generation == now {
                self.path_of_held(&caller, view, id)?;
                return Ok((change, held.value.clone()));
            }
            if generation != now + 1 {
                return Err(IssueError::stale_generation(now));
            }
            self.path_of_held(&caller, view, id)?;
            let mut session = held.value.clone();
            session.generation = generation;
            session.fenced = Some(view.position.revision);
            change.read(Kind::Session, id.uuid(), held.version);
            change.put(Kind::Session, id.uuid(), None, held.version, &session)?;
            let mut event = caller.event(self, EventType::SessionTaken, &admin);
            event.session = Some(id);
            change.events.push(event);
            Ok((change, session))
        });
        match beaten.await {
            Ok(session) => {
                if session.heartbeat_seconds.is_some() {
                    caller.handle.leases.beat(id, self.now());
                    // It may have been closed, and forgotten, before this.
                    if caller.handle.view().sessions.find(id).is_none() {
                        caller.handle.leases.forget(id);
                    }
                }
                Ok((caller.zone(), session))
            }
            Err(error) => self.deny_on(&caller, id, error, request_id).await,
        }
    }

    /// A session's path, though it may be suspended: its holder is still there.
    fn path_of_held(
        &self,
        caller: &Caller,
        view: &crate::view::ZoneView,
        id: SessionId,
    ) -> Result<(), IssueError> {
        match self.path_of(caller, view, id, None) {
            Err(IssueError::SessionSuspended) | Ok(_) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Suspends a session, or resumes it. While it is suspended nothing is issued or called under
    /// it or below it, and what was going on is cut.
    ///
    /// # Errors
    /// `suspended_by_operator` for a workload that resumes what an operator suspended.
    /// See [`IssueError`].
    pub async fn set_session_status(
        &self,
        credentials: &CallerCredentials,
        key: Option<&str>,
        id: SessionId,
        status: SessionStatus,
        request_id: &str,
    ) -> Result<(ZoneId, Session), IssueError> {
        let caller = self.authenticate_caller(credentials, key).await?;
        let admin = caller.admin(request_id);
        let session = self.set_status_as(&caller, &admin, id, status).await?;
        Ok((caller.zone(), session))
    }

    /// Suspends or resumes a session by an operator's own access.
    ///
    /// # Errors
    /// Needs the role admin; there must be such a session.
    pub async fn set_session_status_of(
        &self,
        zone: ZoneId,
        admin: &Admin,
        id: SessionId,
        status: SessionStatus,
    ) -> Result<Session, IssueError> {
        let application = self.find_session(zone, admin, id)?.value.application;
        let caller = self.operate(zone, admin, application)?;
        self.set_status_as(&caller, admin, id, status).await
    }

    async fn set_status_as(
        &self,
        caller: &Caller,
        admin: &Admin,
        id: SessionId,
        status: SessionStatus,
    ) -> Result<Session, IssueError> {
        let set = self.write_as(caller.zone(), admin, |view| {
            let held = caller.session_to_end(view, id)?;
            // Whoever runs under it may be why it was suspended.
            if status == SessionStatus::Active && caller.session == Some(id) {
                let why =
                    "a session does not resume itself: its application does, or what is above it";
                return Err(IssueError::denied("session", why));
            }
            let was = &held.value;
            let by_operator =
                was.status == SessionStatus::Suspended && was.suspended_by != Some(Workload);
            if status == SessionStatus::Active && by_operator && caller.operator.is_none() {
                let why = format!("an operator suspended `{id}`: only operators resume it");
                return Err(IssueError::conflict("suspended_by_operator", why));
            }
            self.path_of_held(caller, view, id)?;
            let mut change = Change::standalone(caller.zone());
            let mut session = was.clone();
            session.status = status;
            session.suspended_by = match status {
                SessionStatus::Active => None,
                SessionStatus::Suspended if by_operator || caller.operator.is_some() => {
                    Some(Operator)
                }
                SessionStatus::Suspended => Some(Workload),
            };
            if session == *was {
                return Ok((change, session));
            }
            change.read(Kind::Session, id.uuid(), held.version);
            change.put(Kind::Session, id.uuid(), None, held.version, &session)?;
            let event_type = match status {
                SessionStatus::Suspended => EventType::SessionSuspended,
                SessionStatus::Active => EventType::SessionResumed,
            };
            let mut event = caller.event(self, event_type, admin);
            event.session = Some(id);
            change.events.push(event);
            Ok((change, session))
        });
        match set.await {
            Ok(session) => Ok(session),
            Err(error) => self.deny_on(caller, id, error, &admin.request_id).await,
        }
    }
}
