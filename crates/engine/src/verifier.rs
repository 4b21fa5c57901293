//! What services that verify mandates themselves ask and report. Each can speak only about the
//! resources that it is registered for, so that it is no oracle for others.

mod decide;
mod report;

use std::sync::Arc;

use caracal_core::{ApplicationId, Decision, EventType, ResourceIdentifier, SessionStatus};

use crate::caller::Caller;
use crate::view::ZoneView;
use crate::{CallerCredentials, Engine, IssueError, ResourceEntry};
pub use decide::{CallDecision, DecideRequest, ServiceProof};
pub use report::{MAX_REPORTS, Reported, ReportedCall};

/// A service, and one of the resources that it verifies mandates for.
pub(crate) struct Verifier {
    pub(crate) caller: Caller,
    pub(crate) view: Arc<ZoneView>,
    pub(crate) entry: Arc<ResourceEntry>,
}

impl Verifier {
    pub(crate) fn service(&self) -> ApplicationId {
        self.caller.application
    }
}

impl Engine {
    /// The caller, once it has proved to be an application that may act now.
    pub(crate) async fn find_service(
        &self,
        credentials: &CallerCredentials,
        key: Option<&str>,
    ) -> Result<Caller, IssueError> {
        let caller = self.authenticate_caller(credentials, key).await?;
        let view = Arc::clone(&caller.view);
        caller.own_application(&view)?;
        if let Some(id) = caller.session {
            let session = caller.own_session(&view, id)?;
            if session.value.status == SessionStatus::Suspended {
                return Err(IssueError::SessionSuspended);
            }
        }
        Ok(caller)
    }

    /// The resource that a service names, if it verifies mandates for that.
    ///
    /// # Errors
    /// `access_denied`, with an event, for one of others and for one that does not exist: they
    /// look alike.
    pub(crate) async fn verifier_of(
        &self,
        caller: Caller,
        resource: &str,
        request_id: &str,
    ) -> Result<Verifier, IssueError> {
        let view = Arc::clone(&caller.view);
        let name = caller.own_application(&view)?.value.name.clone();
        let identifier = self.find_identifier(&view, resource);
        let entry = identifier
            .as_ref()
            .and_then(|identifier| view.prepared.get(identifier.name().as_str()))
            .filter(|entry| entry.resource().is_verified_by(&name))
            .cloned();
        match entry {
            Some(entry) => Ok(Verifier {
                caller,
                view,
                entry,
            }),
            None => {
                let identifier =
                    identifier.filter(|found| view.prepared.get(found.name().as_str()).is_some());
                Err(self.refuse_verifier(&caller, identifier, request_id).await)
            }
        }
    }

    /// Records that a service asked about what is not its own.
    async fn refuse_verifier(
        &self,
        caller: &Caller,
        resource: Option<ResourceIdentifier>,
        request_id: &str,
    ) -> IssueError {
        let mut event = self.event(caller.zone(), EventType::CallDecided, request_id);
        event.service = Some(caller.application);
        event.resource = resource;
        event.decision = Some(Decision::Deny);
        event.reason = Some("not_verifier".to_owned());
        match self.record(&caller.handle, &event).await {
            Ok(_) => IssueError::denied(
                "resource",
                "the caller does not verify mandates for this resource: name its application in \
                 `verified_by` of the resource",
            ),
            Err(error) => IssueError::Unavailable(error.to_string()),
        }
    }
}
