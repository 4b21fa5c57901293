//! Accepting what another session offers.

use caracal_core::{
    Delegation, DelegationId, DelegationStatus, EventType, Kind, Receiver, SessionId,
};

use super::Lending;
use super::create::{check_borrowed, check_length, read_path};
use crate::caller::Caller;
use crate::change::Change;
use crate::path::{AuthorityPath, MAX_PATH_SESSIONS};
use crate::questions::MAX_QUESTIONS;
use crate::view::ZoneView;
use crate::{CallerCredentials, Engine, IssueError};

impl Engine {
    /// Accepts a delegation for a session; the first of an application's sessions wins.
    ///
    /// # Errors
    /// `invalid_grant` when it is not for this session; see [`IssueError`].
    pub async fn accept_delegation(
        &self,
        credentials: &CallerCredentials,
        key: Option<&str>,
        id: DelegationId,
        session: SessionId,
        request_id: &str,
    ) -> Result<Delegation, IssueError> {
        let caller = self.authenticate_caller(credentials, key).await?;
        let admin = caller.admin(request_id);
        let held = caller.view.delegations.find(id);
        let lent = held.map_or(0, |held| held.value.authority.resources().count());
        let turn = self.turn_for(lent * MAX_PATH_SESSIONS).await?;
        let accepted = self.write_as(caller.zone(), &admin, |view| {
            turn.run(|| self.plan_acceptance(view, &caller, id, session, request_id))
        });
        match accepted.await {
            Ok(delegation) => Ok(delegation),
            Err(error) => {
                let mut event = caller.event(self, EventType::DelegationDenied, &admin);
                event.session = Some(session);
                event.target = Some(id.to_string());
                self.deny(&caller, event, error).await
            }
        }
    }

    fn plan_acceptance(
        &self,
        view: &ZoneView,
        caller: &Caller,
        id: DelegationId,
        session: SessionId,
        request_id: &str,
    ) -> Result<(Change, Delegation), IssueError> {
        let none = || IssueError::InvalidGrant(format!("no delegation `{id}` for `{session}`"));
        let now = self.now();
        let application = caller.own_application(view)?;
        caller.session_named(Some(session))?;
        let receiver = caller.own_session(view, session)?;
        self.path_of(caller, view, session, None)?;
        let held = view.delegations.find(id).ok_or_else(none)?;
        let delegation = &held.value;
        let is_for = match delegation.to {
            Receiver::Session(named) => named == session,
            Receiver::Application(named) => named == caller.application,
        };
        if !is_for {
            return Err(none());
        }
        if delegation.status == DelegationStatus::Active {
            return match delegation.receiver {
                Some(held) if held == session => {
                    Ok((Change::standalone(caller.zone()), delegation.clone()))
                }
                _ => Err(none()),
            };
        }
        if now >= delegation.expires_at
            || view.revokes(caracal_core::Anchor::Delegation(id), delegation.decided_on)
        {
            return Err(none());
        }
        // What it is taken from must still stand, and still be lent.
        let leases = &caller.handle.leases;
        let path = AuthorityPath::resolve(view, leases, now, delegation.from, delegation.via)
            .map_err(|broken| broken.into_issue_error(view))?;
        if path.links().any(|link| link.session == session) {
            let why = format!("`{session}` is on the path that this is taken from");
            return Err(IssueError::conflict("delegation_cycle", why));
        }
        check_borrowed(view, session)?;
        check_length(view, &path, session)?;
        let lending = Lending {
            lender: path.whole(),
            receiver: &application.value,
            labels: &receiver.value.labels,
            now,
        };
        let mut questions = self.questions(MAX_QUESTIONS);
        self.ask_to_lend(view, &lending, &delegation.authority, &mut questions)?;
        let mut accepted = delegation.clone();
        accepted.receiver = Some(session);
        accepted.status = DelegationStatus::Active;
        let mut change = Change::of_configuration(view);
        read_path(&mut change, &path);
        change.read(Kind::Session, session.uuid(), receiver.version);
        change.read(Kind::Delegation, id.uuid(), held.version);
        change.put(Kind::Delegation, id.uuid(), None, held.version, &accepted)?;
        let mut event = self.event(caller.zone(), EventType::DelegationAccepted, request_id);
        event.application = Some(caller.application);
        event.session = Some(session);
        event.target = Some(id.to_string());
        change.events.push(event);
        Ok((change, accepted))
    }
}
