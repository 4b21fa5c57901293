//! Applications.

use std::collections::BTreeSet;

use caracal_core::{Application, ClientAuth, Label, WorkloadRule};
use caracal_engine::{
    ApplicationSpec, CreatedApplication as Created, RotatedSecret as Rotated, SecretInfo, Versioned,
};
use caracal_wire::{
    ApplicationBody, ApplicationView, ClientAuthBody, ClientKeysBody, ClientSecretView,
    CreatedApplication, RotatedSecret,
};

use super::Fields;

pub(crate) fn application_spec(
    body: &ApplicationBody,
    at: &str,
    fields: &mut Fields,
) -> Option<ApplicationSpec> {
    let mut labels = BTreeSet::new();
    for (i, text) in body.labels.iter().enumerate() {
        let field = format!("{at}labels[{i}]");
        if let Some(label) = fields.parse::<Label>(field.clone(), text)
            && !labels.insert(label)
        {
            fields.wrong(field, format!("the label `{text}` is given twice"));
        }
    }
    let auth = match &body.auth {
        None => Some(ClientAuth::Secret),
        Some(auth) => client_auth(auth, &format!("{at}auth"), fields),
    };
    let name = fields.parse(format!("{at}name"), &body.name)?;
    let auth = auth?;
    Some(ApplicationSpec { name, labels, auth })
}

fn client_auth(body: &ClientAuthBody, at: &str, fields: &mut Fields) -> Option<ClientAuth> {
    let has_rule = body.issuer.is_some() || body.subject.is_some() || !body.claims.is_empty();
    let keys = match (&body.private_key_jwt, &body.issuer) {
        (Some(keys), None) if !has_rule => keys,
        (None, Some(issuer)) => {
            let subject = body.subject.as_ref();
            let subject = subject.map(|text| fields.parse(format!("{at}.subject"), text));
            let claims: Vec<_> = body
                .claims
                .iter()
                .map(|(name, text)| {
                    let pattern = fields.parse(format!("{at}.claims.{name}"), text);
                    pattern.map(|pattern| (name.clone(), pattern))
                })
                .collect();
            return Some(ClientAuth::Workload(WorkloadRule {
                issuer: fields.parse(format!("{at}.issuer"), issuer)?,
                subject: match subject {
                    Some(subject) => Some(subject?),
                    None => None,
                },
                claims: claims.into_iter().collect::<Option<_>>()?,
            }));
        }
        _ => {
            let why = "name one way to authenticate, `private_key_jwt` or an outside `issuer` with its \
                       conditions, or leave `auth` out";
            fields.wrong(at, why);
            return None;
        }
    };
    match (&keys.jwks, &keys.jwks_uri) {
        (Some(jwks), None) => Some(ClientAuth::PrivateKeyJwt { jwks: jwks.clone() }),
        (None, Some(uri)) => Some(ClientAuth::PublishedKeyJwt {
            jwks_uri: uri.clone(),
            allow_private: keys.allow_private,
        }),
        _ => {
            let why = "name `jwks` or `jwks_uri`";
            fields.wrong(format!("{at}.private_key_jwt"), why);
            None
        }
    }
}

/// How an application authenticates, as it is shown; none: by a client secret.
pub(crate) fn client_auth_body(auth: &ClientAuth) -> Option<ClientAuthBody> {
    match auth {
        ClientAuth::Secret => None,
        ClientAuth::PrivateKeyJwt { jwks } => Some(ClientAuthBody {
            private_key_jwt: Some(ClientKeysBody {
                jwks: Some(jwks.clone()),
                ..ClientKeysBody::default()
            }),
            ..ClientAuthBody::default()
        }),
        ClientAuth::PublishedKeyJwt {
            jwks_uri,
            allow_private,
        } => Some(ClientAuthBody {
            private_key_jwt: Some(ClientKeysBody {
                jwks: None,
                jwks_uri: Some(jwks_uri.clone()),
                allow_private: *allow_private,
            }),
            ..ClientAuthBody::default()
        }),
        ClientAuth::Workload(rule) => Some(ClientAuthBody {
            private_key_jwt: None,
            issuer: Some(rule.issuer.to_string()),
            subject: rule.subject.as_ref().map(ToString::to_string),
            claims: rule
                .claims
                .iter()
                .map(|(name, pattern)| (name.clone(), pattern.to_string()))
                .collect(),
        }),
    }
}

pub(crate) fn application_view(held: Versioned<Application>) -> ApplicationView {
    let Versioned { version, value } = held;
    ApplicationView {
        id: value.id.to_string(),
        name: value.name.to_string(),
        version: version.0,
        created_at: value.created_at,
        labels: value.labels.iter().map(ToString::to_string).collect(),
        auth: client_auth_body(&value.auth),
        secrets: value
            .secrets
            .iter()
            .map(|secret| ClientSecretView {
                id: secret.id().to_string(),
                created_at: secret.created_at,
                expires_at: secret.expires_at,
                last_used_at: None,
            })
            .collect(),
    }
}

pub(crate) fn secret_view(secret: SecretInfo) -> ClientSecretView {
    ClientSecretView {
        id: secret.id.to_string(),
        created_at: secret.created_at,
        expires_at: secret.expires_at,
        last_used_at: secret.last_used_at,
    }
}

pub(crate) fn rotated_secret(rotated: Rotated) -> RotatedSecret {
    RotatedSecret {
        application: rotated.application,
        secret: secret_view(rotated.secret),
        client_secret: rotated.text,
        older: rotated.older.into_iter().map(secret_view).collect(),
    }
}

pub(crate) fn created_application(created: Created) -> CreatedApplication {
    CreatedApplication {
        application: application_view(created.application),
        client_secret: created.client_secret,
    }
}
