//! Applications.

use std::collections::BTreeSet;

use caracal_core::{Application, Label};
use caracal_engine::{ApplicationSpec, CreatedApplication as Created, Versioned};
use caracal_wire::{ApplicationBody, ApplicationView, ClientSecretView, CreatedApplication};

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
    let name = fields.parse(format!("{at}name"), &body.name)?;
    Some(ApplicationSpec { name, labels })
}

pub(crate) fn application_view(held: Versioned<Application>) -> ApplicationView {
    let Versioned { version, value } = held;
    ApplicationView {
        id: value.id.to_string(),
        name: value.name.to_string(),
        version: version.0,
        created_at: value.created_at,
        labels: value.labels.iter().map(ToString::to_string).collect(),
        secrets: value
            .secrets
            .iter()
            .map(|secret| ClientSecretView {
                created_at: secret.created_at,
                expires_at: secret.expires_at,
            })
            .collect(),
    }
}

pub(crate) fn created_application(created: Created) -> CreatedApplication {
    CreatedApplication {
        application: application_view(created.application),
        client_secret: created.client_secret,
    }
}
