//! What a service may do with a request that has reached it: the decision of the Gateway, for
//! those who have none.

use caracal_core::{
    Decision, EventType, MandateClaims, Name, RefusalCode, RequestPath, ScopeSet, ZoneId,
};
use caracal_ledger::Receipt;
use serde::Serialize;
use serde_json::Value;

use super::Verifier;
use crate::authorize_call::{Granting, revoked};
use crate::caller::behind;
use crate::chain::Chain;
use crate::proof::{Proven, unproven};
use crate::select_resource::{bound_enough, named_in};
use crate::verify::OpenedMandate;
use crate::{
    CallRequest, CallerCredentials, DecisionEvidence, Engine, IssueError, PresentedAs,
    PresentedProof, Refusal, RefusedAt, Target,
};

/// How the client of a service has proved to have the key of its mandate.
#[derive(Debug, Clone)]
pub enum ServiceProof {
    /// The proof, with the method and the whole URL that the client asked for.
    Shown(PresentedProof),
    /// The thumbprint of the key whose proof the service has checked itself.
    Checked(String),
}

/// What a service asks.
#[derive(Debug, Clone)]
pub struct DecideRequest<'r> {
    /// The id that the service is told and that the event carries.
    pub request_id: &'r str,
    /// One of the service's resources: its identifier or its Gateway URL.
    pub resource: &'r str,
    /// The mandate that it was shown.
    pub mandate: &'r str,
    /// The method.
    pub method: &'r str,
    /// The path below the resource.
    pub path: &'r str,
    /// The query's decoded `name=value` pairs.
    pub query: Vec<String>,
    /// The host that was asked for, where policies are to see another one than the upstream's.
    pub host: Option<&'r str>,
    /// The tool, where the operation is one.
    pub tool: Option<&'r str>,
    /// What the tool is called with: a person who has to approve the call sees it.
    pub arguments: Option<&'r Value>,
    /// What was proved of the mandate's key.
    pub proof: Option<ServiceProof>,
}

/// The answer to a service.
#[derive(Debug)]
pub struct CallDecision {
    /// What the service may do.
    pub decision: Decision,
    /// Why not, or not yet.
    pub refusal: Option<Refusal>,
    /// The mandate, once it was verified.
    pub claims: Option<MandateClaims>,
    /// What stands in the ledger; none where a refusal is only counted.
    pub evidence: Option<DecisionEvidence>,
    /// Where it stands, for what is allowed.
    pub receipt: Option<Receipt>,
    /// What the next proof of the client needs, for a mandate that is bound to a key.
    pub nonce: Option<String>,
}

impl CallDecision {
    fn refused(refusal: Refusal, claims: Option<MandateClaims>, nonce: Option<String>) -> Self {
        let is_held = refusal.code == RefusalCode::ApprovalRequired && refusal.approval.is_some();
        let decision = match is_held {
            true => Decision::Hold,
            false => Decision::Deny,
        };
        Self {
            decision,
            evidence: refusal.evidence.as_deref().cloned(),
            refusal: Some(refusal),
            claims,
            receipt: None,
            nonce,
        }
    }

    /// The determining policies.
    pub fn policies(&self) -> &[Name] {
        self.evidence.as_ref().map_or(&[], |found| &found.policies)
    }

    /// The scope that the operation needs, once that is known.
    pub fn scopes(&self) -> Option<&ScopeSet> {
        self.evidence.as_ref().map(|found| &found.scopes)
    }
}

/// What a person approves besides method, path and query, as JSON with its fields in order.
#[derive(Serialize)]
struct ToolCall<'r> {
    #[serde(skip_serializing_if = "Option::is_none")]
    tool: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    arguments: Option<&'r Value>,
}

impl Engine {
    /// Decides on a request that has reached a service, by the gates of the Gateway in their
    /// order. What it answers is in the ledger first, unless nobody is known by the mandate.
    ///
    /// # Errors
    /// When the service is not known or may not ask about this resource, when the ledger cannot
    /// be written, and when this node is behind: nothing may be done then.
    pub async fn decide_for_service(
        &self,
        credentials: &CallerCredentials,
        key: Option<&str>,
        asked: &DecideRequest<'_>,
    ) -> Result<CallDecision, IssueError> {
        let caller = self.find_service(credentials, key).await?;
        let verifier = self
            .verifier_of(caller, asked.resource, asked.request_id)
            .await?;
        let zone = verifier.caller.zone();
        let path = match RequestPath::parse(asked.path) {
            Ok(path) => path,
            Err(error) => {
                let refusal = Refusal::new(RefusalCode::PathInvalid, error.to_string());
                return Ok(self.count_decision(zone, refusal, None, None));
            }
        };
        let opened = match self.open_mandate(asked.mandate).await {
            Ok(opened) if opened.handle.id == zone => opened,
            Err(RefusalCode::FeedStale) => return Err(behind()),
            found => {
                let code = found.err().unwrap_or(RefusalCode::MandateInvalid);
                let why = "the mandate is not one that this zone issued and that is good now";
                let refusal = Refusal::new(code, why);
                return Ok(self.count_decision(zone, refusal, None, None));
            }
        };
        let claims = opened.claims().clone();
        let bound = claims.cnf.is_some();
        let nonce = bound.then(|| self.dpop_nonce(zone)).flatten();
        let target = match self.target_of(opened, &verifier, asked).await {
            Ok(target) => target,
            Err(refusal) => return self.tell_refusal(zone, refusal, claims, nonce),
        };
        let body = tool_call(asked)?;
        let request = CallRequest {
            query: asked.query.clone(),
            sent_query: &query_text(&asked.query),
            headers: asked
                .host
                .map(|host| ("host".to_owned(), host.to_owned()))
                .into_iter()
                .collect(),
            body: Some(&body),
            host: asked.host,
            tool: asked.tool,
            service: Some(verifier.service()),
            ..CallRequest::new(asked.request_id, asked.method, path)
        };
        match self.grant_call(target, &request).await {
            Ok(Granting::Granted(granted)) => Ok(CallDecision {
                decision: Decision::Allow,
                refusal: None,
                evidence: Some(DecisionEvidence::of(&granted.started)),
                claims: Some(claims),
                receipt: Some(granted.receipt),
                nonce,
            }),
            // What is approved was given above.
            Ok(Granting::Held(_)) => {
                let why = "a person has to approve this call".to_owned();
                Err(IssueError::Unavailable(why))
            }
            Err(refusal) => self.tell_refusal(zone, refusal, claims, nonce),
        }
    }

