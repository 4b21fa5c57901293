//! Answers of the Gateway's own that say no.

use std::fmt::Write as _;
use std::num::NonZeroU32;

use bytes::Bytes;
use caracal_core::{ApprovalId, RefusalCode};
use caracal_engine::{DPOP_ALGORITHMS, MetricsRefusal, Receipt, Refusal};
use caracal_wire::RefusalBody;
use http::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

use crate::answer_body::AnswerBody;
use crate::grpc;

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("caracal-request-id");
pub(crate) const RECEIPT: HeaderName = HeaderName::from_static("caracal-receipt");
const REFUSAL: HeaderName = HeaderName::from_static("caracal-refusal");

/// Marks a refusal on its way out with its code, for the log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RefusedBy(pub(crate) &'static str);

/// A refused request. An answer of this kind is never an upstream's.
#[derive(Debug)]
pub(crate) struct Refused {
    why: Why,
    detail: String,
    hint: Option<Box<str>>,
    /// What a person decides about.
    approval: Option<Box<ApprovalId>>,
    receipt: Option<Box<Receipt>>,
    allow: Option<&'static str>,
    /// When to come back, in seconds.
    retry_after: Option<NonZeroU32>,
    /// The page is shown to API tokens.
    is_for_operators: bool,
    /// An API token was shown that is not good.
    is_bad_token: bool,
    /// The mandate came with the scheme `DPoP`.
    is_dpop: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    /// A code of the contract.
    Code(RefusalCode),
    /// The request is no request that the Gateway speaks.
    Other(u16, &'static str, &'static str),
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        let mut refused = Self::code(refusal.code, refusal.detail);
        refused.hint = refusal.hint.map(String::into_boxed_str);
        refused.approval = refusal.approval.map(Box::new);
        refused
    }
}

impl Refused {
    pub(crate) fn code(code: RefusalCode, detail: impl Into<String>) -> Self {
        Self::of(Why::Code(code), detail)
    }

    pub(crate) fn malformed(detail: impl Into<String>) -> Self {
        Self::of(
            Why::Other(400, "request_invalid", "the request is not acceptable"),
            detail,
        )
    }

    pub(crate) fn head_too_large(detail: impl Into<String>) -> Self {
        Self::of(
            Why::Other(
                431,
                "head_too_large",
                "the head of the request is too large",
            ),
            detail,
        )
    }

    pub(crate) fn unmet_expectation() -> Self {
        let detail = "no expectation but `100-continue` is understood";
        Self::of(
            Why::Other(417, "request_invalid", "the request is not acceptable"),
            detail,
        )
    }

    pub(crate) fn upgrade() -> Self {
        let why = Why::Other(501, "upgrade_unsupported", "no other protocol is spoken");
        Self::of(why, "the connection cannot be upgraded")
            .hint("send plain requests without `Upgrade`")
    }

    pub(crate) fn slow_body() -> Self {
        let why = Why::Other(408, "request_timeout", "the request took too long");
        Self::of(why, "the body of the request stopped coming")
    }

    pub(crate) fn not_found() -> Self {
        let why = Why::Other(404, "not_found", "no such page");
        Self::of(why, "the Gateway has no such page")
            .hint("its own pages are `/.caracal/health`, `/.caracal/ready` and `/.caracal/metrics`")
    }

    /// The metrics are not for this reader.
    pub(crate) fn metrics(why: MetricsRefusal) -> Self {
        let title = match why {
            MetricsRefusal::Absent => "no such page",
            MetricsRefusal::TokenNeeded | MetricsRefusal::TokenInvalid => "an API token is needed",
        };
        let mut refused = Self::of(Why::Other(why.status(), why.code(), title), why.to_string());
        refused.is_for_operators = why.status() == 401;
        refused.is_bad_token = why == MetricsRefusal::TokenInvalid;
        refused
    }

    /// True when an API token was shown that is not good.
    pub(crate) fn is_bad_token(&self) -> bool {
        self.is_bad_token
    }

    pub(crate) fn method_not_allowed() -> Self {
        let why = Why::Other(405, "method_not_allowed", "the method is not allowed");
        let mut refused = Self::of(why, "the Gateway's own pages are only read");
        refused.allow = Some("GET, HEAD");
        refused
    }

    /// A fault of ours.
    pub(crate) fn internal() -> Self {
        let why = Why::Other(500, "internal_error", "the Gateway failed");
        Self::of(why, "the request came upon a fault of the Gateway")
            .hint("whether the upstream has seen it is not known; the log names the request")
    }

