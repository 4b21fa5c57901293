//! Who speaks to the STS: an application by its own credentials, or whoever holds the mandate
//! of a session.

use std::sync::Arc;

use caracal_core::{
    Anchor, Application, ApplicationId, Decision, Event, EventType, MandateClaims, RefusalCode,
    Role, RoleScope, Session, SessionId, SubjectId, ZoneId,
};

use crate::chain::Chain;
use crate::view::{Stored, ZoneView};
use crate::zone_handle::ZoneHandle;
use crate::{
    Admin, AdminError, AuthenticatedClient, ClientAssertion, ClientCredentials, Engine, IssueError,
    OpenedMandate, Operator, ProvenClient,
};

/// What a caller presents.
pub enum CallerCredentials {
    /// An application's own.
    Client(ClientCredentials),
    /// An assertion of an application's own key; see [`Engine::admit_caller`].
    Assertion(ClientAssertion),
    /// What [`Engine::admit_caller`] makes of an assertion.
    Proven(ProvenClient),
    /// A session mandate: good for this one session.
    Session(String),
}

/// An authenticated caller.
pub(crate) struct Caller {
    pub(crate) handle: Arc<ZoneHandle>,
    pub(crate) view: Arc<ZoneView>,
    pub(crate) application: ApplicationId,
    /// The only session that it may act for; none: every session of the application.
    pub(crate) session: Option<SessionId>,
    /// The holder of that session that it has proved to be.
    pub(crate) generation: Option<u64>,
    /// The thumbprint of the key that it has proved to have.
    pub(crate) key: Option<String>,
    /// The operator in the application's place, whom no key binds.
    pub(crate) operator: Option<String>,
    /// The Subject that this request has proved to be for.
    pub(crate) subject: Option<SubjectId>,
}

impl Engine {
    /// Finds out who calls. `key` is the thumbprint of the key that the request proves.
    pub(crate) async fn authenticate_caller(
        &self,
        credentials: &CallerCredentials,
        key: Option<&str>,
    ) -> Result<Caller, IssueError> {
        let key = key.map(str::to_owned);
        let client = match credentials {
            CallerCredentials::Client(presented) => self
                .authenticate_client(presented)
                .map_err(|_| IssueError::InvalidClient)?,
            CallerCredentials::Assertion(presented) => {
                self.proven_client(&self.prove_client(presented).await?)?
            }
            CallerCredentials::Proven(proven) => self.proven_client(proven)?,
            CallerCredentials::Session(text) => {
                let (caller, opened) = self.authenticate_session(text, key).await?;
                if !caller.has_key_of(opened.claims()) {
                    let why =
                        "the session mandate is bound to a key: prove it with a `DPoP` header";
                    return Err(IssueError::InvalidProof(why.to_owned()));
                }
                return Ok(caller);
            }
        };
        Ok(Caller {
            handle: client.handle,
            view: client.view,
            application: client.application,
            session: None,
            generation: None,
            key,
            operator: None,
            subject: None,
        })
    }

    /// Finds out whose session mandate it is. Whether the caller has its key is still to be asked.
    async fn authenticate_session(
        &self,
        text: &str,
        key: Option<String>,
    ) -> Result<(Caller, OpenedMandate), IssueError> {
        let opened = self.open_mandate(text).await.map_err(|code| match code {
            RefusalCode::FeedStale => behind(),
            _ => IssueError::InvalidClient,
        })?;
        let claims = opened.claims();
        let view = opened.handle.view();
        let held = view.sessions.find(claims.sid);
        let Some(held) = held.filter(|_| claims.is_of_session()) else {
            return Err(IssueError::InvalidClient);
        };
        if Chain::of(claims)
            .find_dead(&view, opened.decided_on)
            .is_some()
        {
            return Err(IssueError::InvalidGrant(
                "the session of this mandate has ended".to_owned(),
            ));
        }
        if claims.generation != Some(held.value.generation) {
            return Err(IssueError::stale_generation(held.value.generation));
        }
        let (application, session) = (claims.client_id, claims.sid);
        let caller = Caller {
            handle: Arc::clone(&opened.handle),
            view,
            application,
            session: Some(session),
            generation: claims.generation,
            key,
            operator: None,
            subject: None,
        };
        Ok((caller, opened))
    }

    /// Who these credentials belong to, for what is bounded by application, and the credentials
    /// for what the caller asks for: an assertion is good once, and used up here. It does not
    /// look at keys: each use case does.
    ///
    /// # Errors
    /// When they are nobody's.
    pub async fn admit_caller(
        &self,
        presented: CallerCredentials,
    ) -> Result<(AuthenticatedClient, CallerCredentials), IssueError> {
        let caller = match &presented {
            CallerCredentials::Assertion(assertion) => {
                let proven = self.prove_client(assertion).await?;
                return Ok(((&proven).into(), CallerCredentials::Proven(proven)));
            }
            CallerCredentials::Session(text) => self.authenticate_session(text, None).await?.0,
            _ => self.authenticate_caller(&presented, None).await?,
        };
        let client = AuthenticatedClient {
            zone: caller.handle.id,
            application: caller.application,
        };
        Ok((client, presented))
    }
}

