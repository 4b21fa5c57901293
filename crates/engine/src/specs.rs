//! What operators ask for, already in the words of the core.

use std::collections::BTreeSet;

use caracal_core::{
    AllowedHost, ClientAuth, Enforcement, Label, MandateSlot, Name, Operation, PolicySource,
    ProviderKind, PublishedKeys, Retention, Scope, Secret, SinkEvent, SinkKind,
    UndeclaredOperation, UpstreamProtocol,
};

/// A wanted application.
#[derive(Debug, Clone)]
pub struct ApplicationSpec {
    /// Its name.
    pub name: Name,
    /// The labels that its sessions may carry.
    pub labels: BTreeSet<Label>,
    /// How it proves to be itself.
    pub auth: ClientAuth,
}

/// A wanted issuer; the fields are those of [`caracal_core::Issuer`].
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "documented on the issuer itself")]
pub struct IssuerSpec {
    pub name: Name,
    pub url: String,
    pub keys: PublishedKeys,
    /// None: all that are known.
    pub algorithms: Vec<String>,
    pub audiences: Vec<String>,
    pub applications: bool,
    pub subjects: bool,
    pub max_age_seconds: u32,
    pub single_use: bool,
    pub allow_private: bool,
}

/// A wanted provider.
pub struct ProviderSpec {
    /// Its name.
    pub name: Name,
    /// How its credential is put into a request.
    pub kind: ProviderKind,
    /// The credential; none keeps the one that is stored.
    pub secret: Option<Secret>,
    /// Where the credential may go; none stands for the resources that name the provider.
    pub allowed_hosts: Option<Vec<AllowedHost>>,
}

/// A wanted resource; the fields are those of [`caracal_core::Resource`].
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "documented on the resource itself")]
pub struct ResourceSpec {
    pub name: Name,
    pub upstream: String,
    pub provider: Option<Name>,
    pub scopes: Vec<Scope>,
    pub operations: Vec<Operation>,
    pub undeclared: UndeclaredOperation,
    pub enforcement: Enforcement,
    pub verified_by: Vec<Name>,
    pub asks_decide: bool,
    pub allow_private: bool,
    pub upstream_ca: Option<String>,
    pub upstream_protocol: UpstreamProtocol,
    pub mandate_in: Vec<MandateSlot>,
    pub requires_dpop: bool,
    pub single_use: bool,
    pub pass_cookies: bool,
    pub literal_encoded_slashes: bool,
    pub response_timeout_seconds: u32,
    pub max_stream_seconds: u32,
    pub max_body_bytes: u64,
}

/// A wanted sink.
pub struct SinkSpec {
    /// Its name.
    pub name: Name,
    /// How it is spoken to.
    pub kind: SinkKind,
    /// The secret; none keeps the one that is stored.
    pub secret: Option<Secret>,
    /// What it is told of.
    pub events: BTreeSet<SinkEvent>,
    /// Whether messages hold the request itself.
    pub include_request: bool,
    /// Whether loopback and private addresses are fine.
    pub allow_private: bool,
}

/// A wanted zone configuration.
#[derive(Default)]
pub struct ZoneSpec {
    /// The applications.
    pub applications: Vec<ApplicationSpec>,
    /// The outside issuers.
    pub issuers: Vec<IssuerSpec>,
    /// The providers.
    pub providers: Vec<ProviderSpec>,
    /// The resources.
    pub resources: Vec<ResourceSpec>,
    /// The sinks.
    pub sinks: Vec<SinkSpec>,
    /// The policies; they are added to the active ones, or replace them when pruning.
    pub policies: Vec<PolicySource>,
    /// The tests of policies; added or replacing like these.
    pub tests: Vec<caracal_core::PolicyTest>,
    /// How long events are kept: none leaves it as it is, none in it keeps them for ever.
    pub retention: Option<Option<Retention>>,
    /// Whether operators may decide about approvals of their own sessions: none leaves it as it is.
    pub self_approval: Option<bool>,
    /// True: what is not named here goes.
    pub prune: bool,
}
