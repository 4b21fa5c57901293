//! Lending a slice of a session's authority.

use std::collections::BTreeSet;
use std::sync::Arc;

use caracal_core::{
    Application, Authority, Delegation, DelegationId, DelegationStatus, EventType, Kind, Receiver,
    SessionId, Version,
};
use caracal_store::Read;
use jiff::SignedDuration;

use super::{DEFAULT_DELEGATION_SECONDS, Lending, MAX_BORROWED, MAX_LENT, MAX_TRIED};
use crate::caller::Caller;
use crate::change::Change;
use crate::decide::Asked;
use crate::path::{AuthorityPath, MAX_DELEGATION_DEPTH, MAX_PATH_SESSIONS};
use crate::questions::{MAX_QUESTIONS, Questions};
use crate::view::{Stored, ZoneView};
use crate::{CallerCredentials, Engine, Idempotency, IssueError};

/// A request to lend.
pub struct CreateDelegation {
    /// The session that lends.
    pub from: SessionId,
    /// The delegation that the lender has it by; none: its own root if that suffices, else the
    /// only one that does.
    pub via: Option<DelegationId>,
    /// Whom it is for.
    pub to: Receiver,
    /// What it lends.
    pub authority: Authority,
    /// The wanted life in seconds; a longer one than that of what it is taken from is shortened.
    pub ttl_seconds: Option<u32>,
    /// How many delegations may follow it; none: 0.
    pub max_depth: Option<u32>,
    /// How many calls may be made by it and everything below it.
    pub calls: Option<u64>,
    /// The client's key for this write.
    pub idempotency: Option<Idempotency>,
    /// The id for events.
    pub request_id: String,
}

impl Engine {
    /// Lends a slice of a session's authority to another session. Within an application it can
    /// be used at once; else it is offered, until the receiver accepts.
    ///
    /// # Errors
    /// `not_narrower` with a counterexample when the lender has less; see [`IssueError`].
    pub async fn create_delegation(
        &self,
        credentials: &CallerCredentials,
        key: Option<&str>,
        request: CreateDelegation,
    ) -> Result<Delegation, IssueError> {
        let caller = self.authenticate_caller(credentials, key).await?;
        let mut admin = caller.admin(&request.request_id);
        admin.idempotency = request.idempotency.clone();
        let turn = self.turn_for(weight(&caller.view, &request)).await?;
        let created = self.write_as(caller.zone(), &admin, |view| {
            turn.run(|| self.plan_delegation(view, &caller, &request))
        });
        match created.await {
            Ok(delegation) => Ok(delegation),
            Err(error) => {
                let mut event = caller.event(self, EventType::DelegationDenied, &admin);
                event.session = Some(request.from);
                self.deny(&caller, event, error).await
            }
        }
    }

    fn plan_delegation(
        &self,
        view: &ZoneView,
        caller: &Caller,
        request: &CreateDelegation,
    ) -> Result<(Change, Delegation), IssueError> {
        let now = self.now();
        check_spec(request)?;
        caller.own_application(view)?;
        caller.session_named(Some(request.from))?;
        let from = caller.own_session(view, request.from)?;
        let receiver = receiver_of(view, request)?;
        let mut questions = self.questions(MAX_QUESTIONS);
        let path = self.lending_path(view, caller, request, &mut questions)?;
        check_depth(&path, request)?;
        if let Some(session) = receiver.session
            && path.links().any(|link| link.session == session)
        {
            let why = format!("`{session}` is on the path that this is taken from");
            return Err(IssueError::conflict("delegation_cycle", why));
        }
        check_fan_out(view, request, receiver.session)?;
        let own = view.delegations.count_of_application(caller.application);
        let limits = &self.config().limits;
        limits.check_delegations(view.delegations.len(), own)?;
        if let Some(session) = receiver.session {
            check_length(view, &path, session)?;
        }
        let none = BTreeSet::new();
        let session = receiver.session.and_then(|id| view.sessions.find(id));
        let lending = Lending {
            lender: path.whole(),
            receiver: receiver.application,
            labels: session.map_or(&none, |held| &held.value.labels),
            now,
        };
        self.ask_to_lend(view, &lending, &request.authority, &mut questions)?;
        let within = receiver.application.id == caller.application;
        let is_active = within && receiver.session.is_some();
        let wanted = request.ttl_seconds.unwrap_or(DEFAULT_DELEGATION_SECONDS);
        let wanted = now
            .checked_add(SignedDuration::from_secs(wanted.into()))
            .unwrap_or(now);
        let id = DelegationId::new(now, &self.random());
        let delegation = Delegation {
            id,
            from: request.from,
            from_application: caller.application,
            via: path.delegations.last().map(|held| held.value.id),
            to: request.to,
            to_application: receiver.application.id,
            receiver: receiver.session.filter(|_| is_active),
            authority: request.authority.clone(),
            created_at: now,
            expires_at: path.expires_at().map_or(wanted, |end| wanted.min(end)),
            decided_on: view.position.revision,
            depth: depth_of(&path) + 1,
            max_depth: request.max_depth.unwrap_or(0),
            calls: request.calls,
            status: if is_active {
                DelegationStatus::Active
            } else {
                DelegationStatus::Offered
            },
        };
        let mut change = Change::of_configuration(view);
        read_path(&mut change, &path);
        change.read(Kind::Session, from.value.id.uuid(), from.version);
        if let Some(session) = receiver.session.and_then(|id| view.sessions.find(id)) {
            change.read(Kind::Session, session.value.id.uuid(), session.version);
        }
        change.reads.dedup();
        change.put(
            Kind::Delegation,
            id.uuid(),
            None,
            Version::ABSENT,
            &delegation,
        )?;
        let mut event = self.event(
            caller.zone(),
            EventType::DelegationCreated,
            &request.request_id,
        );
        event.application = Some(caller.application);
        event.session = Some(request.from);
        event.subject = path.root().subject();
        event.target = Some(id.to_string());
        event.delegations = Some(path.delegation_ids()).filter(|ids| !ids.is_empty());
        event.policy_version = view.zone.value.policy.clone();
        change.events.push(event);
        Ok((change, delegation))
    }

