//! What services that verify mandates themselves ask and report at the STS.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A question about a request that has reached a service.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DecideBody {
    /// The resource: its identifier or its Gateway URL. The caller must be in its `verified_by`.
    #[schema(example = "resource://billing")]
    pub resource: String,
    /// The mandate that the service was shown.
    pub mandate: String,
    /// The request.
    pub request: DecideRequestBody,
    /// What the client has proved of its key; needed where the mandate is bound to one.
    #[serde(default)]
    pub proof: Option<DecideProofBody>,
}

/// A request as a service has received it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DecideRequestBody {
    /// The HTTP method.
    #[schema(example = "POST", max_length = 32)]
    pub method: String,
    /// The path below the resource, as it was sent: still encoded, without a query.
    #[schema(example = "/v1/refunds")]
    pub path: String,
    /// The query's decoded `name=value` pairs, at most 256.
    #[serde(default)]
    pub query: Vec<String>,
    /// The host that was asked for. Left out: the one of the resource's upstream, if it has one.
    #[serde(default)]
    #[schema(max_length = 255)]
    pub host: Option<String>,
    /// The tool, where the operation is one.
    #[serde(default)]
    #[schema(max_length = 128)]
    pub tool: Option<String>,
    /// What the tool is called with; a person who has to approve the call sees it.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub arguments: Option<serde_json::Map<String, serde_json::Value>>,
}

/// What a client has proved (RFC 9449): either its proof, or what the service found in it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(untagged, deny_unknown_fields)]
pub enum DecideProofBody {
    /// The proof itself, which is checked here.
    Shown {
        /// The value of the `DPoP` header.
        dpop: String,
        /// The method that was used.
        method: String,
        /// The whole URL that was asked for.
        url: String,
    },
    /// The service has checked the proof, its nonce and that it is new.
    Checked {
        /// The thumbprint of its key (RFC 7638).
        checked_key: String,
    },
}

/// What the service may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct DecisionView {
    /// `allow`, `deny`, or `hold`: a person decides.
    pub decision: String,
    /// The code of the refusal, as the Gateway has them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The same in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The next step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The scope that the request needs, once that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// The determining policies.
    pub policies: Vec<String>,
    /// The event of this decision, for `POST /v1/calls`; none where the mandate is nobody's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision_id: Option<String>,
    /// What the event carries.
    pub request_id: String,
    /// What a person decides about, with `hold`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval_id: Option<String>,
    /// Whom the mandate was issued to, once it is verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mandate: Option<DecidedMandateView>,
    /// Where an allowed decision stands in the ledger, as `Caracal-Receipt` says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipt: Option<String>,
    /// The nonce for the client's next proof: pass it on in `DPoP-Nonce`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dpop_nonce: Option<String>,
}

/// A mandate that was decided about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct DecidedMandateView {
    /// Its id.
    pub id: String,
    /// The application.
    pub application: String,
    /// The session.
    pub session: String,
    /// Its `sub`: the Subject, or the application.
    pub subject: String,
}

/// What came of calls that a service was allowed.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportBody {
    /// The calls, 1 to 100.
    #[schema(min_items = 1, max_items = 100)]
    pub calls: Vec<ReportedCallBody>,
}

/// One such call.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportedCallBody {
    /// The `decision_id` of the answer that allowed it, at most 24 hours ago.
    pub decision_id: String,
    /// The HTTP status that it was answered with.
    #[schema(minimum = 100, maximum = 599)]
    pub status: u16,
    /// How long it took, in milliseconds.
    #[serde(default)]
    #[schema(maximum = 86_400_000)]
    pub latency_ms: Option<u64>,
}

/// What became of a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ReportAnswer {
    /// In the order of the calls.
    pub results: Vec<ReportResultView>,
}

/// What became of one call of a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ReportResultView {
    /// The decision.
    pub decision_id: String,
    /// `recorded`, `duplicate`, or `unknown`: no decision that allowed this service a call.
    pub result: String,
    /// The event of the report.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_id: Option<String>,
}
