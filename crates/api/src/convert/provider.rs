//! Providers.

use caracal_core::{Provider, ProviderKind, Secret};
use caracal_engine::{ProviderSpec, Versioned};
use caracal_wire::{ProviderBody, ProviderEntry, ProviderView};

use super::Fields;

pub(crate) fn provider_spec(
    body: &ProviderBody,
    at: &str,
    fields: &mut Fields,
) -> Option<ProviderSpec> {
    let kind = provider_kind(body, at, fields);
    let allowed_hosts = body
        .allowed_hosts
        .as_ref()
        .map(|hosts| fields.parse_all(&format!("{at}allowed_hosts"), hosts));
    let name = fields.parse(format!("{at}name"), &body.name);
    let secret = body.secret.as_ref();
    Some(ProviderSpec {
        name: name?,
        kind: kind?,
        secret: secret.map(|secret| Secret::new(secret.expose().as_bytes().to_vec())),
        allowed_hosts,
    })
}

/// The kind with its own fields; a field of another kind is a mistake.
fn provider_kind(body: &ProviderBody, at: &str, fields: &mut Fields) -> Option<ProviderKind> {
    let given = [
        ("header", body.header.is_some(), "api_key"),
        ("query", body.query.is_some(), "api_key"),
        ("prefix", body.prefix.is_some(), "api_key"),
        ("username", body.username.is_some(), "basic"),
    ];
    let known = ["none", "bearer", "api_key", "basic"];
    if !known.contains(&body.kind.as_str()) {
        let why = "this kind of provider is unknown";
        fields.wrong_with_hint(
            format!("{at}kind"),
            why,
            "use `none`, `bearer`, `api_key` or `basic`",
        );
        return None;
    }
    for (field, _, _) in given.iter().filter(|(_, is, of)| *is && *of != body.kind) {
        let why = format!("a provider of kind `{}` has no `{field}`", body.kind);
        fields.wrong(format!("{at}{field}"), why);
    }
    match body.kind.as_str() {
        "none" => Some(ProviderKind::None),
        "bearer" => Some(ProviderKind::Bearer),
        "api_key" => Some(ProviderKind::ApiKey {
            header: body.header.as_ref().map(|name| name.to_ascii_lowercase()),
            query: body.query.clone(),
            prefix: body.prefix.clone(),
        }),
        _ => {
            let username = body.username.clone();
            if username.is_none() {
                let why = "a provider of kind `basic` needs a `username`";
                fields.wrong(format!("{at}username"), why);
            }
            Some(ProviderKind::Basic {
                username: username?,
            })
        }
    }
}

/// The flat fields of a kind: header, query, prefix and username.
type Flat = (
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
);

fn flat(kind: &ProviderKind) -> Flat {
    match kind.clone() {
        ProviderKind::None | ProviderKind::Bearer => (None, None, None, None),
        ProviderKind::ApiKey {
            header,
            query,
            prefix,
        } => (header, query, prefix, None),
        ProviderKind::Basic { username } => (None, None, None, Some(username)),
    }
}

pub(crate) fn provider_view(held: Versioned<Provider>) -> ProviderView {
    let Versioned { version, value } = held;
    let (header, query, prefix, username) = flat(&value.kind);
    ProviderView {
        id: value.id.to_string(),
        name: value.name.to_string(),
        version: version.0,
        created_at: value.created_at,
        kind: value.kind.as_str().to_owned(),
        header,
        query,
        prefix,
        username,
        has_secret: value.secret.is_some(),
        allowed_hosts: value
            .allowed_hosts
            .iter()
            .map(ToString::to_string)
            .collect(),
    }
}

/// The provider in an exported file: its secret is left out.
pub(crate) fn provider_entry(value: &Provider) -> ProviderEntry {
    let (header, query, prefix, username) = flat(&value.kind);
    let hosts = value
        .allowed_hosts
        .iter()
        .map(ToString::to_string)
        .collect();
    ProviderEntry {
        name: value.name.to_string(),
        kind: value.kind.as_str().to_owned(),
        header,
        query,
        prefix,
        username,
        secret: None,
        allowed_hosts: Some(hosts),
    }
}
