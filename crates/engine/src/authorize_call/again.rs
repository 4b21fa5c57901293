//! Deciding live calls again, when what they were decided by has changed.

use std::sync::Arc;

use caracal_core::{Kind, Name, RefusalCode, RequestPath};
use caracal_store::{CommitRecord, Write};

use super::decided::Standing;
use super::{CallRequest, CallSubject};
use crate::Engine;
use crate::approvals::Given;
use crate::live::LiveCall;
use crate::meters::meters;
use crate::verify::OpenedMandate;
use crate::view::ZoneView;
use crate::zone_handle::ZoneHandle;

/// After so many calls others may go first.
const AT_ONCE: usize = 32;

/// What was asked about a call that goes on: enough to ask again.
pub(crate) struct AskedCall {
    opened: OpenedMandate,
    resource: Name,
    request_id: Box<str>,
    method: Box<str>,
    path: RequestPath,
    query: Vec<String>,
    /// The approval that it has used up.
    given: Option<Given>,
}

impl AskedCall {
    pub(super) fn of(
        opened: &OpenedMandate,
        subject: &CallSubject,
        request: &CallRequest<'_>,
        given: Option<Given>,
    ) -> Self {
        Self {
            opened: opened.clone(),
            resource: subject.entry.resource().name.clone(),
            request_id: request.request_id.into(),
            method: request.method.into(),
            path: request.path.clone(),
            query: request.query.clone(),
            given,
        }
    }
}

/// True when the answers to live calls may be others after a commit: another policy, or another
/// set of operations. What it ends is cut without being asked about.
pub(crate) fn changes_decisions(
    before: &ZoneView,
    after: &ZoneView,
    record: &CommitRecord,
) -> bool {
    let same = match (&before.policy, &after.policy) {
        (Some(before), Some(after)) => Arc::ptr_eq(before, after),
        (before, after) => before.is_none() && after.is_none(),
    };
    let resource =
        |write: &Write| matches!(write, Write::Put(document) if document.kind == Kind::Resource);
    !same || record.writes.iter().any(resource)
}

impl Engine {
    /// Asks policy again about every live call of a zone, and cuts those that it denies now. It
    /// goes on beside the commits: one at a time in a zone, and once more when another is due.
    pub(crate) fn decide_calls_again(&self, handle: &Arc<ZoneHandle>) {
        if !handle.live.ask_again() {
            return;
        }
        let (engine, handle) = (self.clone(), Arc::clone(handle));
        self.spawn(async move {
            while let Some(calls) = handle.live.take_asked() {
                for some in calls.chunks(AT_ONCE) {
                    for call in some {
                        engine.decide_again(&handle, call);
                    }
                    tokio::task::yield_now().await;
                }
            }
        });
    }

    fn decide_again(&self, handle: &ZoneHandle, call: &LiveCall) {
        let Some(asked) = call.asked() else { return };
        meters().decided_again.increment(1);
        if let Some(code) = self.find_refusal(handle, call, asked) {
            call.refuse(code);
            meters().cut_by_policy.increment(1);
            let request_id = &*asked.request_id;
            tracing::info!(
                request_id,
                code = code.as_str(),
                "a call that went on is cut: it would not be let through any more"
            );
        }
    }

    /// Why a call would be refused now.
    fn find_refusal(
        &self,
        handle: &ZoneHandle,
        call: &LiveCall,
        asked: &AskedCall,
    ) -> Option<RefusalCode> {
        let view = handle.view();
        let Some(entry) = view.prepared.get(&asked.resource) else {
            return Some(RefusalCode::MandateRevoked);
        };
        let path = self.path_of_mandate(&asked.opened, &view);
        let mut request = CallRequest::new(&asked.request_id, &asked.method, asked.path.clone());
        request.query.clone_from(&asked.query);
        let standing = Standing {
            view: &view,
            entry,
            call,
            path: &path,
            goes_on: true,
        };
        let decided = self.decide_call(&asked.opened, &standing, &request, asked.given);
        decided.into_refusal().map(|refusal| refusal.code)
    }
}
