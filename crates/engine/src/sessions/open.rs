//! Opening a session, also below another.

use std::collections::BTreeSet;
use std::sync::Arc;

use caracal_core::{
    Anchor, ApplicationId, Authority, Confirmation, EventType, Kind, Label, Session, SessionId,
    SessionStatus, SubjectId, Version, ZoneId,
};
use caracal_store::Read;
use jiff::{SignedDuration, Timestamp};

use super::{
    DEFAULT_SESSION_SECONDS, HEARTBEAT_SECONDS, MAX_CHILDREN, MAX_SESSION_LABELS,
    MAX_SESSION_SECONDS,
};
use crate::caller::Caller;
use crate::change::Change;
use crate::path::{AuthorityPath, MAX_PATH_SESSIONS, MAX_SESSION_DEPTH};
use crate::questions::MAX_QUESTIONS;
use crate::view::{Stored, ZoneView};
use crate::{
    Admin, CallerCredentials, Engine, Idempotency, IssueError, IssuedMandate, SubjectTokenError,
};

/// A request for a session.
#[derive(Default)]
pub struct OpenSession {
    /// The labels, among what the application is registered for.
    pub labels: BTreeSet<Label>,
    /// The wanted life in seconds; a longer one is shortened.
    pub ttl_seconds: Option<u32>,
    /// After how many seconds without a heartbeat it ends.
    pub heartbeat_seconds: Option<u32>,
    /// The session that it is a part of.
    pub parent_id: Option<SessionId>,
    /// What it may do at most.
    pub authority: Option<Authority>,
    /// The ID token of the person that it works for, of a registered issuer.
    pub subject_token: Option<String>,
    /// The key that it is bound to.
    pub cnf: Option<Confirmation>,
    /// How many calls it and everything below it may make.
    pub calls: Option<u64>,
    /// The client's key for this write.
    pub idempotency: Option<Idempotency>,
    /// The id for events.
    pub request_id: String,
}

/// A session that was opened.
pub struct OpenedSession {
    /// The zone.
    pub zone: ZoneId,
    /// The session.
    pub session: Session,
    /// What its holder proves itself with; none on a dry run.
    pub mandate: Option<IssuedMandate>,
}

impl Engine {
    /// Opens a session. Its event is in the ledger before this returns.
    ///
    /// # Errors
    /// See [`IssueError`]; nothing was opened.
    pub async fn open_session(
        &self,
        credentials: &CallerCredentials,
        key: Option<&str>,
        request: OpenSession,
    ) -> Result<OpenedSession, IssueError> {
        let caller = self.authenticate_caller(credentials, key).await?;
        let mut admin = caller.admin(&request.request_id);
        admin.idempotency = request.idempotency.clone();
        self.open_as(&caller, &admin, request).await
    }

    /// Opens a session in the name of an application, by an operator's own access.
    ///
    /// # Errors
    /// Needs the role admin; see [`IssueError`]. On a dry run nothing is opened, and the mandate is
    /// empty.
    pub async fn open_session_for(
        &self,
        zone: ZoneId,
        admin: &Admin,
        application: ApplicationId,
        request: OpenSession,
    ) -> Result<OpenedSession, IssueError> {
        let caller = self.operate(zone, admin, application)?;
        self.open_as(&caller, admin, request).await
    }

    async fn open_as(
        &self,
        caller: &Caller,
        admin: &Admin,
        request: OpenSession,
    ) -> Result<OpenedSession, IssueError> {
        let slice = request.authority.as_ref();
        let slice = slice.map_or(0, |authority| authority.iter().count());
        let turn = self
            .turn_for(slice * (MAX_SESSION_DEPTH as usize + 1))
            .await?;
        let opened = async {
            let subject = match &request.subject_token {
                Some(text) => {
                    let proven = self.prove_subject(&caller.handle, caller.application, text);
                    Some(Box::pin(proven).await?)
                }
                None => None,
            };
            self.write_as(caller.zone(), admin, |view| {
                turn.run(|| self.plan_session(view, caller, &request, subject))
            })
            .await
        };
        let session = match opened.await {
            Ok(session) => session,
            Err(error) => {
                let mut event = caller.event(self, EventType::SessionDenied, admin);
                event.parent = request.parent_id;
                return self.deny(caller, event, error).await;
            }
        };
        let mandate = if admin.dry_run {
            None
        } else {
            let issued = self.issue_first_session_mandate(caller, &session, &request.request_id);
            Some(issued.await?)
        };
        Ok(OpenedSession {
            zone: caller.zone(),
            session,
            mandate,
        })
    }

