//! Approvals of calls: what exactly is approved, and asking for it.

use caracal_core::{
    Anchor, Approval, ApprovalStatus, ApprovalSubject, Approver, Event, RefusalCode, ScopeSet,
};
use serde::Serialize;

use super::{CallShown, Given, HeldRequest, NotHeld, digest_of, of_call};
use crate::authorize_call::{CallRequest, CallSubject};
use crate::chain::is_unstored;
use crate::verify::OpenedMandate;
use crate::{Engine, Refusal};

/// What the digest of a held call covers, as JSON with its fields in order.
#[derive(Serialize)]
struct CallInputs<'r> {
    what: &'static str,
    application: caracal_core::ApplicationId,
    key: Option<&'r str>,
    session: caracal_core::SessionId,
    delegations: Vec<caracal_core::DelegationId>,
    resource: String,
    resource_id: caracal_core::ResourceId,
    upstream: &'r str,
    method: &'r str,
    path: String,
    query: &'r str,
    headers: &'r [(String, String)],
    body: String,
    body_bytes: usize,
    by: Approver,
}

/// What to do about a held call.
pub(crate) enum HeldCall {
    /// A person has approved it: it is still to be used up.
    Approved(Given, String),
    /// It is refused; true when a person is being asked.
    Refused(Refusal, bool),
}

impl Engine {
    /// Finds out whether a person has approved exactly this call, or asks one.
    pub(crate) async fn hold_call(
        &self,
        opened: &OpenedMandate,
        subject: &CallSubject,
        request: &CallRequest<'_>,
        body: &[u8],
        (by, event): (Approver, &Event),
    ) -> HeldCall {
        let refused = |code, why: &str| HeldCall::Refused(Refusal::new(code, why), false);
        let Ok(path) = &subject.path else {
            return refused(RefusalCode::MandateRevoked, "the path has ended");
        };
        let claims = opened.claims();
        let resource = subject.entry.resource();
        let sent = subject.entry.sent(&request.path).to_string();
        let inputs = CallInputs {
            // What a service asks about and what the Gateway would send are not the same.
            what: match request.service {
                Some(_) => "decision",
                None => "call",
            },
            application: claims.client_id,
            key: claims.cnf.as_ref().map(|cnf| cnf.jkt.as_str()),
            session: claims.sid,
            delegations: path.delegation_ids(),
            resource: resource.identifier().to_string(),
            resource_id: resource.id,
            upstream: &resource.upstream,
            method: request.method,
            path: sent.clone(),
            query: request.sent_query,
            headers: &request.headers,
            body: caracal_crypto::hex(&caracal_crypto::sha256(body)),
            body_bytes: body.len(),
            by,
        };
        let unavailable = |why: String| {
            let code = RefusalCode::LedgerUnavailable;
            HeldCall::Refused(Refusal::new(code, why), false)
        };
        let digest = match digest_of(&subject.view, &inputs) {
            Ok(digest) => digest,
            Err(error) => return unavailable(error.to_string()),
        };
        let mut anchors = vec![Anchor::Resource(resource.id)];
        anchors.extend(
            subject
                .provider
                .as_ref()
                .map(|p| Anchor::Provider(p.value.id)),
        );
        if is_unstored(claims) {
            // The session is none of its own: it ends with these.
            anchors.push(Anchor::Mandate(claims.jti));
            anchors.extend(&claims.anc);
        }
        let scope = event.scopes.clone().unwrap_or_default();
        let url = match subject.entry.upstream() {
            Some(upstream) => format!("{}{sent}", upstream.origin()),
            None => format!("{}{sent}", resource.identifier()),
        };
        let held = HeldRequest {
            application: claims.client_id,
            session: Some(claims.sid),
            path,
            anchors,
            asked: ApprovalSubject::Call {
                resource: resource.identifier(),
                scope: scope.clone(),
                method: request.method.to_owned(),
                path: event
                    .operation
                    .as_ref()
                    .and_then(|operation| operation.path.clone()),
            },
            digest: digest.clone(),
            by,
            policies: event.policies.clone().unwrap_or_default(),
            shown: of_call(
                path,
                &CallShown {
                    method: request.method,
                    url: &url,
                    query: &request.query,
                    headers: &request.headers,
                    body,
                    resource: &resource.identifier(),
                    scope: &scope.to_string(),
                },
            ),
        };
        let asked = self
            .ask_for_approval(&opened.handle, &held, request.request_id)
            .await;
        match asked {
            Ok(approval) => answer(&approval, digest, &scope),
            Err(NotHeld::NoSubject) => refused(
                RefusalCode::PolicyDenied,
                "a policy asks for the approval of the subject, and the session has none",
            ),
            Err(NotHeld::TooMany(why)) => refused(RefusalCode::RateLimited, &why),
            Err(NotHeld::Failed(error)) => unavailable(error.to_string()),
        }
    }
}

fn answer(approval: &Approval, digest: String, scope: &ScopeSet) -> HeldCall {
    match approval.status {
        ApprovalStatus::Approved => HeldCall::Approved(Given::of(approval), digest),
        ApprovalStatus::Rejected => {
            let why = match &approval.reason {
                Some(reason) => format!("a person rejected this call: {reason}"),
                None => "a person rejected this call".to_owned(),
            };
            HeldCall::Refused(Refusal::new(RefusalCode::PolicyDenied, why), false)
        }
        _ => {
            let why = format!("a person has to approve this call, which needs `{scope}`");
            let mut refusal = Refusal::new(RefusalCode::ApprovalRequired, why).hint(format!(
                "wait for `{}` at the STS, then send exactly the same request again",
                approval.id
            ));
            refusal.approval = Some(approval.id);
            HeldCall::Refused(refusal, true)
        }
    }
}
