//! Authorising a governed call: the second phase of policy, and evidence before effect.

use std::sync::Arc;
use std::time::Instant;

use caracal_core::{
    Anchor, Approver, Decision, Event, EventType, MandateId, OperationRef, Provider, RefusalCode,
    RequestPath, ScopeSet, UndeclaredOperation,
};
use caracal_policy::{Effect, Phase, RequestView};
use serde::Serialize;

use crate::approvals::{Given, HeldCall, Unusable, covers, in_use, still_needed};
use crate::chain::{Chain, is_unstored};
use crate::decide::{Asked, PathQuestion, ask_path, reason_text};
use crate::live::LiveGuard;
use crate::meters::meters;
use crate::path::{AuthorityPath, Broken};
use crate::permit::Permit;
use crate::record::RecordError;
use crate::verify::OpenedMandate;
use crate::view::{Stored, ZoneView};
use crate::{Engine, Refusal, ResourceEntry, Target};

/// A request that wants to become a call.
pub struct CallRequest<'r> {
    /// The id that the client is told and that events carry.
    pub request_id: &'r str,
    /// The HTTP method.
    pub method: &'r str,
    /// The path below the resource.
    pub path: RequestPath,
    /// The query's decoded `name=value` pairs, without what carried the mandate.
    pub query: Vec<String>,
    /// The query as it is sent upstream, without what carried the mandate and without what the
    /// provider adds.
    pub sent_query: &'r str,
    /// The headers that an approval covers, with lower-case names, in order.
    pub headers: Vec<(String, String)>,
    /// The whole body, once it was read because the call is held.
    pub body: Option<&'r [u8]>,
}

impl<'r> CallRequest<'r> {
    /// A request without a query, of which nothing was read.
    pub fn new(request_id: &'r str, method: &'r str, path: RequestPath) -> Self {
        Self {
            request_id,
            method,
            path,
            query: Vec::new(),
            sent_query: "",
            headers: Vec::new(),
            body: None,
        }
    }
}

/// What became of a request.
pub enum Authorized {
    /// It may go out.
    Permit(Permit),
    /// A person has to approve it, and its body must be known for that: authorise it again with
    /// [`CallRequest::body`]. Nothing is recorded yet.
    Held(Target),
}

