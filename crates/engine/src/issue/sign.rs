//! The claims of a mandate, their signature and the event of it.

use caracal_core::{
    ActorClaim, Confirmation, Decision, Event, EventType, MandateClaims, MandateId, ScopeSet,
};
use jiff::Timestamp;

use super::denied::unrecorded;
use super::digest::digest_of_issue;
use super::named::set_resources;
use super::{Granted, IssueRequest, IssuedMandate};
use crate::caller::Caller;
use crate::path::AuthorityPath;
use crate::{Engine, IssueError};

impl Engine {
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
            authorization_details: granted.details.clone(),
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

    /// What every mandate on a path says; without audience, scope and ancestors.
    pub(super) fn claims_on(
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
            authorization_details: Vec::new(),
            generation: path.last().stored().map(|held| held.value.generation),
        }
    }

    pub(super) async fn sign_and_record(
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
            details: claims.authorization_details,
            id: claims.jti,
        })
    }
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
