//! Where real credentials come from.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{SecretSource, SecretValue};

/// A wanted provider. Which of the flat fields belong to it depends on `kind`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProviderBody {
    /// The name, unique in the zone and immutable.
    #[schema(pattern = "^[a-z0-9][a-z0-9-]{0,62}$", example = "openai")]
    pub name: String,
    /// How the credential is put into a request.
    #[schema(pattern = "^(none|bearer|api_key|basic)$", example = "bearer")]
    pub kind: String,
    /// `api_key`: the header that carries the secret. Exactly one of `header` and `query` is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// `api_key`: the query parameter that carries the secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// `api_key`: text before the secret in the header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// `basic`: the user name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The credential. When it is left out of a change, the stored one stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretValue>,
    /// Where the credential may be sent, as `host:port`. Left out: the hosts of the resources
    /// that name the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_hosts: Option<Vec<String>>,
}

/// A provider in a zone file: a [`ProviderBody`] whose secret is named, not given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProviderEntry {
    /// The name.
    pub name: String,
    /// `none`, `bearer`, `api_key` or `basic`.
    pub kind: String,
    /// See [`ProviderBody::header`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// See [`ProviderBody::query`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// See [`ProviderBody::prefix`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// See [`ProviderBody::username`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Where the credential is read from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretSource>,
    /// See [`ProviderBody::allowed_hosts`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_hosts: Option<Vec<String>>,
}

impl ProviderEntry {
    /// The provider with this secret in place of its source.
    pub fn with_secret(self, secret: Option<SecretValue>) -> ProviderBody {
        let Self {
            name,
            kind,
            header,
            query,
            prefix,
            username,
            secret: _,
            allowed_hosts,
        } = self;
        ProviderBody {
            name,
            kind,
            header,
            query,
            prefix,
            username,
            secret,
            allowed_hosts,
        }
    }
}

/// A provider. The secret is write-only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProviderView {
    /// The id.
    pub id: String,
    /// The name.
    pub name: String,
    /// Counts its changes; `If-Match` speaks of it.
    pub version: u64,
    /// When it was connected.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// How the credential is put into a request.
    pub kind: String,
    /// See [`ProviderBody::header`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// See [`ProviderBody::query`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// See [`ProviderBody::prefix`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// See [`ProviderBody::username`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// True when a secret is stored.
    pub has_secret: bool,
    /// Where the credential may be sent, as `host:port`.
    pub allowed_hosts: Vec<String>,
}

impl From<ProviderView> for ProviderBody {
    /// The body that changes nothing: without a secret, so that the stored one stays.
    fn from(view: ProviderView) -> Self {
        let ProviderView {
            name,
            kind,
            header,
            query,
            prefix,
            username,
            allowed_hosts,
            ..
        } = view;
        let allowed_hosts = Some(allowed_hosts);
        Self {
            name,
            kind,
            header,
            query,
            prefix,
            username,
            secret: None,
            allowed_hosts,
        }
    }
}
