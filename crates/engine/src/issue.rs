//! Issuing a mandate: the first phase of policy.

mod wanted;

use caracal_core::{
    ActorClaim, Anchor, ApplicationId, ApprovalId, Approver, Confirmation, Decision, DelegationId,
    Event, EventType, MandateClaims, MandateId, Resource, ResourceIdentifier, ScopeSet, SessionId,
    ZoneId,
};
use jiff::Timestamp;

use crate::approvals::HeldIssue;
use crate::caller::Caller;
use crate::decide::Asked;
use crate::exchange::Source;
use crate::path::AuthorityPath;
use crate::record::RecordError;
use crate::sessions::seconds_until;
use crate::view::ZoneView;
use crate::{CallerCredentials, Engine, IssueError, OpenedMandate};

pub(crate) use wanted::Wanted;
use wanted::{Denied, ask_for_scope, check_alive};

/// How long a mandate lives when nothing else is asked for, in seconds.
pub const DEFAULT_TTL_SECONDS: u32 = 300;
/// The longest life of a mandate, in seconds.
pub const MAX_TTL_SECONDS: u32 = 900;
/// The most resources that one mandate may name.
pub const MAX_RESOURCES: usize = 32;
/// The longest scope parameter that the event of a denial repeats, in bytes.
const MAX_RECORDED_SCOPE: usize = 4096;

/// A request for a mandate.
pub struct IssueRequest {
    /// Who asks.
    pub caller: CallerCredentials,
    /// The thumbprint of the key that the request proves, from [`Engine::prove_caller`]: the
    /// mandate is bound to it.
    pub key: Option<String>,
    /// The session that it is for; none: one that comes with the mandate.
    pub session_id: Option<SessionId>,
    /// The delegation to use; none: the session's own root if that suffices, else the only
    /// delegation that does.
    pub delegation_id: Option<DelegationId>,
    /// The approval to use, once a person gave it.
    pub approval_id: Option<ApprovalId>,
    /// The mandate that is exchanged for a narrower one.
    pub subject_token: Option<String>,
    /// The resources: identifiers or Gateway URLs. None: a session mandate, or those of the
    /// mandate that is exchanged.
    pub resources: Vec<String>,
    /// The scopes; none stands for every scope that is allowed now.
    pub scope: Option<String>,
    /// The wanted life in seconds; a larger one is shortened.
    pub ttl_seconds: Option<u32>,
    /// The id for events.
    pub request_id: String,
}

impl IssueRequest {
    /// A request that names nothing yet.
    pub fn new(caller: CallerCredentials, request_id: impl Into<String>) -> Self {
        Self {
            caller,
            key: None,
            session_id: None,
            delegation_id: None,
            approval_id: None,
            subject_token: None,
            resources: Vec::new(),
            scope: None,
            ttl_seconds: None,
            request_id: request_id.into(),
        }
    }
}

/// An issued mandate.
pub struct IssuedMandate {
    /// The text that is presented.
    pub text: String,
    /// Its life in seconds.
    pub expires_in: u32,
    /// What it allows.
    pub scope: ScopeSet,
    /// Its id.
    pub id: MandateId,
}

impl Engine {
    /// Issues a mandate, or says why not. The decision is in the ledger before this returns.
    ///
    /// # Errors
    /// See [`IssueError`]; nothing was issued.
    pub async fn issue(&self, request: IssueRequest) -> Result<IssuedMandate, IssueError> {
        let caller = self
            .authenticate_caller(&request.caller, request.key.as_deref())
            .await?;
        let opened = match &request.subject_token {
            Some(text) => Some(self.open_subject(text).await?),
            None => None,
        };
        let now = self.now();
        let mandate = MandateId::new(now, &self.random());
        let session = caller.session_named(request.session_id)?;
        if let Some(session) = session.filter(|_| is_for_session(&request)) {
            return self
                .issue_session_mandate(&caller, session, request.ttl_seconds, &request.request_id)
                .await;
        }
        match self.decide_issue(&caller, &request, opened.as_ref(), mandate, now) {
            Ok(granted) => {
                self.use_grant(&caller, &request, mandate, now, granted)
                    .await
            }
            Err(denied) => {
                let Denied { error, asked, held } = denied;
                let error = match held {
                    Some(held) => self.hold_issue(&caller, &request, &held, &asked).await,
                    None => error,
                };
                self.record_denial(&caller, &request, &error, asked).await?;
                Err(error)
            }
        }
    }