    fn plan_session(
        &self,
        view: &ZoneView,
        caller: &Caller,
        request: &OpenSession,
        subject: Option<SubjectId>,
    ) -> Result<(Change, Session), IssueError> {
        let zone = caller.zone();
        let now = self.now();
        check_spec(request)?;
        let application = caller.own_application(view)?;
        let unregistered = request
            .labels
            .iter()
            .find(|label| !application.value.labels.contains(*label));
        if let Some(label) = unregistered {
            let why = format!(
                "`{}` is not registered for the label `{label}`",
                application.value.name
            );
            return Err(IssueError::conflict("label_not_registered", why));
        }
        let own = view.sessions.count_of(application.value.id);
        let limits = &self.config().limits;
        limits.check_sessions(view.sessions.len(), own)?;
        let mut change = Change::of_configuration(view);
        change.read(
            Kind::Application,
            application.value.id.uuid(),
            application.version,
        );
        let parent = match caller.session_named(request.parent_id)? {
            Some(id) => Some(caller.own_session(view, id)?),
            None => None,
        };
        if subject.is_some_and(|id| view.is_revoked(Anchor::Subject(id))) {
            return Err(SubjectTokenError::Revoked.into());
        }
        if parent.is_some_and(|p| subject.is_some() && p.value.subject != subject) {
            return Err(SubjectTokenError::OtherSubject.into());
        }
        let id = SessionId::new(now, &self.random());
        let above = match parent {
            Some(parent) => {
                change.read(Kind::Session, parent.value.id.uuid(), parent.version);
                let path = self.path_of(caller, view, parent.value.id, None)?;
                check_child(view, parent)?;
                Some(path)
            }
            None => None,
        };
        let wanted = request.ttl_seconds.unwrap_or(DEFAULT_SESSION_SECONDS);
        let wanted = now
            .checked_add(SignedDuration::from_secs(
                wanted.min(MAX_SESSION_SECONDS).into(),
            ))
            .unwrap_or(now);
        let end = above.as_ref().and_then(AuthorityPath::expires_at);
        let expires_at = end.map_or(wanted, |end| wanted.min(end));
        let mut labels = request.labels.clone();
        labels.extend(parent.iter().flat_map(|p| p.value.labels.iter().cloned()));
        let session = Session {
            id,
            application: application.value.id,
            parent: parent.map(|p| p.value.id),
            depth: parent.map_or(0, |p| p.value.depth + 1),
            created_at: now,
            expires_at,
            decided_on: view.position.revision,
            labels,
            subject: parent.map_or(subject, |p| p.value.subject),
            authority: request.authority.clone(),
            heartbeat_seconds: request.heartbeat_seconds,
            calls: request.calls,
            generation: 1,
            fenced: None,
            status: SessionStatus::Active,
            suspended_by: None,
            cnf: request.cnf.clone(),
            operator: caller.operator.clone(),
        };
        if let Some(authority) = &request.authority {
            // A root is asked as it will be, with its labels and its Subject.
            let path = above.unwrap_or_else(|| {
                let application = Arc::clone(application);
                AuthorityPath::of_root(application, Version::ABSENT, session.clone())
            });
            let mut questions = self.questions(MAX_QUESTIONS);
            self.check_narrower(view, &path, authority, &mut questions)?;
        }
        change.put(Kind::Session, id.uuid(), None, Version::ABSENT, &session)?;
        let mut event = self.event(zone, EventType::SessionOpened, &request.request_id);
        event.application = Some(session.application);
        event.operator = session.operator.clone();
        event.session = Some(id);
        event.parent = session.parent;
        event.subject = session.subject;
        change.events.push(event);
        Ok((change, session))
    }