impl Engine {
    /// Decides on a call. When this returns a permit, its start is in the ledger and durable.
    ///
    /// # Errors
    /// The first gate that says no; the denial is in the ledger.
    pub async fn authorize_call(
        &self,
        target: Target,
        request: &CallRequest<'_>,
    ) -> Result<Authorized, Refusal> {
        let Target {
            opened,
            view,
            entry,
        } = target;
        let mut subject = self.enter(&opened, view, entry);
        let mut decided = self.decide_call(&opened, &subject, request, None);
        let digest = digest_of_call(&subject.view, &opened, request);
        decided.event.inputs_digest = Some(digest.clone());
        let mut used = None;
        if let Some(by) = decided.held {
            let Some(body) = request.body else {
                let CallSubject { view, entry, .. } = subject;
                return Ok(Authorized::Held(Target {
                    opened,
                    view,
                    entry,
                }));
            };
            let event = &decided.event;
            // Boxed, so that those whom nobody holds do not carry its weight.
            let held = self.hold_call(&opened, &subject, request, body, (by, event));
            match Box::pin(held).await {
                HeldCall::Refused(refusal, is_held) => {
                    let refused = self.refuse_held(&opened, decided.event, refusal, is_held);
                    return Err(Box::pin(refused).await);
                }
                HeldCall::Approved(given, approved) => {
                    decided = self.decide_call(&opened, &subject, request, Some(given));
                    decided.event.inputs_digest = Some(digest);
                    used = Some((given, approved));
                }
            }
            if decided.held.is_some() {
                let why = "the approval does not suffice for what policy asks now";
                decided.refusal = Some(Refusal::new(RefusalCode::PolicyDenied, why));
            }
        }
        if let Some(refusal) = decided.refusal {
            // Boxed, so that those who are let through do not carry its weight.
            return Err(Box::pin(self.refuse(&opened, decided.event, refusal)).await);
        }
        let taken = match &subject.path {
            Ok(path) => self.take_call(&opened.handle, path).await,
            // It was found out before.
            Err(_) => Ok(crate::budgets::TakenCall::default()),
        };
        let taken = match taken {
            Ok(taken) => taken,
            Err(refusal) => {
                return Err(Box::pin(self.refuse(&opened, decided.event, refusal)).await);
            }
        };
        let mut reserved = None;
        if let Some((given, approved)) = used {
            let id = given.id;
            let request_id = request.request_id;
            let consumed = self.consume_approval(&opened.handle, id, &approved, request_id);
            match Box::pin(consumed).await {
                Ok(()) => reserved = Some(given),
                Err(why) => {
                    let refusal = match why {
                        Unusable::Not => Refusal::new(
                            RefusalCode::ApprovalRequired,
                            "the approval was used by an identical call",
                        )
                        .hint("send the request again to ask for another approval"),
                        Unusable::Failed(error) => {
                            Refusal::new(RefusalCode::LedgerUnavailable, error.to_string())
                        }
                    };
                    return Err(Box::pin(self.refuse(&opened, decided.event, refusal)).await);
                }
            }
        }
        let reserved = Reserved {
            engine: self,
            opened: &opened,
            given: reserved,
            request_id: request.request_id,
        };
        let mut started = decided.event;
        started.event_type = EventType::CallStarted;
        started.decision = Some(Decision::Allow);
        let entry = match self.draft(&opened.handle, &started) {
            Ok(entry) => entry,
            Err(error) => {
                Box::pin(reserved.release()).await;
                return Err(unrecorded(error));
            }
        };
        let unfinished = Unfinished::new(self, &opened, &started);
        let receipt = self.append_one(entry).await.map_err(unrecorded);
        unfinished.disarm();
        let receipt = match receipt {
            Ok(receipt) => receipt,
            Err(refusal) => {
                Box::pin(reserved.release()).await;
                return Err(refusal);
            }
        };
        // The evidence took time. What was revoked meanwhile ends the call here, and what was
        // changed is decided again, so that no call goes out on what is no longer so.
        loop {
            let newest = opened.handle.view();
            let refusal = match subject.guard.call.find_dead(&newest) {
                Some(anchor) => revoked(&opened, anchor),
                None if Arc::ptr_eq(&newest, &subject.view) => break,
                None => {
                    let name = &subject.entry.resource().name;
                    let entry = newest.prepared.get(name).cloned();
                    // What is gone was found dead; this is only for the compiler.
                    let entry = entry.unwrap_or_else(|| Arc::clone(&subject.entry));
                    subject = self.enter(&opened, newest, entry);
                    match self
                        .decide_call(&opened, &subject, request, reserved.given)
                        .into_refusal()
                    {
                        None => continue,
                        Some(refusal) => refusal,
                    }
                }
            };
            self.record_unsent(&opened, &started, refusal.code.as_str());
            Box::pin(reserved.release()).await;
            return Err(refusal);
        }
        let approval = reserved.given.map(|given| given.id);
        // From here on something may go out.
        taken.spend();
        // A stream never outlives the approval that it goes by.
        let newest = opened.handle.view();
        let by = started.approval.and_then(|id| newest.approvals.find(id));
        let ends_of_approval = by.map(|held| held.value.expires_at);
        let CallSubject {
            entry,
            provider,
            guard,
            path,
            ..
        } = subject;
        let ends_at = path.ok().and_then(|path| path.expires_at());
        let ends_at = ends_at.into_iter().chain(ends_of_approval).min();
        Ok(Authorized::Permit(Permit::new(
            self.clone(),
            opened,
            entry,
            provider,
            guard,
            started,
            receipt,
            request.path.clone(),
            ends_at,
            approval,
        )))
    }

