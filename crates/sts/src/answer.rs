//! Answers of the OAuth endpoints.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use caracal_core::{ApprovalId, ZoneId};
use caracal_engine::{IssueError, RefusedAt};
use caracal_wire::{Counterexample, OauthError};
use http::header::{CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, StatusCode};
use jiff::Timestamp;
use serde::Serialize;

use crate::router::Sts;

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("caracal-request-id");

/// Marks a refusal on its way out with its code, for the log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RefusedBy(pub(crate) &'static str);

/// A refusal in OAuth's terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) status: u16,
    pub(crate) code: &'static str,
    pub(crate) description: String,
    pub(crate) gate: Option<&'static str>,
    /// What is beyond, with `not_narrower`.
    pub(crate) counterexample: Option<Box<Counterexample>>,
    /// What a person has to approve, and until when.
    pub(crate) approval: Option<Box<(ApprovalId, Timestamp)>>,
    /// When to come back, in seconds, where that is known.
    pub(crate) retry_after: Option<u64>,
    /// The zone that it concerns, as far as that is known.
    pub(crate) zone: Option<ZoneId>,
    /// True when the refusal has an event of its own; others are only counted.
    pub(crate) is_recorded: bool,
}

impl Refused {
    pub(crate) fn new(status: u16, code: &'static str, description: impl Into<String>) -> Self {
        Self {
            status,
            code,
            description: description.into(),
            gate: None,
            counterexample: None,
            approval: None,
            retry_after: None,
            zone: None,
            is_recorded: false,
        }
    }

    /// Says which zone it concerns.
    pub(crate) fn in_zone(mut self, zone: Option<ZoneId>) -> Self {
        self.zone = zone;
        self
    }

    /// Says when to come back.
    pub(crate) fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    pub(crate) fn invalid_request(description: impl Into<String>) -> Self {
        Self::new(400, "invalid_request", description)
    }

    /// The answer. What has no event of its own is counted for the next summary.
    pub(crate) fn answer(self, sts: &Sts, request_id: &str) -> Response {
        if !self.is_recorded {
            sts.engine
                .count_refusal(self.zone, RefusedAt::Sts, self.code);
        }
        metrics::counter!("caracal_sts_refusals_total", "code" => self.code).increment(1);
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = OauthError {
            error: self.code.to_owned(),
            error_description: self.description,
            request_id: request_id.to_owned(),
            gate: self.gate.map(str::to_owned),
            approval_id: self.approval.as_ref().map(|held| held.0.to_string()),
            approval_expires_at: self.approval.map(|held| held.1),
            counterexample: self.counterexample.map(|found| *found),
        };
        let mut response = (status, Json(body)).into_response();
        let headers = response.headers_mut();
        if status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static(match self.code {
                "use_dpop_nonce" => "DPoP realm=\"caracal\", error=\"use_dpop_nonce\"",
                _ => "Basic realm=\"caracal\", charset=\"UTF-8\"",
            });
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        let is_passing = status == StatusCode::SERVICE_UNAVAILABLE;
        if let Some(seconds) = self.retry_after.or(is_passing.then_some(1)) {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response.extensions_mut().insert(RefusedBy(self.code));
        mark(response, request_id)
    }
}

impl From<IssueError> for Refused {
    fn from(error: IssueError) -> Self {
        let gate = match &error {
            IssueError::AccessDenied { gate, .. } => Some(*gate),
            _ => None,
        };
        let counterexample = match &error {
            IssueError::NotNarrower { resource, scope } => Some(Box::new(Counterexample {
                resource: resource.to_string(),
                scope: scope.to_string(),
            })),
            _ => None,
        };
        let approval = match &error {
            IssueError::InteractionRequired {
                approval,
                expires_at,
            } => Some(Box::new((*approval, *expires_at))),
            _ => None,
        };
        Self {
            gate,
            approval,
            counterexample,
            // Nobody is known by bad credentials; everybody else's refusals are evidence.
            is_recorded: !matches!(
                error,
                IssueError::InvalidClient | IssueError::InvalidAssertion(_)
            ),
            ..Self::new(error.status(), error.code(), error.to_string())
        }
    }
}

/// A JSON answer that no cache keeps.
pub(crate) fn json<T: Serialize>(body: &T, request_id: &str) -> Response {
    mark(Json(body).into_response(), request_id)
}

/// Adds what every answer carries.
pub(crate) fn mark(mut response: Response, request_id: &str) -> Response {
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("pragma", HeaderValue::from_static("no-cache"));
    headers.insert(
        "x-content-type-options",
        HeaderValue::from_static("nosniff"),
    );
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert(REQUEST_ID, id);
    }
    response
}

pub(crate) async fn not_found(State(sts): State<Sts>) -> Response {
    let request_id = sts.engine.new_request_id();
    Refused::new(404, "not_found", "there is nothing at this path").answer(&sts, &request_id)
}

pub(crate) async fn wrong_method(State(sts): State<Sts>) -> Response {
    let request_id = sts.engine.new_request_id();
    Refused::new(
        405,
        "invalid_request",
        "this path does not take this method",
    )
    .answer(&sts, &request_id)
}