    /// The path that the lender has the slice by.
    fn lending_path(
        &self,
        view: &ZoneView,
        caller: &Caller,
        request: &CreateDelegation,
        questions: &mut Questions<'_>,
    ) -> Result<AuthorityPath, IssueError> {
        let slice = &request.authority;
        if request.via.is_some() {
            let path = self.path_of(caller, view, request.from, request.via)?;
            self.check_narrower(view, &path, slice, questions)?;
            return Ok(path);
        }
        let own = self.path_of(caller, view, request.from, None)?;
        let Err(error) = self.check_narrower(view, &own, slice, questions) else {
            return Ok(own);
        };
        let mut only: Option<AuthorityPath> = None;
        for (tried, held) in borrowed_for(view, request).enumerate() {
            let id = held.value.id;
            let say_which = |ids: String| {
                let why = format!("say by which delegation with `via`: {ids} and others may do");
                IssueError::InvalidTarget(why)
            };
            if tried >= MAX_TRIED {
                return Err(say_which(format!("`{id}`")));
            }
            let Ok(path) = self.path_of(caller, view, request.from, Some(id)) else {
                continue;
            };
            match self.check_narrower(view, &path, slice, questions) {
                Ok(()) => {}
                // Whoever may not ask that much says which.
                Err(IssueError::InvalidRequest(_)) => return Err(say_which(format!("`{id}`"))),
                Err(_) => continue,
            }
            if let Some(first) = only.replace(path) {
                let first = first.delegation_ids().last().map(|id| format!("`{id}`, "));
                return Err(say_which(format!("{}`{id}`", first.unwrap_or_default())));
            }
        }
        only.ok_or(error)
    }

    /// Across applications policy is asked whether the root lends each resource.
    pub(super) fn ask_to_lend(
        &self,
        view: &ZoneView,
        lending: &Lending<'_>,
        authority: &Authority,
        questions: &mut Questions<'_>,
    ) -> Result<(), IssueError> {
        if lending.is_within() {
            return Ok(());
        }
        questions.take(authority.resources().count() * lending.lender.len())?;
        let mut asked = Asked::default();
        authority
            .resources()
            .try_for_each(|identifier| lending.ask(view, identifier, questions, &mut asked))
    }
}

/// The delegations by which the lender may have the slice.
fn borrowed_for<'v>(
    view: &'v ZoneView,
    request: &'v CreateDelegation,
) -> impl Iterator<Item = &'v Arc<Stored<Delegation>>> {
    let has = |held: &&Arc<Stored<Delegation>>| {
        request
            .authority
            .find_excess(&held.value.authority)
            .is_none()
    };
    view.delegations.borrowed_by(request.from).filter(has)
}

/// Adds every object of a path to what a change was decided on.
pub(super) fn read_path(change: &mut Change, path: &AuthorityPath) {
    let sessions = path.links().filter_map(|link| link.stored());
    let sessions = sessions.map(|held| (Kind::Session, held.value.id.uuid(), held.version));
    let applications = path.links().map(|link| &link.application);
    let applications =
        applications.map(|held| (Kind::Application, held.value.id.uuid(), held.version));
    let delegations = path.delegations.iter();
    let delegations =
        delegations.map(|held| (Kind::Delegation, held.value.id.uuid(), held.version));
    for (kind, id, version) in sessions.chain(applications).chain(delegations) {
        let read = Read { kind, id, version };
        if !change.reads.contains(&read) {
            change.reads.push(read);
        }
    }
}

