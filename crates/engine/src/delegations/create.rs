//! Lending a slice of a session's authority.

use caracal_core::{
    Application, Authority, Delegation, DelegationId, DelegationStatus, Enforcement, EventType,
    Kind, Receiver, SessionId, Version,
};
use caracal_policy::{Actor, Effect, Phase};
use caracal_store::Read;
use jiff::{SignedDuration, Timestamp};

use super::{DEFAULT_DELEGATION_SECONDS, MAX_BORROWED, MAX_LENT};
use crate::caller::Caller;
use crate::change::Change;
use crate::decide::{PathQuestion, ask_path, reason_text};
use crate::path::{AuthorityPath, MAX_DELEGATION_DEPTH};
use crate::view::ZoneView;
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
        let created = self.write_as(caller.zone(), &admin, |view| {
            self.plan_delegation(view, &caller, &request)
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
        let path = self.lending_path(view, caller, request, now)?;
        check_depth(&path, request)?;
        if let Some(session) = receiver.session
            && path.links().any(|link| link.session == session)
        {
            let why = format!("`{session}` is on the path that this is taken from");
            return Err(IssueError::conflict("delegation_cycle", why));
        }
        check_fan_out(view, request, receiver.session)?;
        self.ask_to_lend(view, &path, &request.authority, receiver.application, now)?;
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
        now: Timestamp,
    ) -> Result<AuthorityPath, IssueError> {
        let slice = &request.authority;
        if request.via.is_some() {
            let path = self.path_of(caller, view, request.from, request.via)?;
            self.check_narrower(view, &path, slice, now)?;
            return Ok(path);
        }
        let own = self.path_of(caller, view, request.from, None)?;
        let Err(error) = self.check_narrower(view, &own, slice, now) else {
            return Ok(own);
        };
        let mut fitting = view
            .delegations
            .borrowed_by(request.from)
            .filter_map(|held| {
                let path = self
                    .path_of(caller, view, request.from, Some(held.value.id))
                    .ok()?;
                self.check_narrower(view, &path, slice, now).ok()?;
                Some(path)
            });
        match (fitting.next(), fitting.next()) {
            (None, _) => Err(error),
            (Some(only), None) => Ok(only),
            (Some(first), Some(second)) => {
                let ids = [&first, &second].map(|path| {
                    let last = path.delegations.last();
                    last.map_or_else(String::new, |held| format!("`{}`", held.value.id))
                });
                let why = format!("say by which delegation: {} and others do", ids.join(", "));
                Err(IssueError::InvalidTarget(why))
            }
        }
    }

    /// Across applications policy is asked whether the root lends each resource.
    pub(crate) fn ask_to_lend(
        &self,
        view: &ZoneView,
        path: &AuthorityPath,
        authority: &Authority,
        receiver: &Application,
        now: Timestamp,
    ) -> Result<(), IssueError> {
        if path.last().application.value.id == receiver.id {
            return Ok(());
        }
        let Some(policy) = &view.policy else {
            return Err(IssueError::denied(
                "policy",
                "no policy is active in this zone",
            ));
        };
        let none = std::collections::BTreeSet::new();
        for identifier in authority.resources() {
            let question = PathQuestion {
                phase: Phase::Mint,
                action: "caracal:lend",
                resource: identifier,
                now,
                enforcement: Enforcement::Gateway,
                request: None,
                approval: None,
                actor: Some(Actor {
                    application: &receiver.name,
                    labels: &none,
                }),
            };
            match ask_path(policy, path, &question).effect {
                Effect::Allow => {}
                Effect::Hold => {
                    let why = format!("lending `{identifier}` needs an approval");
                    return Err(IssueError::denied("approval", why));
                }
                Effect::Deny(reason) => {
                    let why = format!(
                        "{} to lend `{identifier}` to `{}`",
                        reason_text(reason),
                        receiver.name
                    );
                    return Err(IssueError::denied("policy", why));
                }
            }
        }
        Ok(())
    }
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