impl Engine {
    /// An operator in the place of an application.
    ///
    /// # Errors
    /// Needs the role admin.
    pub(crate) fn operate(
        &self,
        zone: ZoneId,
        admin: &Admin,
        application: ApplicationId,
    ) -> Result<Caller, AdminError> {
        admin.operator.require(Role::Admin, zone)?;
        let handle = self
            .zone_handle(zone)
            .ok_or_else(|| AdminError::not_found("zone", zone))?;
        Ok(Caller {
            view: handle.view(),
            handle,
            application,
            session: None,
            generation: None,
            key: None,
            operator: Some(admin.operator.label().to_owned()),
            subject: None,
        })
    }

    /// Records that a caller was refused, and refuses.
    pub(crate) async fn deny<T>(
        &self,
        caller: &Caller,
        mut event: Event,
        error: IssueError,
    ) -> Result<T, IssueError> {
        // Operators are told; what they may not is no evidence about a workload.
        if caller.operator.is_some() {
            return Err(error);
        }
        event.decision = Some(Decision::Deny);
        event.reason = Some(error.reason().to_owned());
        let recorded = self.record(&caller.handle, &event).await;
        recorded
            .map_err(|e| IssueError::Unavailable(format!("the ledger cannot be written: {e}")))?;
        Err(error)
    }
}

impl Caller {
    pub(crate) fn zone(&self) -> ZoneId {
        self.handle.id
    }

    /// The frame of a change that this caller makes.
    pub(crate) fn admin(&self, request_id: &str) -> Admin {
        // The label keeps the idempotency keys of callers apart.
        let label = match self.session {
            Some(session) => session.to_string(),
            None => self.application.to_string(),
        };
        let operator = Operator::new(label, Role::Viewer, RoleScope::Zone(self.zone()))
            .paid_by(self.application.to_string());
        Admin::new(operator, request_id)
    }

    /// An event of what this caller asks for.
    pub(crate) fn event(&self, engine: &Engine, event_type: EventType, admin: &Admin) -> Event {
        let mut event = engine.event(self.zone(), event_type, &admin.request_id);
        event.application = Some(self.application);
        event.session = self.session;
        event.operator = self.operator.clone();
        event
    }

    /// The caller's application.
    pub(crate) fn own_application<'v>(
        &self,
        view: &'v ZoneView,
    ) -> Result<&'v Arc<Stored<Application>>, IssueError> {
        let zone = Anchor::Zone(self.zone());
        if view.is_revoked(zone) {
            return Err(IssueError::ZoneFrozen);
        }
        if view.is_revoked(Anchor::Application(self.application)) {
            let why = "the application is revoked";
            return Err(IssueError::denied("revocation", why));
        }
        view.applications
            .find_by_id(self.application.uuid())
            .ok_or(IssueError::InvalidClient)
    }

    /// The session that a request is about: the named one, or the caller's own.
    pub(crate) fn session_named(
        &self,
        named: Option<SessionId>,
    ) -> Result<Option<SessionId>, IssueError> {
        match (self.session, named) {
            (Some(own), Some(named)) if own != named => Err(IssueError::InvalidGrant(
                "a session mandate is good for its own session only".to_owned(),
            )),
            (own, named) => Ok(own.or(named)),
        }
    }

    /// A session of this caller's application that the caller may act under, in this view.
    pub(crate) fn own_session<'v>(
        &self,
        view: &'v ZoneView,
        id: SessionId,
    ) -> Result<&'v Arc<Stored<Session>>, IssueError> {
        let held = view.sessions.find(id);
        // One of another application looks like none at all.
        let held = held
            .filter(|held| held.value.application == self.application)
            .ok_or_else(|| IssueError::InvalidGrant(format!("no session `{id}`")))?;
        self.check_holder(&held.value)?;
        Ok(held)
    }

    /// A session that the caller may end: its own, one below it, or one of its application.
    pub(crate) fn session_to_end<'v>(
        &self,
        view: &'v ZoneView,
        id: SessionId,
    ) -> Result<&'v Arc<Stored<Session>>, IssueError> {
        let Some(own) = self.session.filter(|own| *own != id) else {
            return self.own_session(view, id);
        };
        self.own_session(view, own)?;
        let none = || IssueError::InvalidGrant(format!("no session `{id}`"));
        let target = view.sessions.find(id).ok_or_else(none)?;
        let mut above = target.value.parent;
        while let Some(parent) = above {
            if parent == own {
                return Ok(target);
            }
            above = view.sessions.find(parent).and_then(|s| s.value.parent);
        }
        Err(none())
    }

    /// True when a mandate is bound to no key, or to the caller's.
    pub(crate) fn has_key_of(&self, claims: &MandateClaims) -> bool {
        let bound = claims.cnf.as_ref().map(|cnf| cnf.jkt.as_str());
        bound.is_none_or(|bound| self.key.as_deref() == Some(bound))
    }

    /// The holder of a session acts until there is another one, and only with the key that the
    /// session is bound to.
    pub(crate) fn check_holder(&self, session: &Session) -> Result<(), IssueError> {
        if self.session == Some(session.id) && self.generation != Some(session.generation) {
            return Err(IssueError::stale_generation(session.generation));
        }
        match &session.cnf {
            Some(_) if self.operator.is_some() => Ok(()),
            Some(bound) if self.key.as_deref() != Some(bound.jkt.as_str()) => {
                Err(IssueError::InvalidProof(format!(
                    "`{}` is bound to a key: prove it with a `DPoP` header",
                    session.id
                )))
            }
            _ => Ok(()),
        }
    }
}

/// This node has not seen yet what a mandate was decided on.
pub(crate) fn behind() -> IssueError {
    IssueError::Unavailable("this node is behind; try again".to_owned())
}
