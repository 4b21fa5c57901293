//! The Gateway's own refusals.

use std::borrow::Cow;

use caracal_core::{ApprovalId, RefusalCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The body of a refusal: problem details (RFC 9457) as `application/problem+json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RefusalBody {
    /// `urn:caracal:refusal:CODE`.
    #[serde(rename = "type")]
    pub kind: Cow<'static, str>,
    /// The code in words; the same for every refusal of this code.
    pub title: Cow<'static, str>,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong with this request.
    pub detail: String,
    /// The code, for programs.
    pub code: Cow<'static, str>,
    /// The request's id, as in `Caracal-Request-Id` and in events.
    pub request_id: String,
    /// The next step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// What a person decides about, with `approval_required`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval_id: Option<String>,
}

impl RefusalBody {
    /// The media type.
    pub const CONTENT_TYPE: &'static str = "application/problem+json";

    /// The body of a refusal with a code of the contract.
    pub fn new(code: RefusalCode, detail: impl Into<String>, request_id: &str) -> Self {
        Self::other(
            code.as_str(),
            title_of(code),
            code.status(),
            detail,
            request_id,
        )
    }

    /// The body of an answer that no code of the contract covers, such as for a request that
    /// is not valid HTTP.
    pub fn other(
        code: &'static str,
        title: &'static str,
        status: u16,
        detail: impl Into<String>,
        request_id: &str,
    ) -> Self {
        Self {
            kind: format!("urn:caracal:refusal:{code}").into(),
            title: title.into(),
            status,
            detail: detail.into(),
            code: code.into(),
            request_id: request_id.to_owned(),
            hint: None,
            approval_id: None,
        }
    }

    /// Names what a person decides about.
    #[must_use]
    pub fn with_approval(mut self, id: Option<ApprovalId>) -> Self {
        self.approval_id = id.map(|id| id.to_string());
        self
    }

    /// Adds the next step.
    #[must_use]
    pub fn with_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint;
        self
    }
}

fn title_of(code: RefusalCode) -> &'static str {
    match code {
        RefusalCode::ResourceMissing => "the request names no resource",
        RefusalCode::PathInvalid => "the path is not acceptable",
        RefusalCode::MandateMisplaced => "a mandate stands where none belongs",
        RefusalCode::MandateMissing => "the request carries no mandate",
        RefusalCode::MandateInvalid => "the mandate is not valid",
        RefusalCode::MandateExpired => "the mandate has expired",
        RefusalCode::MandateRevoked => "the mandate is revoked",
        RefusalCode::MandateReplayed => "the mandate was used before",
        RefusalCode::ProofInvalid => "the proof of possession is not valid",
        RefusalCode::UseDpopNonce => "the proof needs a fresh nonce",
        RefusalCode::OperationNotDeclared => "the resource declares no such operation",
        RefusalCode::ScopeMissing => "the mandate lacks the scope",
        RefusalCode::ActionNotAuthorized => "the mandate is for other requests",
        RefusalCode::PolicyDenied => "policy denies the call",
        RefusalCode::ResourceMismatch => "the mandate is not for this resource",
        RefusalCode::NotForwarded => "the Gateway does not forward to this resource",
        RefusalCode::SessionSuspended => "the session is suspended",
        RefusalCode::ZoneFrozen => "the zone is frozen",
        RefusalCode::BudgetExhausted => "the budget is used up",
        RefusalCode::ApprovalRequired => "the call needs an approval",
        RefusalCode::ResourceUnknown => "no such resource",
        RefusalCode::BodyTooLarge => "the body is too large",
        RefusalCode::RateLimited => "too many calls",
        RefusalCode::UpstreamUnreachable => "the upstream cannot be reached",
        RefusalCode::CredentialUnavailable => "the provider's credential cannot be used",
        RefusalCode::UpstreamTimeout => "the upstream did not answer in time",
        RefusalCode::FeedStale => "this node is behind",
        RefusalCode::LedgerUnavailable => "evidence cannot be written",
        RefusalCode::Overloaded => "the server has more to do than it can",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_reads_as_problem_details() {
        let body = RefusalBody::new(RefusalCode::ScopeMissing, "no `a:b`", "req_1")
            .with_hint(Some("ask for it".to_owned()));
        let json = serde_json::to_value(&body).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "type": "urn:caracal:refusal:scope_missing",
                "title": "the mandate lacks the scope",
                "status": 403,
                "detail": "no `a:b`",
                "code": "scope_missing",
                "request_id": "req_1",
                "hint": "ask for it",
            })
        );
        assert_eq!(serde_json::from_value::<RefusalBody>(json).unwrap(), body);
        let bare = RefusalBody::new(RefusalCode::PathInvalid, "x", "req_1");
        assert!(serde_json::to_value(bare).unwrap().get("hint").is_none());
    }
}
