//! Closing a session. Everything below it ends by derivation.

use caracal_core::{EventType, Kind, Session, SessionId, ZoneId};

use super::sweep::end_budget;
use crate::caller::Caller;
use crate::change::Change;
use crate::view::{Stored, ZoneView};
use crate::{Admin, CallerCredentials, Engine, IssueError};

impl Engine {
    /// Closes a session: the caller's own, one below it, or one of its application.
    ///
    /// # Errors
    /// See [`IssueError`]. A session that does not exist (any more) is `invalid_grant`.
    pub async fn close_session(
        &self,
        credentials: &CallerCredentials,
        key: Option<&str>,
        id: SessionId,
        request_id: &str,
    ) -> Result<(), IssueError> {
        let caller = self.authenticate_caller(credentials, key).await?;
        let admin = caller.admin(request_id);
        self.close_as(&caller, &admin, id).await
    }

    /// Closes a session by an operator's own access.
    ///
    /// # Errors
    /// Needs the role admin; there must be such a session.
    pub async fn close_session_of(
        &self,
        zone: ZoneId,
        admin: &Admin,
        id: SessionId,
    ) -> Result<(), IssueError> {
        let application = self.find_session(zone, admin, id)?.value.application;
        let caller = self.operate(zone, admin, application)?;
        self.close_as(&caller, admin, id).await
    }

    async fn close_as(
        &self,
        caller: &Caller,
        admin: &Admin,
        id: SessionId,
    ) -> Result<(), IssueError> {
        let closed = self.write_as(caller.zone(), admin, |view| {
            let held = caller.session_to_end(view, id)?;
            let mut change = Change::standalone(caller.zone());
            end_session(view, held, &mut change);
            let mut event = caller.event(self, EventType::SessionClosed, admin);
            event.session = Some(id);
            event.parent = held.value.parent;
            change.events.push(event);
            Ok::<_, IssueError>((change, ()))
        });
        match closed.await {
            Ok(()) => Ok(()),
            Err(error) => self.deny_on(caller, id, error, &admin.request_id).await,
        }
    }

    /// Records a refusal about a session, and refuses.
    pub(super) async fn deny_on<T>(
        &self,
        caller: &Caller,
        session: SessionId,
        error: IssueError,
        request_id: &str,
    ) -> Result<T, IssueError> {
        let admin = caller.admin(request_id);
        let mut event = caller.event(self, EventType::SessionDenied, &admin);
        event.target = Some(session.to_string());
        self.deny(caller, event, error).await
    }
}

/// Removes a session with what was kept for it.
pub(super) fn end_session(view: &ZoneView, held: &Stored<Session>, change: &mut Change) {
    let id = held.value.id.uuid();
    change.delete(Kind::Session, id, held.version);
    end_budget(view, id, held.value.calls, change);
}