    fn of(why: Why, detail: impl Into<String>) -> Self {
        Self {
            why,
            detail: detail.into(),
            hint: None,
            approval: None,
            receipt: None,
            allow: None,
            retry_after: None,
            is_for_operators: false,
            is_bad_token: false,
            is_dpop: false,
        }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into().into_boxed_str());
        self
    }

    /// Adds the receipt of the call that was started before it came to nothing.
    pub(crate) fn with_receipt(mut self, receipt: Receipt) -> Self {
        self.receipt = Some(Box::new(receipt));
        self
    }

    /// Says whether the mandate came with the scheme `DPoP`: then the challenge speaks of it.
    pub(crate) fn presented_by_dpop(mut self, is_dpop: bool) -> Self {
        self.is_dpop = is_dpop;
        self
    }

    /// Says when to come back.
    pub(crate) fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = NonZeroU32::new(u32::try_from(seconds).unwrap_or(u32::MAX));
        self
    }

    pub(crate) fn status(&self) -> u16 {
        match self.why {
            Why::Code(code) => code.status(),
            Why::Other(status, ..) => status,
        }
    }

    /// The text that the event of the call's end carries.
    pub(crate) fn reason(&self) -> &'static str {
        match self.why {
            Why::Code(code) => code.as_str(),
            Why::Other(_, code, _) => code,
        }
    }

    /// The answer. `metadata` is the URL of the resource's metadata, where the path names one.
    pub(crate) fn into_answer(
        self,
        request_id: &str,
        metadata: Option<&str>,
        close: bool,
    ) -> Response<AnswerBody> {
        let status = StatusCode::from_u16(self.status()).unwrap_or(StatusCode::BAD_REQUEST);
        let mut headers = HeaderMap::with_capacity(10);
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static(RefusalBody::CONTENT_TYPE),
        );
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(REFUSAL, HeaderValue::from_static("1"));
        if let Ok(id) = HeaderValue::from_str(request_id) {
            headers.insert(REQUEST_ID, id);
        }
        if let Some(receipt) = self.receipt.as_deref().and_then(receipt_value) {
            headers.insert(RECEIPT, receipt);
        }
        if let Why::Code(code) = self.why {
            let challenge = challenge(code, self.is_dpop, &self.detail, metadata);
            if let Some(challenge) = challenge {
                headers.insert(WWW_AUTHENTICATE, challenge);
            }
        }
        if let Some(allow) = self.allow {
            headers.insert(http::header::ALLOW, HeaderValue::from_static(allow));
        }
        if self.is_for_operators {
            let challenge = HeaderValue::from_static("Bearer realm=\"caracal\"");
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds.get()));
        }
        if close {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        let by = RefusedBy(self.reason());
        let body = match self.why {
            Why::Code(code) => RefusalBody::new(code, self.detail, request_id),
            Why::Other(status, code, title) => {
                RefusalBody::other(code, title, status, self.detail, request_id)
            }
        };
        let body = serde_json::to_vec(
            &body
                .with_hint(self.hint.map(String::from))
                .with_approval(self.approval.as_deref().copied()),
        )
        .unwrap_or_default();
        let mut answer = Response::new(AnswerBody::whole(Bytes::from(body)));
        *answer.status_mut() = status;
        *answer.headers_mut() = headers;
        answer.extensions_mut().insert(by);
        answer
    }
}

/// The code of a refusal, for clients of gRPC: they see no status of HTTP and no body.
const REFUSAL_CODE: HeaderName = HeaderName::from_static("caracal-refusal-code");

impl Refused {
    /// The answer for a client of gRPC: the end of the call, in the words of gRPC.
    pub(crate) fn into_grpc_answer(self, request_id: &str) -> Response<AnswerBody> {
        let reason = self.reason();
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(grpc::MEDIA_TYPE));
        headers.insert(REFUSAL, HeaderValue::from_static("1"));
        headers.insert(REFUSAL_CODE, HeaderValue::from_static(reason));
        if let Ok(id) = HeaderValue::from_str(request_id) {
            headers.insert(REQUEST_ID, id);
        }
        if let Some(receipt) = self.receipt.as_deref().and_then(receipt_value) {
            headers.insert(RECEIPT, receipt);
        }
        let code = grpc::code_of(self.status());
        grpc::add_end(&mut headers, code, &format!("{reason}: {}", self.detail));
        let mut answer = Response::new(AnswerBody::whole(Bytes::new()));
        *answer.headers_mut() = headers;
        answer
    }
}

/// The value of `Caracal-Receipt`.
pub(crate) fn receipt_value(receipt: &Receipt) -> Option<HeaderValue> {
    HeaderValue::try_from(receipt.to_string()).ok()
}

