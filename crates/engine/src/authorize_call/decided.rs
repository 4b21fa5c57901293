//! What is decided about a call before anything is done for it.

use std::time::Instant;

use caracal_core::{
    Approver, AuthorizationDetail, Event, OperationRef, RefusalCode, ScopeSet, UndeclaredOperation,
};
use caracal_policy::{Effect, Phase, RequestView};

use super::refuse::broken_path;
use super::{CallRequest, CallSubject, revoked};
use crate::approvals::{Given, covers, in_use, still_needed};
use crate::decide::{Asked, PathQuestion, ask_path, reason_text};
use crate::live::LiveCall;
use crate::meters::meters;
use crate::path::{AuthorityPath, Broken};
use crate::verify::OpenedMandate;
use crate::view::ZoneView;
use crate::{Engine, Refusal, ResourceEntry};

/// The answer, with the event that tells it.
pub(super) struct Decided {
    pub(super) event: Box<Event>,
    pub(super) refusal: Option<Refusal>,
    /// Who has to approve it first.
    pub(super) held: Option<Approver>,
}

impl Decided {
    /// Why it may not go out now.
    pub(super) fn into_refusal(self) -> Option<Refusal> {
        self.refusal.or_else(|| {
            self.held.map(|_| {
                let why = "policy changed meanwhile: a person has to approve this call";
                Refusal::new(RefusalCode::ApprovalRequired, why).hint("send the request again")
            })
        })
    }
}

/// What a call stands on while it is decided.
pub(super) struct Standing<'s> {
    pub(super) view: &'s ZoneView,
    pub(super) entry: &'s ResourceEntry,
    pub(super) call: &'s LiveCall,
    pub(super) path: &'s Result<AuthorityPath, Broken>,
    /// It was let through before: its mandate may have expired since.
    pub(super) goes_on: bool,
}

impl CallSubject {
    pub(super) fn standing(&self) -> Standing<'_> {
        Standing {
            view: &self.view,
            entry: &self.entry,
            call: &self.guard.call,
            path: &self.path,
            goes_on: false,
        }
    }
}

