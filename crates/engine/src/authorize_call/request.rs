//! A request that wants to become a call, and what becomes of it.

use caracal_core::{ApplicationId, EventType, RequestPath};

use crate::Target;
use crate::permit::Permit;

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
    /// The host that the client asked for, where a service says it; none: the upstream's.
    pub host: Option<&'r str>,
    /// The tool that is called, where a service says it.
    pub tool: Option<&'r str>,
    /// The service that asks about a call that reached it; none: the Gateway.
    pub service: Option<ApplicationId>,
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
            host: None,
            tool: None,
            service: None,
        }
    }

    /// The event of a refusal.
    pub(super) fn denied(&self) -> EventType {
        match self.service {
            Some(_) => EventType::CallDecided,
            None => EventType::CallDenied,
        }
    }

    /// The event of what is allowed, before it has an effect.
    pub(super) fn allowed(&self) -> EventType {
        match self.service {
            Some(_) => EventType::CallDecided,
            None => EventType::CallStarted,
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