    fn decide_issue(
        &self,
        caller: &Caller,
        request: &IssueRequest,
        exchanged: Option<&OpenedMandate>,
        mandate: MandateId,
        now: Timestamp,
    ) -> Result<Granted, Denied> {
        let view = &caller.view;
        let plain = Denied::plain;
        let application = caller.own_application(view).map_err(plain)?;
        let source = exchanged.map(|opened| self.source_of(caller, request, opened));
        let source = source.transpose().map_err(plain)?;
        let named = match (&source, request.resources.is_empty()) {
            (Some(source), true) => source.resources(),
            _ => request.resources.clone(),
        };
        let resources = self.named_resources(view, &named).map_err(plain)?;
        check_alive(view, &resources).map_err(plain)?;
        check_bound(caller, &resources).map_err(plain)?;
        let scopes = match &request.scope {
            Some(text) => Some(named_scopes(text, &resources).map_err(plain)?),
            None => None,
        };
        let approval = request.approval_id;
        let approval = approval.map(|id| self.approval_to_use(caller, id, now));
        let wanted = Wanted {
            approval: approval.transpose().map_err(plain)?,
            key: caller.key.as_deref(),
            application: caller.application,
            resources,
            scopes,
            source,
            request,
            now,
        };
        let session = caller.session_named(request.session_id).map_err(plain)?;
        let paths = wanted
            .source
            .as_ref()
            .filter(|_| request.delegation_id.is_none());
        if let Some(source) = paths {
            let path = self.source_path(view, caller, source, application, now);
            return self.grant(view, path.map_err(plain)?, &wanted);
        }
        let Some(session) = session else {
            if request.delegation_id.is_some() {
                let why = "`delegation_id` needs `session_id`".to_owned();
                return Err(plain(IssueError::InvalidGrant(why)));
            }
            let session = SessionId::of_mandate(mandate);
            let path = AuthorityPath::without_session(application.clone(), session);
            return self.grant(view, path, &wanted);
        };
        caller.own_session(view, session).map_err(plain)?;
        let path = |by| self.path_of(caller, view, session, by);
        let approved = wanted.approval.as_ref();
        let approved = approved.and_then(|approval| approval.delegations.last().copied());
        if let Some(by) = request.delegation_id.or(approved) {
            return self.grant(view, path(Some(by)).map_err(plain)?, &wanted);
        }
        let denied = match self.grant(view, path(None).map_err(plain)?, &wanted) {
            Ok(granted) => return Ok(granted),
            Err(denied) if !matches!(denied.error, IssueError::AccessDenied { .. }) => {
                return Err(denied);
            }
            Err(denied) => denied,
        };
        let mut fitting: Vec<Granted> = Vec::new();
        let mut others: Vec<Denied> = Vec::new();
        for held in view.delegations.borrowed_by(session) {
            let Ok(path) = path(Some(held.value.id)) else {
                continue;
            };
            match self.grant(view, path, &wanted) {
                Ok(granted) => fitting.push(granted),
                Err(denied) if denied.held.is_some() => others.push(denied),
                Err(_) => {}
            }
        }
        if fitting.len() > 1 {
            let by = fitting.iter().filter_map(|g| g.path.delegations.last());
            let ids: Vec<_> = by.map(|held| format!("`{}`", held.value.id)).collect();
            let why = format!("say which with `delegation_id`: {}", ids.join(", "));
            return Err(plain(IssueError::InvalidTarget(why)));
        }
        if let Some(granted) = fitting.pop() {
            return Ok(granted);
        }
        // A person is asked about the session's own root, or about the only other way.
        match others.pop() {
            Some(other) if denied.held.is_none() && others.is_empty() => Err(other),
            _ => Err(denied),
        }
    }