    fn decide_call(
        &self,
        opened: &OpenedMandate,
        subject: &CallSubject,
        request: &CallRequest<'_>,
        reserved: Option<Given>,
    ) -> Decided {
        let CallSubject {
            view,
            entry,
            guard,
            path,
            ..
        } = subject;
        let claims = opened.claims();
        let resource = entry.resource();
        let identifier = resource.identifier();
        let mut event = self.call_event(opened, EventType::CallDenied, request.request_id);
        event.resource = Some(identifier.clone());
        event.operation = Some(OperationRef {
            method: request.method.to_owned(),
            path: None,
            tool: None,
        });
        let deny = |event, refusal| Decided {
            event,
            refusal: Some(refusal),
            held: None,
        };
        if let Some(anchor) = guard.call.find_dead(view) {
            return deny(event, revoked(opened, anchor));
        }
        let path = match path {
            Ok(path) => path,
            Err(broken) => return deny(event, broken_path(opened, *broken)),
        };
        event.subject = path.root().subject();
        event.delegations = Some(path.delegation_ids()).filter(|ids| !ids.is_empty());
        // It was good when it was opened; a call may have waited for its place since.
        if claims.exp <= self.now().as_second() {
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
        let sent = request.path.below(&entry.upstream().base).to_string();
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
                host: entry.upstream().authority(),
                query: &request.query,
                tool: None,
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

    /// Records the end of a call of which nothing was sent.
    fn record_unsent(&self, opened: &OpenedMandate, started: &Event, reason: &str) {
        let mut finished = self.call_event(opened, EventType::CallFinished, &started.request_id);
        finished.resource = started.resource.clone();
        finished.operation = started.operation.clone();
        finished.reason = Some(reason.to_owned());
        self.record_later(&opened.handle, &finished);
    }

    /// Records that a call waits for a person, or was denied because of what they said, and gives
    /// back what to answer.
    async fn refuse_held(
        &self,
        opened: &OpenedMandate,
        mut event: Box<Event>,
        refusal: Refusal,
        is_held: bool,
    ) -> Refusal {
        if !is_held {
            return self.refuse(opened, event, refusal).await;
        }
        event.approval = refusal.approval;
        event.decision = Some(Decision::Hold);
        event.reason = Some(refusal.code.as_str().to_owned());
        match self.record(&opened.handle, &event).await {
            Ok(_) => refusal,
            Err(error) => unrecorded(error),
        }
    }

    /// Records a denial and gives back what to answer.
    pub(crate) async fn refuse(
        &self,
        opened: &OpenedMandate,
        mut event: Box<Event>,
        refusal: Refusal,
    ) -> Refusal {
        event.decision = Some(Decision::Deny);
        event.reason = Some(refusal.code.as_str().to_owned());
        match self.record(&opened.handle, &event).await {
            Ok(_) => refusal,
            Err(error) => unrecorded(error),
        }
    }

    pub(crate) fn call_event(
        &self,
        opened: &OpenedMandate,
        event_type: EventType,
        request_id: &str,
    ) -> Box<Event> {
        let claims = opened.claims();
        let mut event = Box::new(self.event(claims.zone, event_type, request_id));
        event.application = Some(claims.client_id);
        event.session = Some(claims.sid);
        event.mandate = Some(claims.jti);
        event.trace_id = opened.trace;
        event
    }
}

/// What a call is decided on.
pub(crate) struct CallSubject {
    pub(crate) view: Arc<ZoneView>,
    pub(crate) entry: Arc<ResourceEntry>,
    pub(crate) provider: Option<Arc<Stored<Provider>>>,
    guard: LiveGuard,
    /// How its session has its authority.
    pub(crate) path: Result<AuthorityPath, Broken>,
}

impl Engine {
    /// Puts the call into the register, before it is decided: a revocation from now on finds it.
    fn enter(
        &self,
        opened: &OpenedMandate,
        view: Arc<ZoneView>,
        entry: Arc<ResourceEntry>,
    ) -> CallSubject {
        let resource = entry.resource();
        let provider = resource
            .provider
            .as_ref()
            .and_then(|name| view.providers.find(name.as_str()))
            .cloned();
        let provided = provider.as_ref().map(|p| &p.value);
        let path = self.path_of_mandate(opened, &view);
        let mut chain = Chain::of(opened.claims()).using(resource, provided);
        if let Ok(path) = &path {
            chain = chain.on(path);
        }
        let guard = opened
            .handle
            .live
            .enter(chain, opened.decided_on, opened.key);
        CallSubject {
            view,
            entry,
            provider,
            guard,
            path,
        }
    }

    /// The path that a mandate was issued by, as it is now.
    pub(crate) fn path_of_mandate(
        &self,
        opened: &OpenedMandate,
        view: &ZoneView,
    ) -> Result<AuthorityPath, Broken> {
        let claims = opened.claims();
        if is_unstored(claims) {
            let id = claims.client_id;
            let application = view
                .applications
                .find_by_id(id.uuid())
                .ok_or(Broken::Dead(Anchor::Application(id)))?;
            return Ok(AuthorityPath::without_session(
                Arc::clone(application),
                claims.sid,
            ));
        }
        let by = claims.dlg.last().copied();
        AuthorityPath::resolve(view, &opened.handle.leases, self.now(), claims.sid, by)
    }
}

/// The refusal of a call whose path cannot be used.
fn broken_path(opened: &OpenedMandate, broken: Broken) -> Refusal {
    match broken {
        Broken::Suspended(id) => Refusal::new(
            RefusalCode::SessionSuspended,
            format!("the session `{id}` is suspended"),
        )
        .hint("resume it, or wait until somebody does"),
        Broken::Dead(anchor) | Broken::Expired(anchor) => revoked(opened, anchor),
        Broken::NotReceiver(id) | Broken::NotAccepted(id) => {
            revoked(opened, Anchor::Delegation(id))
        }
    }
}

/// A call whose start is being recorded. When the client goes away meanwhile, the record
/// still comes to be, and needs its end: nothing was sent.
struct Unfinished<'e> {
    engine: &'e Engine,
    opened: &'e OpenedMandate,
    started: Option<&'e Event>,
}

impl<'e> Unfinished<'e> {
    fn new(engine: &'e Engine, opened: &'e OpenedMandate, started: &'e Event) -> Self {
        Self {
            engine,
            opened,
            started: Some(started),
        }
    }