    /// What must be alive for a new session, and is no object that it reads.
    pub(crate) fn path_of(
        &self,
        caller: &Caller,
        view: &ZoneView,
        session: SessionId,
        by: Option<caracal_core::DelegationId>,
    ) -> Result<AuthorityPath, IssueError> {
        AuthorityPath::resolve(view, &caller.handle.leases, self.now(), session, by)
            .map_err(|broken| broken.into_issue_error(view))
    }
}

fn check_spec(request: &OpenSession) -> Result<(), IssueError> {
    let refuse = |why: &str| Err(IssueError::InvalidRequest(why.to_owned()));
    if request.ttl_seconds == Some(0) {
        return refuse("`ttl_seconds` is at least 1");
    }
    if request.calls == Some(0) {
        return refuse("`budget.calls` is at least 1");
    }
    if request.labels.len() > MAX_SESSION_LABELS {
        return Err(IssueError::InvalidRequest(format!(
            "at most {MAX_SESSION_LABELS} labels"
        )));
    }
    let beats = request.heartbeat_seconds;
    if beats.is_some_and(|seconds| !HEARTBEAT_SECONDS.contains(&seconds)) {
        return Err(IssueError::InvalidRequest(format!(
            "`heartbeat_seconds` is from {} to {}",
            HEARTBEAT_SECONDS.start(),
            HEARTBEAT_SECONDS.end()
        )));
    }
    if request.authority.as_ref().is_some_and(Authority::is_empty) {
        return refuse("`authority` names nothing; leave it out for all that the parent may");
    }
    let is_thumbprint = |jkt: &str| {
        jkt.len() == 43
            && jkt
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    };
    if request
        .cnf
        .as_ref()
        .is_some_and(|cnf| !is_thumbprint(&cnf.jkt))
    {
        return refuse("`cnf.jkt` is a SHA-256 thumbprint in base64url, 43 characters");
    }
    Ok(())
}

fn check_child(view: &ZoneView, parent: &Stored<Session>) -> Result<(), IssueError> {
    let id = parent.value.id;
    if parent.value.depth >= MAX_SESSION_DEPTH {
        let why = format!("sessions are at most {MAX_SESSION_DEPTH} deep");
        return Err(IssueError::conflict("depth_exceeded", why));
    }
    if view.sessions.count_children(id) >= MAX_CHILDREN {
        let why = format!("`{id}` has {MAX_CHILDREN} children");
        return Err(IssueError::conflict("fan_out_exceeded", why));
    }
    Ok(())
}

impl crate::path::Broken {
    /// The refusal at the STS.
    pub(crate) fn into_issue_error(self, view: &ZoneView) -> IssueError {
        use crate::path::Broken;
        let why = match self {
            Self::Dead(Anchor::Zone(_)) if view.is_revoked(Anchor::Zone(view.zone.value.id)) => {
                return IssueError::ZoneFrozen;
            }
            Broken::Suspended(_) => return IssueError::SessionSuspended,
            Broken::Dead(anchor) => format!("`{anchor}` is unknown, closed or revoked"),
            Broken::Expired(anchor) => format!("`{anchor}` has expired"),
            Broken::NotReceiver(id) => format!("`{id}` is not for this session"),
            Broken::TooLong(id) => {
                format!("the path by `{id}` has more than {MAX_PATH_SESSIONS} sessions")
            }
            Broken::NotAccepted(id) => format!("`{id}` is offered, and nobody has accepted it"),
        };
        IssueError::InvalidGrant(why)
    }
}

impl Change {
    /// Adds an object to what the change was decided on.
    pub(crate) fn read(&mut self, kind: Kind, id: uuid::Uuid, version: Version) {
        self.reads.push(Read { kind, id, version });
    }
}

/// The seconds from one time to a later one; 0 when it is not later.
pub(crate) fn seconds_until(now: Timestamp, end: Timestamp) -> u32 {
    u32::try_from(end.duration_since(now).as_secs()).unwrap_or(0)
}