    /// What a path gives of what is wanted.
    fn grant(
        &self,
        view: &ZoneView,
        path: AuthorityPath,
        wanted: &Wanted<'_>,
    ) -> Result<Granted, Denied> {
        let mut granting = Asked::default();
        let mut denying = Asked::default();
        let candidates: ScopeSet = match (&wanted.scopes, &wanted.source) {
            (Some(scopes), _) => scopes.clone(),
            (None, Some(source)) => source.scope().clone(),
            (None, None) => wanted
                .resources
                .iter()
                .flat_map(|r| r.scopes.iter().cloned())
                .collect(),
        };
        let mut granted = ScopeSet::default();
        let mut holding: Option<(Approver, ScopeSet, Asked)> = None;
        for scope in candidates.iter() {
            let mut asked = Asked::default();
            let answered = ask_for_scope(view, &path, wanted, scope, &mut asked);
            asked.tell_faults(&wanted.request.request_id);
            match answered {
                Ok(None) => {
                    granted.insert(scope.clone());
                    granting.merge(asked);
                }
                Ok(Some(by)) => {
                    let (strictest, scopes, policies) =
                        holding.get_or_insert_with(|| (by, ScopeSet::default(), Asked::default()));
                    *strictest = (*strictest).max(by);
                    scopes.insert(scope.clone());
                    policies.merge(asked);
                }
                Err(error) if wanted.scopes.is_some() => {
                    let held = None;
                    return Err(Denied { error, asked, held });
                }
                // What denied a scope has no part in a mandate without it.
                Err(_) => denying.merge(asked),
            }
        }
        if let Some((by, mut scopes, asked)) = holding
            && (wanted.scopes.is_some() || granted.is_empty())
        {
            granted
                .iter()
                .for_each(|scope| scopes.insert(scope.clone()));
            let error = IssueError::denied("approval", "a person has to approve this");
            let held = Some(Box::new(HeldIssue {
                identifiers: wanted.identifiers(),
                anchors: wanted.anchors(view),
                digest: wanted.digest(view, &path, by)?,
                scopes,
                by,
                path,
            }));
            return Err(Denied { error, asked, held });
        }
        if granted.is_empty() {
            let error = IssueError::denied("policy", "no scope of these resources is allowed");
            return Err(Denied::with(error, denying));
        }
        let mut approval = wanted.carried();
        let mut ends_of_approval = None;
        if let Some(given) = &wanted.approval {
            let digest = wanted.digest(view, &path, given.by)?;
            if digest != given.digest {
                let why = "`approval_id` is for another request".to_owned();
                return Err(Denied::plain(IssueError::InvalidGrant(why)));
            }
            approval = Some(given.id);
            ends_of_approval = Some(given.expires_at);
        }
        let ends = path
            .expires_at()
            .into_iter()
            .chain(wanted.source.as_ref().map(Source::expires_at))
            .chain(ends_of_approval);
        let left = ends.map(|end| seconds_until(wanted.now, end)).min();
        let ttl = (wanted.request.ttl_seconds.unwrap_or(DEFAULT_TTL_SECONDS))
            .min(MAX_TTL_SECONDS)
            .min(granting.ttl_seconds.unwrap_or(MAX_TTL_SECONDS))
            .max(1)
            .min(left.unwrap_or(MAX_TTL_SECONDS));
        if ttl == 0 {
            let why = "what it would be taken from is about to end".to_owned();
            return Err(Denied::with(IssueError::InvalidGrant(why), granting));
        }
        let mut ancestors = path.ancestors();
        if let Some(source) = &wanted.source {
            source.add_ancestors(&mut ancestors);
        }
        Ok(Granted {
            identifiers: wanted.identifiers(),
            approval,
            used: wanted.approval.as_ref().map(|held| held.digest.clone()),
            scope: granted,
            ttl,
            asked: granting,
            ancestors,
            path,
        })
    }

