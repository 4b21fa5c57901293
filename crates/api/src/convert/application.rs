//! Applications.

use std::collections::BTreeSet;

use caracal_core::{Application, ClientAuth, Label};
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
        None => ClientAuth::Secret,
        Some(ClientAuthBody {
            private_key_jwt: Some(keys),
        }) => ClientAuth::PrivateKeyJwt {
            jwks: keys.jwks.clone(),
        },
        Some(_) => {
            let why = "name a way to authenticate, `private_key_jwt`, or leave `auth` out";
            fields.wrong(format!("{at}auth"), why);
            ClientAuth::Secret
        }
    };
    let name = fields.parse(format!("{at}name"), &body.name)?;
    Some(ApplicationSpec { name, labels, auth })
}

/// How an application authenticates, as it is shown; none: by a client secret.
pub(crate) fn client_auth_body(auth: &ClientAuth) -> Option<ClientAuthBody> {
    match auth {
        ClientAuth::Secret => None,
        ClientAuth::PrivateKeyJwt { jwks } => Some(ClientAuthBody {
            private_key_jwt: Some(ClientKeysBody { jwks: jwks.clone() }),
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