/// How many questions it may take to lend: for every scope on each path that is tried, and for
/// every resource.
fn weight(view: &ZoneView, request: &CreateDelegation) -> usize {
    let own = view.sessions.find(request.from);
    let own = own.map_or(0, |held| held.value.depth as usize + 1);
    let longer = match request.via {
        Some(_) => 1,
        None => borrowed_for(view, request).take(MAX_TRIED).count(),
    };
    let lent = own.max(longer.min(1) * MAX_PATH_SESSIONS) * request.authority.resources().count();
    request.authority.iter().count() * (own + longer * MAX_PATH_SESSIONS) + lent
}

struct Lent<'v> {
    application: &'v Application,
    session: Option<SessionId>,
}

fn receiver_of<'v>(view: &'v ZoneView, request: &CreateDelegation) -> Result<Lent<'v>, IssueError> {
    let (id, session) = match request.to {
        Receiver::Session(session) if session == request.from => {
            let why = "a session does not delegate to itself";
            return Err(IssueError::conflict("self_delegation", why));
        }
        Receiver::Session(session) => {
            let held = view.sessions.find(session).ok_or_else(|| {
                IssueError::InvalidGrant(format!("no session `{session}` to delegate to"))
            })?;
            (held.value.application, Some(session))
        }
        Receiver::Application(id) => (id, None),
    };
    let application = view
        .applications
        .find_by_id(id.uuid())
        .ok_or_else(|| IssueError::InvalidGrant(format!("no application `{id}` to delegate to")))?;
    Ok(Lent {
        application: &application.value,
        session,
    })
}

fn depth_of(path: &AuthorityPath) -> u32 {
    u32::try_from(path.delegations.len()).unwrap_or(u32::MAX)
}

fn check_depth(path: &AuthorityPath, request: &CreateDelegation) -> Result<(), IssueError> {
    let refuse = |why| Err(IssueError::conflict("depth_exceeded", why));
    if depth_of(path) >= MAX_DELEGATION_DEPTH {
        return refuse(format!(
            "a path has at most {MAX_DELEGATION_DEPTH} delegations"
        ));
    }
    let Some(last) = path.delegations.last() else {
        return Ok(());
    };
    let left = last.value.max_depth;
    if left == 0 {
        return refuse(format!(
            "`{}` may not be delegated any further",
            last.value.id
        ));
    }
    if request.max_depth.unwrap_or(0) >= left {
        let most = left - 1;
        return refuse(format!(
            "`max_depth` is at most {most} below `{}`",
            last.value.id
        ));
    }
    Ok(())
}

/// A path that is too long could not be used.
pub(super) fn check_length(
    view: &ZoneView,
    path: &AuthorityPath,
    receiver: SessionId,
) -> Result<(), IssueError> {
    let length = path.len_with(view, receiver);
    if length.map_err(|broken| broken.into_issue_error(view))? > MAX_PATH_SESSIONS {
        let why = format!("a path has at most {MAX_PATH_SESSIONS} sessions");
        return Err(IssueError::conflict("depth_exceeded", why));
    }
    Ok(())
}

pub(super) fn check_borrowed(view: &ZoneView, session: SessionId) -> Result<(), IssueError> {
    if view.delegations.count_into(session) >= MAX_BORROWED {
        let why = format!("`{session}` may use {MAX_BORROWED} delegations already");
        return Err(IssueError::conflict("fan_out_exceeded", why));
    }
    Ok(())
}

fn check_fan_out(
    view: &ZoneView,
    request: &CreateDelegation,
    receiver: Option<SessionId>,
) -> Result<(), IssueError> {
    if view.delegations.count_of(request.from) >= MAX_LENT {
        let why = format!("`{}` lends {MAX_LENT} delegations already", request.from);
        return Err(IssueError::conflict("fan_out_exceeded", why));
    }
    receiver.map_or(Ok(()), |session| check_borrowed(view, session))
}

fn check_spec(request: &CreateDelegation) -> Result<(), IssueError> {
    let refuse = |why: &str| Err(IssueError::InvalidRequest(why.to_owned()));
    if request.authority.is_empty() {
        return refuse("`authority` names nothing");
    }
    if request.ttl_seconds == Some(0) {
        return refuse("`ttl_seconds` is at least 1");
    }
    if request.calls == Some(0) {
        return refuse("`budget.calls` is at least 1");
    }
    if request
        .max_depth
        .is_some_and(|depth| depth >= MAX_DELEGATION_DEPTH)
    {
        let why = format!("`max_depth` is at most {}", MAX_DELEGATION_DEPTH - 1);
        return Err(IssueError::conflict("depth_exceeded", why));
    }
    Ok(())
}