    pub(crate) async fn sign(
        &self,
        caller: &Caller,
        request: &IssueRequest,
        id: MandateId,
        now: Timestamp,
        granted: Granted,
    ) -> Result<IssuedMandate, IssueError> {
        let zone = &caller.view.zone.value;
        let audiences = granted.identifiers.iter();
        let audiences = audiences.flat_map(|r| self.audiences(zone.id, r)).collect();
        let claims = MandateClaims {
            aud: audiences,
            scope: granted.scope.clone(),
            anc: granted.ancestors.clone(),
            apr: granted.approval,
            ..self.claims_on(caller, &granted.path, id, now, granted.ttl)
        };
        let mut event = self.event(zone.id, EventType::MandateIssued, &request.request_id);
        set_path(&mut event, &granted.path);
        set_resources(&mut event, &granted.identifiers);
        event.approval = granted.approval;
        event.scopes = Some(granted.scope.clone());
        event.policies = Some(granted.asked.determining());
        event.policy_version = zone.policy.clone();
        event.inputs_digest = Some(digest_of_issue(&caller.view, caller.application, request));
        self.sign_and_record(caller, claims, event, granted.ttl)
            .await
    }

    /// Issues what the holder of a session proves itself with: good at the STS, for this session.
    pub(crate) async fn issue_session_mandate(
        &self,
        caller: &Caller,
        session: SessionId,
        ttl_seconds: Option<u32>,
        request_id: &str,
    ) -> Result<IssuedMandate, IssueError> {
        let now = self.now();
        // The session may be younger than what the caller was authenticated on.
        let view = caller.handle.view();
        let made = caller
            .own_application(&view)
            .and_then(|_| caller.own_session(&view, session).cloned())
            .and_then(|held| Ok((held, self.path_of(caller, &view, session, None)?)));
        let (held, path) = match made {
            Ok(made) => made,
            Err(error) => {
                let admin = caller.admin(request_id);
                let mut event = caller.event(self, EventType::MandateDenied, &admin);
                event.session = Some(session);
                return self.deny(caller, event, error).await;
            }
        };
        let left = path.expires_at().map(|end| seconds_until(now, end));
        let ttl = ttl_seconds
            .unwrap_or(MAX_TTL_SECONDS)
            .min(MAX_TTL_SECONDS)
            .min(left.unwrap_or(MAX_TTL_SECONDS));
        let id = MandateId::new(now, &self.random());
        let zone = &view.zone.value;
        let claims = MandateClaims {
            aud: vec![zone.issuer.clone()],
            anc: path.ancestors(),
            generation: Some(held.value.generation),
            rev: view.position.to_string(),
            ..self.claims_on(caller, &path, id, now, ttl)
        };
        let mut event = self.event(zone.id, EventType::MandateIssued, request_id);
        set_path(&mut event, &path);
        event.reason = Some("session_mandate".to_owned());
        self.sign_and_record(caller, claims, event, ttl).await
    }

    /// What every mandate on a path says; without audience, scope and ancestors.
    fn claims_on(
        &self,
        caller: &Caller,
        path: &AuthorityPath,
        id: MandateId,
        now: Timestamp,
        ttl: u32,
    ) -> MandateClaims {
        let zone = &caller.view.zone.value;
        let root = path.root();
        let subject = root.subject().map(|subject| subject.to_string());
        let issued_at = now.as_second();
        MandateClaims {
            iss: zone.issuer.clone(),
            sub: subject.unwrap_or_else(|| root.application.value.id.to_string()),
            aud: Vec::new(),
            exp: issued_at + i64::from(ttl),
            iat: issued_at,
            jti: id,
            client_id: caller.application,
            zone: zone.id,
            scope: ScopeSet::default(),
            sid: path.last().session,
            rev: caller.view.position.to_string(),
            cnf: caller.key.clone().map(|jkt| Confirmation { jkt }),
            act: actors_of(path),
            dlg: path.delegation_ids(),
            anc: Vec::new(),
            apr: None,
            generation: None,
        }
    }

