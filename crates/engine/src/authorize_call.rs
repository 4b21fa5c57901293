//! Authorising a governed call: the second phase of policy, and evidence before effect.

mod again;
mod decided;
mod digest;
mod granted;
mod refuse;
mod request;
mod subject;
mod unfinished;

use std::sync::Arc;

use caracal_core::{Decision, EventId, RefusalCode};

use crate::approvals::{HeldCall, Reserved, Unusable};
use crate::permit::Permit;
use crate::{Engine, Refusal, Target};

pub(crate) use again::{AskedCall, changes_decisions};
use digest::digest_of_call;
pub(crate) use granted::{Granted, Granting};
pub(crate) use refuse::revoked;
use refuse::unrecorded;
pub use request::{Authorized, CallRequest};
pub(crate) use subject::CallSubject;
use unfinished::Unfinished;

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
        let granted = match self.grant_call(target, request).await? {
            Granting::Granted(granted) => *granted,
            Granting::Held(target) => return Ok(Authorized::Held(target)),
        };
        let Granted {
            opened,
            subject,
            started,
            receipt,
            approval,
        } = granted;
        let CallSubject {
            view: _,
            entry,
            provider,
            guard,
            path,
        } = subject;
        // What has none was refused; this is only for the compiler.
        let Some(upstream) = entry.upstream().cloned() else {
            let why = "the resource has no upstream";
            return Err(Refusal::new(RefusalCode::NotForwarded, why));
        };
        // A stream never outlives the approval that it goes by.
        let newest = opened.handle.view();
        let by = started.approval.and_then(|id| newest.approvals.find(id));
        let ends_of_approval = by.map(|held| held.value.expires_at);
        let ends_at = path.ok().and_then(|path| path.expires_at());
        let ends_at = ends_at.into_iter().chain(ends_of_approval).min();
        Ok(Authorized::Permit(Permit::new(
            self.clone(),
            opened,
            entry,
            upstream,
            provider,
            guard,
            started,
            receipt,
            request.path.clone(),
            ends_at,
            approval,
        )))
    }

    /// The decision for Gateway and services alike: every gate, evidence, and once more what was
    /// revoked meanwhile.
    pub(crate) async fn grant_call(
        &self,
        target: Target,
        request: &CallRequest<'_>,
    ) -> Result<Granting, Refusal> {
        let Target {
            opened,
            view,
            entry,
        } = target;
        let mut subject = self.enter(&opened, view, entry);
        let mut decided = self.decide_call(&opened, &subject.standing(), request, None);
        let digest = digest_of_call(&subject.view, &opened, request);
        decided.event.inputs_digest = Some(digest.clone());
        let mut used = None;
        if let Some(by) = decided.held {
            let Some(body) = request.body else {
                let CallSubject { view, entry, .. } = subject;
                return Ok(Granting::Held(Target {
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
                    decided = self.decide_call(&opened, &subject.standing(), request, Some(given));
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
        // First of what is taken, since it costs the caller least: see decision 0055.
        let mut is_used_once = subject.entry.resource().single_use;
        if let Err(refusal) = self.use_once(&opened, &subject.entry).await {
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
        let given = used.as_ref().map(|(given, _)| *given);
        let mut reserved = None;
        if let Some((given, approved)) = used {
            let request_id = request.request_id;
            let used = self.reserve_approval(&opened.handle, given.id, &approved, request_id);
            match Box::pin(used).await {
                Ok(used) => reserved = Some(used),
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
        let mut started = decided.event;
        started.event_type = request.allowed();
        started.decision = Some(Decision::Allow);
        let entry = match self.draft(&opened.handle, &started) {
            Ok(entry) => entry,
            Err(error) => {
                Box::pin(released(reserved)).await;
                return Err(unrecorded(error));
            }
        };
        let unfinished = Unfinished::new(self, &opened, &started);
        let receipt = match self.append_one(entry).await {
            Ok(receipt) => receipt,
            Err(error) => {
                unfinished.disarm();
                Box::pin(released(reserved)).await;
                return Err(unrecorded(error));
            }
        };
        // The evidence took time. What was revoked meanwhile ends the call here, and what was
        // changed is decided again, so that no call goes out on what is no longer so.
        loop {
            let asked = || AskedCall::of(&opened, &subject, request, given);
            subject.guard.call.decide_again_later(asked);
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
                    let again = self.decide_call(&opened, &subject.standing(), request, given);
                    match again.into_refusal() {
                        // The resource may ask for it only since a moment ago.
                        None if !is_used_once => match self.use_once(&opened, &subject.entry).await
                        {
                            Ok(()) => {
                                is_used_once = subject.entry.resource().single_use;
                                continue;
                            }
                            Err(refusal) => refusal,
                        },
                        None => continue,
                        Some(refusal) => refusal,
                    }
                }
            };
            unfinished.disarm();
            if request.service.is_none() {
                self.record_unsent(&opened, &started, refusal.code.as_str());
            }
            Box::pin(released(reserved)).await;
            if request.service.is_some() {
                // Nobody was told of the decision before: this one takes its place.
                let mut event = started.clone();
                event.id = EventId::new(self.now(), &self.random());
                event.time = self.now();
                return Err(Box::pin(self.refuse(&opened, event, refusal)).await);
            }
            return Err(refusal);
        }
        // From here on something may go out.
        unfinished.disarm();
        taken.spend();
        if let Some(reserved) = reserved {
            reserved.keep();
        }
        let approval = given.map(|given| given.id);
        Ok(Granting::Granted(Box::new(Granted {
            opened,
            subject,
            started,
            receipt,
            approval,
        })))
    }
}

/// Gives an approval back of which nothing came.
async fn released(reserved: Option<Reserved>) {
    if let Some(reserved) = reserved {
        reserved.release().await;
    }
}
