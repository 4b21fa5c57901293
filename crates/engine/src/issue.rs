//! Issuing a mandate: the first phase of policy.

use std::collections::BTreeSet;

use caracal_core::{
    Anchor, ApplicationId, Decision, EventType, MandateClaims, MandateId, Resource,
    ResourceIdentifier, Scope, ScopeSet, SessionId, ZoneId,
};
use caracal_policy::{Effect, Phase, Question};
use jiff::Timestamp;

use crate::authenticate::Client;
use crate::decide::Asked;
use crate::meters::meters;
use crate::view::ZoneView;
use crate::{ClientCredentials, Engine, IssueError};

/// How long a mandate lives when nothing else is asked for, in seconds.
pub const DEFAULT_TTL_SECONDS: u32 = 300;
/// The longest life of a mandate, in seconds.
pub const MAX_TTL_SECONDS: u32 = 900;
/// The most resources that one mandate may name.
pub const MAX_RESOURCES: usize = 32;
/// The longest scope parameter that the event of a denial repeats, in bytes.
const MAX_RECORDED_SCOPE: usize = 4096;

/// A request for a mandate by client credentials.
pub struct IssueRequest {
    /// Who asks.
    pub client: ClientCredentials,
    /// The resources: identifiers or Gateway URLs.
    pub resources: Vec<String>,
    /// The scopes; none stands for every scope that is allowed now.
    pub scope: Option<String>,
    /// The wanted life in seconds; a larger one is shortened.
    pub ttl_seconds: Option<u32>,
    /// The id for events.
    pub request_id: String,
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
        let client = self
            .authenticate_client(&request.client)
            .map_err(|_| IssueError::InvalidClient)?;
        let now = self.now();
        let mandate = MandateId::new(now, &self.random());
        match self.decide_issue(&client, &request, mandate, now) {
            Ok(granted) => self.sign(&client, &request, mandate, now, granted).await,
            Err((error, asked)) => {
                self.record_denial(&client, &request, &error, asked).await?;
                Err(error)
            }
        }
    }

    fn decide_issue(
        &self,
        client: &Client,
        request: &IssueRequest,
        mandate: MandateId,
        now: Timestamp,
    ) -> Result<Granted, (IssueError, Asked)> {
        let view = &client.view;
        let zone = view.zone.value.id;
        let plain = |error| (error, Asked::default());
        if view.is_revoked(Anchor::Zone(zone)) {
            return Err(plain(IssueError::ZoneFrozen));
        }
        if view.is_revoked(Anchor::Application(client.application)) {
            return Err(plain(IssueError::denied(
                "revocation",
                "the application is revoked",
            )));
        }
        let resources = self
            .named_resources(view, &request.resources)
            .map_err(plain)?;
        for resource in &resources {
            if view.is_revoked(Anchor::Resource(resource.id)) {
                let why = format!("`{}` is revoked", resource.identifier());
                return Err(plain(IssueError::denied("revocation", why)));
            }
            let provider = resource
                .provider
                .as_ref()
                .and_then(|name| view.providers.find(name.as_str()));
            if provider.is_some_and(|held| view.is_revoked(Anchor::Provider(held.value.id))) {
                let why = format!("the provider of `{}` is revoked", resource.identifier());
                return Err(plain(IssueError::denied("revocation", why)));
            }
        }
        let named = match &request.scope {
            Some(text) => Some(named_scopes(text, &resources).map_err(plain)?),
            None => None,
        };
        let mut granting = Asked::default();
        let mut denying = Asked::default();
        let candidates: ScopeSet = match &named {
            Some(scopes) => scopes.clone(),
            None => resources
                .iter()
                .flat_map(|r| r.scopes.iter().cloned())
                .collect(),
        };
        let session = SessionId::of_mandate(mandate);
        let mut granted = ScopeSet::default();
        for scope in candidates.iter() {
            let mut asked = Asked::default();
            let answered = self.ask_for_scope(client, session, &resources, scope, now, &mut asked);
            asked.tell_faults(&request.request_id);
            match answered {
                Ok(()) => {
                    granted.insert(scope.clone());
                    granting.merge(asked);
                }
                Err(error) if named.is_some() => return Err((error, asked)),
                // What denied a scope has no part in a mandate without it.
                Err(_) => denying.merge(asked),
            }
        }
        if granted.is_empty() {
            let error = IssueError::denied("policy", "no scope of these resources is allowed");
            return Err((error, denying));
        }
        let wanted = request.ttl_seconds.unwrap_or(DEFAULT_TTL_SECONDS);
        let ttl = wanted
            .min(MAX_TTL_SECONDS)
            .min(granting.ttl_seconds.unwrap_or(MAX_TTL_SECONDS));
        let identifiers = resources.iter().map(|r| r.identifier()).collect();
        Ok(Granted {
            identifiers,
            scope: granted,
            ttl: ttl.max(1),
            asked: granting,
        })
    }

    /// Every named resource that declares the scope must allow it.
    fn ask_for_scope(
        &self,
        client: &Client,
        session: SessionId,
        resources: &[&Resource],
        scope: &Scope,
        now: Timestamp,
        asked: &mut Asked,
    ) -> Result<(), IssueError> {
        let view = &client.view;
        let application = view
            .applications
            .find_by_id(client.application.uuid())
            .ok_or(IssueError::InvalidClient)?;
        let labels = BTreeSet::new();
        for resource in resources.iter().filter(|r| r.declares(scope.as_str())) {
            let identifier = resource.identifier();
            let Some(policy) = &view.policy else {
                return Err(IssueError::denied(
                    "policy",
                    "no policy is active in this zone",
                ));
            };
            let began = std::time::Instant::now();
            let answer = policy.ask(&Question {
                phase: Phase::Mint,
                application: &application.value.name,
                session,
                labels: &labels,
                depth: 0,
                subject: None,
                action: scope.as_str(),
                resource: &identifier,
                now,
                actor: None,
                delegation: None,
                enforcement: resource.enforcement,
                request: None,
                approval: None,
            });
            meters().policy_mint.record(began.elapsed());
            let effect = answer.effect;
            asked.add(answer);
            match effect {
                Effect::Allow => {}
                Effect::Hold => {
                    let why = format!("`{scope}` on `{identifier}` needs an approval");
                    return Err(IssueError::denied("approval", why));
                }
                Effect::Deny(reason) => {
                    let why = format!(
                        "{} for `{scope}` on `{identifier}`",
                        crate::decide::reason_text(reason)
                    );
                    return Err(IssueError::denied("policy", why));
                }
            }
        }
        Ok(())
    }

    async fn sign(
        &self,
        client: &Client,
        request: &IssueRequest,
        id: MandateId,
        now: Timestamp,
        granted: Granted,
    ) -> Result<IssuedMandate, IssueError> {
        let view = &client.view;
        let zone = &view.zone.value;
        let issued_at = now.as_second();
        let claims = MandateClaims {
            iss: zone.issuer.clone(),
            sub: client.application.to_string(),
            aud: granted
                .identifiers
                .iter()
                .flat_map(|r| self.audiences(zone.id, r))
                .collect(),
            exp: issued_at + i64::from(granted.ttl),
            iat: issued_at,
            jti: id,
            client_id: client.application,
            zone: zone.id,
            scope: granted.scope.clone(),
            sid: SessionId::of_mandate(id),
            rev: view.position.to_string(),
            cnf: None,
        };
        let unsigned =
            |why: String| IssueError::Unavailable(format!("the mandate cannot be signed: {why}"));
        let signer = view
            .keys
            .signer(now)
            .ok_or_else(|| unsigned("there is no key".to_owned()))?;
        let text = signer.sign(&claims).map_err(|e| unsigned(e.to_string()))?;
        let mut event = self.event(zone.id, EventType::MandateIssued, &request.request_id);
        event.application = Some(client.application);
        event.session = Some(claims.sid);
        event.mandate = Some(id);
        set_resources(&mut event, &granted.identifiers);
        event.scopes = Some(granted.scope.clone());
        event.decision = Some(Decision::Allow);
        event.policies = Some(granted.asked.determining());
        event.policy_version = zone.policy.clone();
        event.inputs_digest = Some(self.digest_of_issue(view, client.application, request));
        self.record(&client.handle, event)
            .await
            .map_err(|e| IssueError::Unavailable(format!("the ledger cannot be written: {e}")))?;
        Ok(IssuedMandate {
            text,
            expires_in: granted.ttl,
            scope: granted.scope,
            id,
        })
    }

    async fn record_denial(
        &self,
        client: &Client,
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
        event.decision = Some(Decision::Deny);
        event.reason = Some(error.code().to_owned());
        event.policies = Some(asked.determining());
        event.policy_version = view.zone.value.policy.clone();
        event.inputs_digest = Some(self.digest_of_issue(view, client.application, request));
        self.record(&client.handle, event)
            .await
            .map(drop)
            .map_err(|e| IssueError::Unavailable(format!("the ledger cannot be written: {e}")))
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
    fn find_identifier(&self, view: &ZoneView, text: &str) -> Option<ResourceIdentifier> {
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

    fn digest_of_issue(
        &self,
        view: &ZoneView,
        application: ApplicationId,
        request: &IssueRequest,
    ) -> String {
        let inputs = serde_json::json!({
            "application": application,
            "resource": request.resources,
            "scope": request.scope,
            "ttl_seconds": request.ttl_seconds,
        });
        let digest = caracal_crypto::keyed_digest(&view.keys.digest, inputs.to_string().as_bytes());
        caracal_crypto::hex(&digest)
    }
}

struct Granted {
    identifiers: Vec<ResourceIdentifier>,
    scope: ScopeSet,
    ttl: u32,
    asked: Asked,
}

fn set_resources(event: &mut caracal_core::Event, identifiers: &[ResourceIdentifier]) {
    event.resource = identifiers.first().cloned();
    if identifiers.len() > 1 {
        event.resources = Some(identifiers.to_vec());
    }
}

/// Named scopes must each be declared by one of the resources.
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