    fn disarm(mut self) {
        self.started = None;
    }
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        if let Some(started) = self.started {
            self.engine
                .record_unsent(self.opened, started, "client_gone");
        }
    }
}

/// An approval that a call has used up, and may give back as long as nothing was sent.
struct Reserved<'e> {
    engine: &'e Engine,
    opened: &'e OpenedMandate,
    given: Option<Given>,
    request_id: &'e str,
}

impl Reserved<'_> {
    async fn release(&self) {
        if let Some(given) = self.given {
            let handle = &self.opened.handle;
            self.engine
                .release_approval(handle, given.id, self.request_id)
                .await;
        }
    }
}

struct Decided {
    event: Box<Event>,
    refusal: Option<Refusal>,
    /// Who has to approve it first.
    held: Option<Approver>,
}

impl Decided {
    /// Why it may not go out now.
    fn into_refusal(self) -> Option<Refusal> {
        self.refusal.or_else(|| {
            self.held.map(|_| {
                let why = "policy changed meanwhile: a person has to approve this call";
                Refusal::new(RefusalCode::ApprovalRequired, why).hint("send the request again")
            })
        })
    }
}

fn unrecorded(error: RecordError) -> Refusal {
    Refusal::new(RefusalCode::LedgerUnavailable, error.to_string())
}

pub(crate) fn revoked(opened: &OpenedMandate, anchor: Anchor) -> Refusal {
    let frozen =
        matches!(anchor, Anchor::Zone(zone) if opened.handle.view().is_revoked(Anchor::Zone(zone)));
    if frozen {
        return Refusal::new(RefusalCode::ZoneFrozen, "the zone is frozen");
    }
    Refusal::new(
        RefusalCode::MandateRevoked,
        format!("the mandate's {} is revoked", anchor.noun()),
    )
}

/// What the digest of a call covers, as JSON with its fields in order.
#[derive(Serialize)]
struct CallInputs<'r> {
    mandate: MandateId,
    method: &'r str,
    path: String,
    query: &'r [String],
}

fn digest_of_call(view: &ZoneView, opened: &OpenedMandate, request: &CallRequest<'_>) -> String {
    let claims = opened.claims();
    let inputs = CallInputs {
        mandate: claims.jti,
        method: request.method,
        path: request.path.to_string(),
        query: &request.query,
    };
    // Texts and lists of texts can always be written.
    let inputs = serde_json::to_vec(&inputs).unwrap_or_default();
    caracal_crypto::hex(&caracal_crypto::keyed_digest(&view.keys.digest, &inputs))
}
