//! Protected APIs, tools and services.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Which requests need which scope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OperationBody {
    /// The HTTP method in capitals, or `*` for every one. `HEAD` counts as `GET`.
    #[schema(example = "GET")]
    pub method: String,
    /// The path template: `{x}` or `*` is one segment, a final `**` any number.
    #[schema(example = "/v1/models/{model}")]
    pub path: String,
    /// The scope that it needs; one of the resource's.
    #[schema(example = "openai:models")]
    pub scope: String,
}

/// A further place where clients put the mandate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MandateIn {
    /// A header.
    Header(String),
    /// A query parameter.
    Query(String),
    /// The password of HTTP Basic.
    BasicPassword,
}

/// A wanted resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResourceBody {
    /// The name, unique in the zone and immutable; the identifier is `resource://NAME`.
    #[schema(pattern = "^[a-z0-9][a-z0-9-]{0,62}$", example = "openai")]
    pub name: String,
    /// Where requests go: `http` or `https`, with an optional path before every request's path.
    /// May be left out with `enforcement: service`; then the Gateway forwards nothing to it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schema(example = "https://api.openai.com")]
    pub upstream: String,
    /// The name of the provider whose credential is injected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// What the resource lets callers do.
    pub scopes: Vec<String>,
    /// Which requests a scope covers; the most specific rule wins.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operations: Vec<OperationBody>,
    /// The scope of requests that no operation names. Left out: they are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_scope: Option<String>,
    /// Who asks policy about the request. Default `gateway`. With `service`, mandates are issued
    /// only for what policy allows without seeing the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^(gateway|service)$")]
    pub enforcement: Option<String>,
    /// The applications that verify mandates for it: they may ask (`POST /v1/decide` of the STS)
    /// and report about its calls. Only with `enforcement: service`; at most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 16)]
    pub verified_by: Vec<String>,
    /// `required`: they ask about every call, so that mandates are issued for what policy may
    /// allow once it sees the request. Default `optional`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^(optional|required)$")]
    pub decide: Option<String>,
    /// True: the upstream may have a loopback or private address, within what the instance allows.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_private: bool,
    /// PEM certificates that are trusted for this upstream, in place of the system's roots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_ca: Option<String>,
    /// The HTTP version spoken to the upstream. Default `auto`: over TLS the one that the
    /// upstream prefers, in the clear HTTP/1.1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^(auto|http1|http2)$")]
    pub upstream_protocol: Option<String>,
    /// Further places where clients put the mandate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mandate_in: Vec<MandateIn>,
    /// `required`: only mandates that are bound to a key are accepted (RFC 9449). Default
    /// `optional`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^(optional|required)$")]
    pub dpop: Option<String>,
    /// True: what a call goes by is good once: the proof of a mandate that is bound to a key, else
    /// the mandate itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub single_use: bool,
    /// Whether `Cookie` and `Set-Cookie` go through. Default `drop`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^(drop|pass)$")]
    pub cookies: Option<String>,
    /// Whether an encoded slash or backslash inside a path segment is accepted. Default `reject`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^(reject|literal)$")]
    pub encoded_slashes: Option<String>,
    /// How long the upstream may take until its answer begins. Default 120.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 86400)]
    pub response_timeout_seconds: Option<u32>,
    /// How long an answer may go on. Default 3600.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 86400)]
    pub max_stream_seconds: Option<u32>,
    /// The largest request body in bytes. Default 4 GiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_body_bytes: Option<u64>,
}

/// A resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ResourceView {
    /// The id.
    pub id: String,
    /// The name.
    pub name: String,
    /// `resource://NAME`, as mandates and policies spell it.
    pub identifier: String,
    /// Counts its changes; `If-Match` speaks of it.
    pub version: u64,
    /// When it was registered.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// See [`ResourceBody::upstream`].
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub upstream: String,
    /// See [`ResourceBody::provider`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// See [`ResourceBody::scopes`].
    pub scopes: Vec<String>,
    /// See [`ResourceBody::operations`].
    pub operations: Vec<OperationBody>,
    /// See [`ResourceBody::default_scope`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_scope: Option<String>,
    /// See [`ResourceBody::enforcement`].
    pub enforcement: String,
    /// See [`ResourceBody::verified_by`].
    #[serde(default)]
    pub verified_by: Vec<String>,
    /// See [`ResourceBody::decide`].
    #[serde(default = "optional")]
    pub decide: String,
    /// See [`ResourceBody::allow_private`].
    pub allow_private: bool,
    /// See [`ResourceBody::upstream_ca`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_ca: Option<String>,
    /// See [`ResourceBody::upstream_protocol`].
    #[serde(default = "auto")]
    pub upstream_protocol: String,
    /// See [`ResourceBody::mandate_in`].
    #[serde(default)]
    pub mandate_in: Vec<MandateIn>,
    /// See [`ResourceBody::dpop`].
    #[serde(default = "optional")]
    pub dpop: String,
    /// See [`ResourceBody::single_use`].
    #[serde(default)]
    pub single_use: bool,
    /// See [`ResourceBody::cookies`].
    pub cookies: String,
    /// See [`ResourceBody::encoded_slashes`].
    pub encoded_slashes: String,
    /// See [`ResourceBody::response_timeout_seconds`].
    pub response_timeout_seconds: u32,
    /// See [`ResourceBody::max_stream_seconds`].
    pub max_stream_seconds: u32,
    /// See [`ResourceBody::max_body_bytes`].
    pub max_body_bytes: u64,
}

/// What a server that does not know the setting means.
fn auto() -> String {
    "auto".to_owned()
}

/// See [`auto`].
fn optional() -> String {
    "optional".to_owned()
}

impl From<ResourceView> for ResourceBody {
    fn from(view: ResourceView) -> Self {
        Self {
            name: view.name,
            upstream: view.upstream,
            provider: view.provider,
            scopes: view.scopes,
            operations: view.operations,
            default_scope: view.default_scope,
            enforcement: Some(view.enforcement),
            verified_by: view.verified_by,
            decide: Some(view.decide),
            allow_private: view.allow_private,
            upstream_ca: view.upstream_ca,
            upstream_protocol: Some(view.upstream_protocol),
            mandate_in: view.mandate_in,
            dpop: Some(view.dpop),
            single_use: view.single_use,
            cookies: Some(view.cookies),
            encoded_slashes: Some(view.encoded_slashes),
            response_timeout_seconds: Some(view.response_timeout_seconds),
            max_stream_seconds: Some(view.max_stream_seconds),
            max_body_bytes: Some(view.max_body_bytes),
        }
    }
}
