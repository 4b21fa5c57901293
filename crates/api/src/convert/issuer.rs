//! Outside issuers.

use caracal_core::{DEFAULT_TOKEN_AGE_SECONDS, Issuer, OUTSIDE_ALGORITHMS, PublishedKeys};
use caracal_engine::{IssuerSpec, Versioned};
use caracal_wire::{IssuerBody, IssuerView};

use super::Fields;

pub(crate) fn issuer_spec(body: &IssuerBody, at: &str, fields: &mut Fields) -> Option<IssuerSpec> {
    for (i, word) in body.proves.iter().enumerate() {
        if !["applications", "subjects"].contains(&word.as_str()) {
            let why = "an issuer proves `applications`, `subjects` or both";
            fields.wrong(format!("{at}proves[{i}]"), why);
        }
    }
    let proves = |what: &str| body.proves.iter().any(|word| word == what);
    let keys = match (&body.jwks_uri, &body.jwks) {
        (None, None) => PublishedKeys::Discovery,
        (Some(uri), None) => PublishedKeys::JwksUri(uri.clone()),
        (None, Some(jwks)) => PublishedKeys::Jwks(jwks.clone()),
        (Some(_), Some(_)) => {
            fields.wrong(format!("{at}jwks"), "name `jwks_uri` or `jwks`, not both");
            return None;
        }
    };
    Some(IssuerSpec {
        name: fields.parse(format!("{at}name"), &body.name)?,
        url: body.issuer.clone(),
        keys,
        algorithms: body.algorithms.clone(),
        audiences: body.audiences.clone(),
        applications: proves("applications"),
        subjects: proves("subjects"),
        max_age_seconds: body.max_age_seconds.unwrap_or(DEFAULT_TOKEN_AGE_SECONDS),
        single_use: body.single_use,
        allow_private: body.allow_private,
    })
}

/// The issuer as its entry in a zone file; what is so by default is left out.
pub(crate) fn issuer_body(value: &Issuer) -> IssuerBody {
    let (jwks_uri, jwks) = match &value.keys {
        PublishedKeys::Discovery => (None, None),
        PublishedKeys::JwksUri(uri) => (Some(uri.clone()), None),
        PublishedKeys::Jwks(jwks) => (None, Some(jwks.clone())),
    };
    let proves = [
        ("applications", value.applications),
        ("subjects", value.subjects),
    ];
    let is_every = value.algorithms.len() == OUTSIDE_ALGORITHMS.len();
    let age = value.max_age_seconds;
    IssuerBody {
        name: value.name.to_string(),
        issuer: value.url.clone(),
        jwks_uri,
        jwks,
        algorithms: if is_every {
            Vec::new()
        } else {
            value.algorithms.clone()
        },
        audiences: value.audiences.clone(),
        proves: proves
            .iter()
            .filter(|(_, may)| *may)
            .map(|(word, _)| (*word).to_owned())
            .collect(),
        max_age_seconds: (age != DEFAULT_TOKEN_AGE_SECONDS).then_some(age),
        single_use: value.single_use,
        allow_private: value.allow_private,
    }
}

pub(crate) fn issuer_view(held: Versioned<Issuer>) -> IssuerView {
    IssuerView {
        id: held.value.id.to_string(),
        version: held.version.0,
        created_at: held.value.created_at,
        issuer: issuer_body(&held.value),
    }
}