impl Engine {
    pub(super) fn decide_call(
        &self,
        opened: &OpenedMandate,
        standing: &Standing<'_>,
        request: &CallRequest<'_>,
        reserved: Option<Given>,
    ) -> Decided {
        let Standing {
            view, entry, call, ..
        } = standing;
        let claims = opened.claims();
        let resource = entry.resource();
        let identifier = resource.identifier();
        let mut event = self.call_event(opened, request.denied(), request.request_id);
        event.service = request.service;
        event.resource = Some(identifier.clone());
        event.operation = Some(OperationRef {
            method: request.method.to_owned(),
            path: None,
            tool: request.tool.map(str::to_owned),
        });
        let deny = |event, refusal| Decided {
            event,
            refusal: Some(refusal),
            held: None,
        };
        if let Some(anchor) = call.find_dead(view) {
            return deny(event, revoked(opened, anchor));
        }
        let path = match standing.path {
            Ok(path) => path,
            Err(broken) => return deny(event, broken_path(opened, *broken)),
        };
        event.subject = path.root().subject();
        event.delegations = Some(path.delegation_ids()).filter(|ids| !ids.is_empty());
        // It was good when it was opened; a call may have waited for its place since.
        if !standing.goes_on && claims.exp <= self.now().as_second() {
            let refusal = Refusal::new(RefusalCode::MandateExpired, "the mandate has expired");
            return deny(event, refusal.hint("get a fresh mandate from the STS"));
        }
        // It may have been dropped after the mandate was verified.
        if view.keys.find(opened.key).is_none() {
            let why = "the key that signed the mandate was dropped";
            let refusal =
                Refusal::new(RefusalCode::MandateInvalid, why).hint("ask for a new mandate");
            return deny(event, refusal);
        }
        if request.service.is_none() && entry.upstream().is_none() {
            let why = format!("`{identifier}` takes calls itself, and the Gateway forwards none");
            let refusal = Refusal::new(RefusalCode::NotForwarded, why);
            return deny(
                event,
                refusal.hint("call the service itself with the mandate"),
            );
        }
        if request
            .path
            .check_slashes(resource.literal_encoded_slashes)
            .is_err()
        {
            let refusal = Refusal::new(
                RefusalCode::PathInvalid,
                "the path has an encoded slash or a backslash",
            )
            .hint("set `encoded_slashes: literal` on the resource if it needs them");
            return deny(event, refusal);
        }
        let scope = match (
            entry.operations().find(request.method, &request.path),
            &resource.undeclared,
        ) {
            (Some(rule), _) => {
                if let Some(operation) = &mut event.operation {
                    operation.path = Some(rule.path.to_string());
                }
                rule.scope.clone()
            }
            (None, UndeclaredOperation::Scope(scope)) => scope.clone(),
            (None, UndeclaredOperation::Deny) => {
                let why = format!("no operation of `{identifier}` names this method and path");
                let refusal = Refusal::new(RefusalCode::OperationNotDeclared, why)
                    .hint("declare it under `operations` of the resource");
                return deny(event, refusal);
            }
        };
        event.scopes = Some(ScopeSet::from_iter([scope.clone()]));
        if !claims.scope.contains(scope.as_str()) {
            let why = format!("the mandate does not have the scope `{scope}`");
            let refusal = Refusal::new(RefusalCode::ScopeMissing, why)
                .hint(format!("ask for it: `scope={scope}`"));
            return deny(event, refusal);
        }
        let named = claims.authorization_details.as_slice();
        let is_named = |detail: &AuthorizationDetail| {
            let (method, query) = (request.method, &request.query);
            (detail.call()).is(&identifier, &scope, method, &request.path, query)
        };
        if !named.is_empty() && !named.iter().any(is_named) {
            let why = "the mandate names its requests, and this is none of them";
            let refusal = Refusal::new(RefusalCode::ActionNotAuthorized, why)
                .hint("ask for it in `authorization_details`, to the letter");
            return deny(event, refusal);
        }
        event.policy_version = view.zone.value.policy.clone();
        let Some(policy) = &view.policy else {
            return deny(
                event,
                Refusal::new(
                    RefusalCode::PolicyDenied,
                    "no policy is active in this zone",
                ),
            );
        };
        let method = if request.method == "HEAD" {
            "GET"
        } else {
            request.method
        };
        let sent = entry.sent(&request.path).to_string();
        let began = Instant::now();
        // What the mandate was issued by covers every call under the scopes that were shown.
        let carried = claims.apr.and_then(|id| view.approvals.find(id));
        let carried = carried.and_then(|held| in_use(&held.value, self.now()));
        let carried = carried.filter(|approval| covers(approval, scope.as_str()));
        let given = reserved.or(carried.map(Given::of));
        event.approval = given.map(|given| given.id);
        let question = PathQuestion {
            phase: Phase::Call,
            action: scope.as_str(),
            resource: &identifier,
            now: self.now(),
            enforcement: resource.enforcement,
            request: Some(RequestView {
                method,
                path: &sent,
                host: request.host.unwrap_or(entry.host()),
                query: &request.query,
                tool: request.tool,
                arguments: None,
            }),
            approval: given.map(|given| given.id),
            actor: None,
        };
        let answer = ask_path(policy, path, &question);
        meters().policy_call.record(began.elapsed());
        let effect = answer.effect;
        let held = still_needed(&answer, given);
        let mut asked = Asked::default();
        asked.add(answer);
        asked.tell_faults(request.request_id);
        event.policies = Some(asked.determining());
        match effect {
            Effect::Allow | Effect::Hold => Decided {
                event,
                refusal: None,
                held,
            },
            Effect::Deny(reason) => {
                let why = format!("{} for `{scope}` on `{identifier}`", reason_text(reason));
                let hint = format!("see `caracal audit explain {}`", request.request_id);
                deny(
                    event,
                    Refusal::new(RefusalCode::PolicyDenied, why).hint(hint),
                )
            }
        }
    }
}