/// The challenge of RFC 6750, or of RFC 9449 where that scheme was used or is needed, with RFC
/// 9728's pointer.
fn challenge(
    code: RefusalCode,
    is_dpop: bool,
    detail: &str,
    metadata: Option<&str>,
) -> Option<HeaderValue> {
    let is_dpop = is_dpop || matches!(code, RefusalCode::ProofInvalid | RefusalCode::UseDpopNonce);
    let error = match code {
        // Without any mandate the challenge carries no error (RFC 6750, 3.1).
        RefusalCode::MandateMissing => None,
        RefusalCode::ScopeMissing | RefusalCode::ActionNotAuthorized => Some("insufficient_scope"),
        RefusalCode::UseDpopNonce => Some("use_dpop_nonce"),
        RefusalCode::ProofInvalid => Some("invalid_dpop_proof"),
        RefusalCode::MandateReplayed if is_dpop => Some("invalid_dpop_proof"),
        _ if code.status() == 401 => Some("invalid_token"),
        _ => return None,
    };
    let scheme = if is_dpop { "DPoP" } else { "Bearer" };
    let mut text = format!("{scheme} realm=\"caracal\"");
    if let Some(error) = error {
        // What a quoted string may hold, less than RFC 6750 allows.
        let detail: String = detail
            .chars()
            .filter(|c| matches!(c, ' '..='~') && !matches!(c, '"' | '\\'))
            .collect();
        let _ = write!(text, ", error=\"{error}\", error_description=\"{detail}\"");
    }
    if is_dpop {
        let _ = write!(text, ", algs=\"{}\"", DPOP_ALGORITHMS.join(" "));
    }
    if let Some(metadata) = metadata {
        let _ = write!(text, ", resource_metadata=\"{metadata}\"");
    }
    HeaderValue::try_from(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header<'a>(answer: &'a Response<AnswerBody>, name: &str) -> Option<&'a str> {
        answer
            .headers()
            .get(name)
            .map(|value| value.to_str().unwrap())
    }

    #[test]
    fn a_refusal_says_what_it_is() {
        let refused = Refused::code(RefusalCode::MandateExpired, "the \"mandate\" has\nexpired");
        let answer = refused.into_answer("req_1", Some("https://g/x"), false);
        assert_eq!(answer.status(), 401);
        assert_eq!(header(&answer, "caracal-refusal"), Some("1"));
        assert_eq!(header(&answer, "caracal-request-id"), Some("req_1"));
        assert_eq!(
            header(&answer, "content-type"),
            Some("application/problem+json")
        );
        assert_eq!(header(&answer, "cache-control"), Some("no-store"));
        assert_eq!(header(&answer, "connection"), None);
        assert_eq!(
            header(&answer, "www-authenticate"),
            Some(
                "Bearer realm=\"caracal\", error=\"invalid_token\", \
                 error_description=\"the mandate hasexpired\", resource_metadata=\"https://g/x\""
            )
        );
    }

    #[test]
    fn challenges_follow_the_code() {
        let table = [
            (
                RefusalCode::MandateMissing,
                Some("Bearer realm=\"caracal\""),
            ),
            (
                RefusalCode::ScopeMissing,
                Some(
                    "Bearer realm=\"caracal\", error=\"insufficient_scope\", error_description=\"d\"",
                ),
            ),
            (RefusalCode::PolicyDenied, None),
            (RefusalCode::PathInvalid, None),
            (RefusalCode::FeedStale, None),
        ];
        for (code, expected) in table {
            let answer = Refused::code(code, "d").into_answer("req_1", None, true);
            assert_eq!(header(&answer, "www-authenticate"), expected, "{code:?}");
            assert_eq!(header(&answer, "connection"), Some("close"));
        }
    }

    #[test]
    fn challenges_speak_of_the_scheme_that_is_used_or_needed() {
        let of = |code: RefusalCode, is_dpop: bool| {
            let refused = Refused::code(code, "d").presented_by_dpop(is_dpop);
            let answer = refused.into_answer("req_1", None, false);
            header(&answer, "www-authenticate").map(str::to_owned)
        };
        let dpop = |error: &str| {
            format!(
                "DPoP realm=\"caracal\", error=\"{error}\", error_description=\"d\", \
                 algs=\"ES256 EdDSA Ed25519 RS256 PS256\""
            )
        };
        for (code, is_dpop, error) in [
            (RefusalCode::UseDpopNonce, true, "use_dpop_nonce"),
            (RefusalCode::ProofInvalid, true, "invalid_dpop_proof"),
            // A bound mandate that came as a bearer's.
            (RefusalCode::ProofInvalid, false, "invalid_dpop_proof"),
            (RefusalCode::MandateReplayed, true, "invalid_dpop_proof"),
            (RefusalCode::MandateExpired, true, "invalid_token"),
            (RefusalCode::ScopeMissing, true, "insufficient_scope"),
        ] {
            assert_eq!(of(code, is_dpop), Some(dpop(error)), "{code:?}");
        }
        let bearer = of(RefusalCode::MandateReplayed, false).unwrap();
        assert!(bearer.starts_with("Bearer ") && bearer.contains("invalid_token"));
        assert_eq!(of(RefusalCode::PolicyDenied, true), None);
    }
}