    /// The mandate with the resource, once its key is proved and it is for that.
    async fn target_of(
        &self,
        mut opened: OpenedMandate,
        verifier: &Verifier,
        asked: &DecideRequest<'_>,
    ) -> Result<Target, Refusal> {
        let entry = &verifier.entry;
        let found = self.check_service_proof(&mut opened, verifier, asked);
        let found = found.and_then(|()| {
            let chain = Chain::of(opened.claims());
            match chain.find_dead(&verifier.view, opened.decided_on) {
                Some(anchor) => Err(revoked(&opened, anchor)),
                None if opened.is_unproven() => Err(unproven()),
                None => named_in(opened.claims(), entry.resource())
                    .map_err(|(code, why)| Refusal::new(code, why))
                    .and_then(|()| bound_enough(&opened, entry.clone())),
            }
        });
        match found {
            Ok(entry) => Ok(Target {
                view: verifier.view.clone(),
                entry,
                opened,
            }),
            Err(refusal) if refusal.is_passing() => Err(refusal),
            Err(refusal) => {
                let mut event = self.call_event(&opened, EventType::CallDecided, asked.request_id);
                event.resource = Some(entry.resource().identifier());
                event.service = Some(verifier.service());
                Err(Box::pin(self.refuse(&opened, event, refusal)).await)
            }
        }
    }

    /// Finds out whether the client of the service has the key of its mandate.
    fn check_service_proof(
        &self,
        opened: &mut OpenedMandate,
        verifier: &Verifier,
        asked: &DecideRequest<'_>,
    ) -> Result<(), Refusal> {
        let bound = opened.claims().cnf.as_ref().map(|cnf| cnf.jkt.as_str());
        match (&asked.proof, bound) {
            // Whether it needs one is asked with the other gates.
            (None, _) => {}
            (Some(ServiceProof::Shown(proof)), _) => {
                let presented = PresentedAs::Dpop(proof.clone());
                let proven = self.check_presented(opened, &presented, RefusedAt::Service)?;
                opened.proven = proven.map(Into::into);
            }
            (Some(ServiceProof::Checked(_)), _) if verifier.entry.resource().single_use => {
                let why = "the resource takes each proof once, so that it must be seen";
                return Err(Refusal::new(RefusalCode::ProofInvalid, why)
                    .hint("send the proof itself as `proof.dpop`, with `method` and `url`"));
            }
            (Some(ServiceProof::Checked(key)), Some(bound)) if key == bound => {
                let proven = Proven::by_service(opened, key);
                opened.proven = Some(proven.into());
            }
            (Some(ServiceProof::Checked(_)), Some(_)) => {
                let why = "the key that was proved is not the one that the mandate is bound to";
                return Err(Refusal::new(RefusalCode::ProofInvalid, why));
            }
            (Some(ServiceProof::Checked(_)), None) => {
                let why = "the mandate is not bound to a key";
                return Err(Refusal::new(RefusalCode::MandateInvalid, why)
                    .hint("take it as `Authorization: Bearer MANDATE`"));
            }
        }
        Ok(())
    }

    /// What a service is told of a refusal.
    fn tell_refusal(
        &self,
        zone: ZoneId,
        refusal: Refusal,
        claims: MandateClaims,
        nonce: Option<String>,
    ) -> Result<CallDecision, IssueError> {
        match refusal.code {
            RefusalCode::LedgerUnavailable | RefusalCode::FeedStale | RefusalCode::Overloaded => {
                Err(IssueError::Unavailable(refusal.detail))
            }
            RefusalCode::RateLimited if refusal.evidence.is_none() => {
                Err(IssueError::SlowDown(refusal.detail))
            }
            _ if refusal.evidence.is_none() => {
                Ok(self.count_decision(zone, refusal, Some(claims), nonce))
            }
            _ => Ok(CallDecision::refused(refusal, Some(claims), nonce)),
        }
    }

    /// A refusal without an event of its own.
    fn count_decision(
        &self,
        zone: ZoneId,
        refusal: Refusal,
        claims: Option<MandateClaims>,
        nonce: Option<String>,
    ) -> CallDecision {
        self.count_refusal(Some(zone), RefusedAt::Service, refusal.code.as_str());
        CallDecision::refused(refusal, claims, nonce)
    }
}

/// What stands for a body; empty where there is no tool.
fn tool_call(asked: &DecideRequest<'_>) -> Result<Vec<u8>, IssueError> {
    if asked.tool.is_none() && asked.arguments.is_none() {
        return Ok(Vec::new());
    }
    let call = ToolCall {
        tool: asked.tool,
        arguments: asked.arguments,
    };
    serde_json::to_vec(&call).map_err(|error| {
        IssueError::InvalidRequest(format!("`arguments` cannot be written: {error}"))
    })
}

/// The query as one text, in which no two queries look alike.
fn query_text(pairs: &[String]) -> String {
    serde_json::to_string(pairs).unwrap_or_default()
}
