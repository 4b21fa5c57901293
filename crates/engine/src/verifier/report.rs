//! What came of the calls that a service was allowed: reported by it, and not observed.

use std::sync::Arc;

use caracal_core::{Decision, Event, EventId, EventType};
use caracal_store::{ClaimId, Claimed, Query};
use jiff::SignedDuration;

use crate::caller::Caller;
use crate::{CallerCredentials, Engine, IssueError};

/// The most calls of one report.
pub const MAX_REPORTS: usize = 100;
/// How long after its decision a call can be reported.
const REPORT_TIME: SignedDuration = SignedDuration::from_hours(24);

/// What a service says of a call.
#[derive(Debug, Clone, Copy)]
pub struct ReportedCall {
    /// The event of the decision that allowed it.
    pub decision: EventId,
    /// The HTTP status that it was answered with.
    pub status: u16,
    /// How long it took, in milliseconds.
    pub latency_ms: Option<u64>,
}

/// What became of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reported {
    /// It is in the ledger, as this event.
    Recorded(EventId),
    /// It was reported before.
    Duplicate,
    /// No decision that allowed this service a call has this id, or it is older than 24 hours.
    Unknown,
}

impl Engine {
    /// Records what a service says of calls that it was allowed, each once.
    ///
    /// # Errors
    /// When the service is not known, or the ledger cannot be read or written. Those before may
    /// be recorded then: report all again.
    pub async fn report_calls(
        &self,
        credentials: &CallerCredentials,
        key: Option<&str>,
        calls: &[ReportedCall],
    ) -> Result<Vec<Reported>, IssueError> {
        let caller = self.find_service(credentials, key).await?;
        if calls.is_empty() || calls.len() > MAX_REPORTS {
            let why = format!("`calls` has 1 to {MAX_REPORTS} members");
            return Err(IssueError::InvalidRequest(why));
        }
        let mut results = Vec::with_capacity(calls.len());
        for call in calls {
            results.push(self.report_call(&caller, *call).await?);
        }
        Ok(results)
    }

    async fn report_call(
        &self,
        caller: &Caller,
        call: ReportedCall,
    ) -> Result<Reported, IssueError> {
        let query = Query {
            id: Some(call.decision.to_string()),
            ..Query::default()
        };
        let decided = self.find_own_event(caller, query, |event| {
            event.event_type == EventType::CallDecided && event.decision == Some(Decision::Allow)
        });
        let Some(decided) = decided.await? else {
            return Ok(Reported::Unknown);
        };
        let ends_at = decided.time.saturating_add(REPORT_TIME);
        let ends_at = ends_at.map_err(|error| IssueError::Unavailable(error.to_string()))?;
        if ends_at <= self.now() || !self.is_still_verifier(caller, &decided)? {
            return Ok(Reported::Unknown);
        }
        let unavailable = |why: String| IssueError::Unavailable(why);
        self.check_room().map_err(|e| unavailable(e.to_string()))?;
        let id = caracal_crypto::sha256_parts(&[b"report", call.decision.uuid().as_bytes()]);
        let claimed = self
            .state()
            .claim(caller.zone(), ClaimId(id), ends_at)
            .await
            .map_err(|e| unavailable(e.to_string()))?;
        if claimed == Claimed::Before {
            // Whoever claimed it may not have come to write it.
            let query = Query {
                request_id: Some(decided.request_id.clone()),
                event_type: Some(EventType::CallReported.as_str().to_owned()),
                ..Query::default()
            };
            if self
                .find_own_event(caller, query, |_| true)
                .await?
                .is_some()
            {
                return Ok(Reported::Duplicate);
            }
        }
        let mut event = self.event(caller.zone(), EventType::CallReported, &decided.request_id);
        event.service = Some(caller.application);
        event.application = decided.application;
        event.session = decided.session;
        event.subject = decided.subject;
        event.mandate = decided.mandate;
        event.delegations = decided.delegations;
        event.resource = decided.resource;
        event.scopes = decided.scopes;
        event.operation = decided.operation;
        event.target = Some(call.decision.to_string());
        event.status = Some(call.status);
        event.latency_ms = call.latency_ms;
        let recorded = self.record(&caller.handle, &event).await;
        recorded.map_err(|e| unavailable(e.to_string()))?;
        Ok(Reported::Recorded(event.id))
    }

    fn is_still_verifier(&self, caller: &Caller, decided: &Event) -> Result<bool, IssueError> {
        let view = Arc::clone(&caller.view);
        let name = &caller.own_application(&view)?.value.name;
        let resource = decided.resource.as_ref();
        let entry = resource.and_then(|found| view.prepared.get(found.name().as_str()));
        Ok(entry.is_some_and(|entry| entry.resource().is_verified_by(name)))
    }

    /// The first event that is found and that this service brought about.
    async fn find_own_event(
        &self,
        caller: &Caller,
        mut query: Query,
        is_it: impl Fn(&Event) -> bool,
    ) -> Result<Option<Event>, IssueError> {
        query.zone = Some(caller.zone());
        query.limit = 10;
        loop {
            let page = self.evidence().search(query.clone()).await;
            let page = page.map_err(|error| IssueError::Unavailable(error.to_string()))?;
            let events = page.leaves.iter();
            let mut events = events.filter_map(|(_, leaf)| serde_json::from_slice(leaf).ok());
            let own = |event: &Event| event.service == Some(caller.application) && is_it(event);
            if let Some(found) = events.find(own) {
                return Ok(Some(found));
            }
            match page.next {
                Some(next) => query.cursor = Some(next),
                None => return Ok(None),
            }
        }
    }
}