    async fn sign_and_record(
        &self,
        caller: &Caller,
        claims: MandateClaims,
        mut event: Event,
        ttl: u32,
    ) -> Result<IssuedMandate, IssueError> {
        let unsigned =
            |why: String| IssueError::Unavailable(format!("the mandate cannot be signed: {why}"));
        let signer = caller
            .view
            .keys
            .signer(self.now())
            .ok_or_else(|| unsigned("there is no key".to_owned()))?;
        let text = signer.sign(&claims).map_err(|e| unsigned(e.to_string()))?;
        event.application = Some(caller.application);
        event.session = Some(claims.sid);
        event.mandate = Some(claims.jti);
        event.decision = Some(Decision::Allow);
        let entry = self.draft(&caller.handle, &event).map_err(unrecorded)?;
        drop(event);
        self.append_one(entry).await.map_err(unrecorded)?;
        Ok(IssuedMandate {
            text,
            expires_in: ttl,
            scope: claims.scope,
            id: claims.jti,
        })
    }

    pub(crate) async fn record_denial(
        &self,
        client: &Caller,
        request: &IssueRequest,
        error: &IssueError,
        asked: Asked,
    ) -> Result<(), IssueError> {
        let view = &client.view;
        let mut event = self.event(
            client.handle.id,
            EventType::MandateDenied,
            &request.request_id,
        );
        event.application = Some(client.application);
        event.session = client.session.or(request.session_id);
        event.delegations = request.delegation_id.map(|id| vec![id]);
        // Evidence stays small however much was asked for; the digest covers all of it.
        let identifiers: Vec<_> = request
            .resources
            .iter()
            .take(MAX_RESOURCES)
            .filter_map(|r| self.find_identifier(view, r))
            .collect();
        set_resources(&mut event, &identifiers);
        event.scopes = request
            .scope
            .as_ref()
            .filter(|text| text.len() <= MAX_RECORDED_SCOPE)
            .and_then(|text| text.parse().ok());
        event.decision = Some(match error {
            IssueError::InteractionRequired { approval, .. } => {
                event.approval = Some(*approval);
                Decision::Hold
            }
            _ => Decision::Deny,
        });
        event.reason = Some(error.code().to_owned());
        event.policies = Some(asked.determining());
        event.policy_version = view.zone.value.policy.clone();
        event.inputs_digest = Some(digest_of_issue(view, client.application, request));
        let entry = self.draft(&client.handle, &event).map_err(unrecorded)?;
        drop(event);
        self.append_one(entry).await.map(drop).map_err(unrecorded)
    }

    fn named_resources<'v>(
        &self,
        view: &'v ZoneView,
        named: &[String],
    ) -> Result<Vec<&'v Resource>, IssueError> {
        if named.is_empty() {
            return Err(IssueError::InvalidTarget(
                "`resource` is required".to_owned(),
            ));
        }
        if named.len() > MAX_RESOURCES {
            let why = format!("at most {MAX_RESOURCES} resources");
            return Err(IssueError::InvalidTarget(why));
        }
        let mut resources: Vec<&Resource> = Vec::with_capacity(named.len());
        for text in named {
            let found = self
                .find_identifier(view, text)
                .and_then(|identifier| view.resources.find(identifier.name().as_str()));
            let Some(found) = found else {
                let shown: String = text.chars().filter(|c| !c.is_control()).take(200).collect();
                let why = format!("no resource `{shown}` in this zone");
                return Err(IssueError::InvalidTarget(why));
            };
            if !resources.iter().any(|held| held.id == found.value.id) {
                resources.push(&found.value);
            }
        }
        Ok(resources)
    }

    /// A resource by its identifier or by its Gateway URL.
    pub(crate) fn find_identifier(
        &self,
        view: &ZoneView,
        text: &str,
    ) -> Option<ResourceIdentifier> {
        if let Ok(identifier) = text.parse() {
            return Some(identifier);
        }
        let prefix = format!(
            "{}/zones/{}/r/",
            self.0.config.gateway_url, view.zone.value.id
        );
        let name = text.strip_prefix(&prefix)?;
        name.strip_suffix('/')
            .unwrap_or(name)
            .parse()
            .ok()
            .map(ResourceIdentifier::new)
    }

    /// What a mandate for a resource calls it.
    fn audiences(&self, zone: ZoneId, resource: &ResourceIdentifier) -> [String; 2] {
        [resource.to_string(), self.gateway_url_of(zone, resource)]
    }

    /// The Gateway URL of a resource.
    pub fn gateway_url_of(&self, zone: ZoneId, resource: &ResourceIdentifier) -> String {
        format!(
            "{}/zones/{zone}/r/{}",
            self.0.config.gateway_url,
            resource.name()
        )
    }
}

