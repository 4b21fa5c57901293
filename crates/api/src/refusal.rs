//! How the door says no.

use axum::response::{IntoResponse, Response};
use caracal_engine::{AdminError, IssueError};
use caracal_wire::{FieldProblem, Problem};
use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

/// A refusal on its way out. The outermost layer adds the request's id and writes it.
#[derive(Debug, Clone)]
pub(crate) struct Refusal(Box<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    problem: Problem,
    headers: HeaderMap,
    /// The code, where nobody was authenticated, so that nothing else records the refusal.
    anonymous: Option<Anonymous>,
}

/// Marks an answer to somebody who was not authenticated, with its code: it is counted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Anonymous(pub(crate) &'static str);

impl Refusal {
    pub(crate) fn new(status: StatusCode, code: &str, detail: impl Into<String>) -> Self {
        let problem = Problem {
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            code: code.to_owned(),
            detail: detail.into(),
            request_id: String::new(),
            hint: None,
            errors: Vec::new(),
        };
        Self(Box::new(Inner {
            problem,
            headers: HeaderMap::new(),
            anonymous: None,
        }))
    }

    /// A refusal before anybody was authenticated.
    pub(crate) fn anonymous(
        status: StatusCode,
        code: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        let mut refusal = Self::new(status, code, detail);
        refusal.0.anonymous = Some(Anonymous(code));
        refusal
    }

    pub(crate) fn bad_request(code: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// One wrong field, of a request that cannot even be read.
    pub(crate) fn unreadable(field: impl Into<String>, message: impl Into<String>) -> Self {
        let message = message.into();
        let field = field.into();
        let mut refusal = Self::bad_request("unreadable", format!("`{field}`: {message}"));
        refusal.0.problem.errors.push(FieldProblem {
            field,
            message,
            hint: None,
        });
        refusal
    }

    /// One wrong field of a body that can be read.
    pub(crate) fn invalid(field: impl Into<String>, message: impl std::fmt::Display) -> Self {
        AdminError::invalid(field, message).into()
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.problem.hint = Some(hint.into());
        self
    }

    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.insert(name, value);
        self
    }

    pub(crate) fn into_problem(self) -> Problem {
        self.0.problem
    }
}

impl From<IssueError> for Refusal {
    /// What a workload would be refused, an operator is refused in the same words.
    fn from(error: IssueError) -> Self {
        let status = match &error {
            // The operator is known; what was asked for is not there.
            IssueError::InvalidGrant(_) => StatusCode::NOT_FOUND,
            error => StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_REQUEST),
        };
        match error {
            IssueError::Admin(error) => error.into(),
            error => Self::new(status, error.code(), error.to_string()),
        }
    }
}

impl From<AdminError> for Refusal {
    fn from(error: AdminError) -> Self {
        let detail = error.to_string();
        match error {
            AdminError::Forbidden { .. } => Self::new(StatusCode::FORBIDDEN, "forbidden", detail),
            AdminError::NotFound { .. } => Self::new(StatusCode::NOT_FOUND, "not_found", detail),
            AdminError::Invalid(errors) => {
                let mut refusal = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail);
                let errors = errors.into_iter().map(|error| FieldProblem {
                    field: error.field,
                    message: error.message,
                    hint: error.hint,
                });
                refusal.0.problem.errors = errors.collect();
                refusal
            }
            AdminError::NameTaken(_) => Self::new(StatusCode::CONFLICT, "name_taken", detail),
            AdminError::InUse(_) => Self::new(StatusCode::CONFLICT, "in_use", detail),
            AdminError::MasterKeyElsewhere(_) => {
                Self::new(StatusCode::CONFLICT, "master_key_elsewhere", detail).hint(
                    "put the new key there and the one that is used now into \
                     `CARACAL_MASTER_KEY_PREVIOUS`, and start the server again",
                )
            }
            AdminError::NotApprover(_) => Self::new(
                StatusCode::FORBIDDEN,
                "approver_not_allowed",
                detail,
            )
            .hint(
                "let another person with the role approver decide, or set `self_approval: true` \
                     in the zone's file",
            ),
            AdminError::AlreadyDecided(_) => {
                Self::new(StatusCode::CONFLICT, "already_decided", detail)
                    .hint("look at it with `caracal approval show`")
            }
            AdminError::Busy => Self::new(StatusCode::CONFLICT, "busy", detail)
                .hint("nothing was changed; send the request again"),
            AdminError::VersionMismatch { .. } => {
                Self::new(StatusCode::PRECONDITION_FAILED, "version_mismatch", detail)
                    .hint("read the object again and decide on what it is now")
            }
            AdminError::BaseMismatch { .. } => Self::new(
                StatusCode::PRECONDITION_FAILED,
                "base_mismatch",
                detail,
            )
            .hint(
                "look at what the file changes now, with `caracal diff`, and apply it on that base",
            ),
            AdminError::IdempotencyConflict => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "idempotency_conflict",
                detail,
            )
            .hint("use a new `Idempotency-Key` for another request"),
            AdminError::IndexBehind { done, newest } => {
                // It is built at tens of thousands a second; nobody need ask more often.
                let seconds = (newest.saturating_sub(done) / 50_000).clamp(1, 60);
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "index_behind", detail)
                    .hint("nothing is lost; ask again, `caracal status` shows how far it is")
                    .header(RETRY_AFTER, HeaderValue::from(seconds))
            }
            AdminError::Unavailable { done: true, .. } => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "not_confirmed", detail)
                    .hint("the change was made; do not make it again")
            }
            AdminError::Unavailable { done: false, .. } => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail)
                    .hint("nothing is known to be changed; send the request again later")
            }
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Inner {
            problem,
            headers,
            anonymous,
        } = *self.0;
        let status = StatusCode::from_u16(problem.status);
        let mut response = status
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
            .into_response();
        response.headers_mut().extend(headers);
        response.extensions_mut().insert(problem);
        if let Some(anonymous) = anonymous {
            response.extensions_mut().insert(anonymous);
        }
        response
    }
}