/// True when a session mandate is asked for: nothing is to be used.
fn is_for_session(request: &IssueRequest) -> bool {
    request.resources.is_empty() && request.subject_token.is_none() && request.scope.is_none()
}

/// The application that acts and those that it acts for, as nested `act` claims (RFC 8693); none
/// where there is one only.
fn actors_of(path: &AuthorityPath) -> Option<ActorClaim> {
    let mut applications = Vec::new();
    for link in path.links() {
        let id = link.application.value.id;
        if applications.last() != Some(&id) {
            applications.push(id);
        }
    }
    let subject = path.root().subject().is_some();
    // Where there is no Subject, the root's application is the subject itself.
    let skipped = usize::from(!subject || applications.len() == 1);
    let acting = applications.into_iter().skip(skipped);
    acting.fold(None, |before, sub| {
        Some(ActorClaim {
            sub,
            act: before.map(Box::new),
        })
    })
}

/// Writes how authority came into an event.
pub(crate) fn set_path(event: &mut Event, path: &AuthorityPath) {
    event.subject = path.root().subject();
    event.delegations = Some(path.delegation_ids()).filter(|ids| !ids.is_empty());
}

fn digest_of_issue(view: &ZoneView, application: ApplicationId, request: &IssueRequest) -> String {
    let inputs = serde_json::json!({
        "application": application,
        "resource": request.resources,
        "scope": request.scope,
        "ttl_seconds": request.ttl_seconds,
        "session_id": request.session_id,
        "delegation_id": request.delegation_id,
        "approval_id": request.approval_id,
    });
    let digest = caracal_crypto::keyed_digest(&view.keys.digest, inputs.to_string().as_bytes());
    caracal_crypto::hex(&digest)
}

pub(crate) struct Granted {
    identifiers: Vec<ResourceIdentifier>,
    /// The approval that it goes by.
    pub(crate) approval: Option<ApprovalId>,
    /// The digest of the approval that it uses up.
    pub(crate) used: Option<String>,
    scope: ScopeSet,
    ttl: u32,
    pub(crate) asked: Asked,
    ancestors: Vec<Anchor>,
    path: AuthorityPath,
}

fn set_resources(event: &mut caracal_core::Event, identifiers: &[ResourceIdentifier]) {
    event.resource = identifiers.first().cloned();
    if identifiers.len() > 1 {
        event.resources = Some(identifiers.to_vec());
    }
}

/// Named scopes must each be declared by one of the resources.
fn unrecorded(error: RecordError) -> IssueError {
    IssueError::Unavailable(format!("the ledger cannot be written: {error}"))
}

fn named_scopes(text: &str, resources: &[&Resource]) -> Result<ScopeSet, IssueError> {
    let scopes: ScopeSet = text
        .parse()
        .map_err(|e: caracal_core::ScopeError| IssueError::InvalidScope(e.to_string()))?;
    if scopes.is_empty() {
        return Err(IssueError::InvalidScope("`scope` is empty".to_owned()));
    }
    for scope in scopes.iter() {
        if !resources.iter().any(|r| r.declares(scope.as_str())) {
            let why = format!("no named resource declares `{scope}`");
            return Err(IssueError::InvalidScope(why));
        }
    }
    Ok(scopes)
}

/// A bearer mandate for a resource that takes none would only be refused later.
fn check_bound(caller: &Caller, resources: &[&Resource]) -> Result<(), IssueError> {
    let asking = resources.iter().find(|resource| resource.requires_dpop);
    match asking {
        Some(resource) if caller.key.is_none() => {
            let identifier = resource.identifier();
            Err(IssueError::InvalidProof(format!(
                "`{identifier}` takes only mandates that are bound to a key: ask with a `DPoP` header"
            )))
        }
        _ => Ok(()),
    }
}
