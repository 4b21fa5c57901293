//! Applications in a plan.

use caracal_core::{
    Application, ApplicationId, ClientAuth, ClientSecret, EventType, Kind, MAX_LABELS, Version,
};
use caracal_crypto::{ClientKeys, SecretText};

use super::{ChangedObject, Plan};
use crate::outside_keys::check_url;
use crate::view::Stored;
use crate::{AdminError, ApplicationSpec, FieldError};

/// The prefix of client secrets, for scanners that look for leaked secrets.
pub(crate) const CLIENT_SECRET_PREFIX: &str = "caracal_secret_";

impl Plan<'_> {
    /// Creates or changes an application; a new one gets a client secret, unless it proves itself
    /// in another way. One that turns to another way loses its secrets in the same moment.
    pub(crate) fn put_application(&mut self, spec: &ApplicationSpec) -> Result<(), AdminError> {
        if spec.labels.len() > MAX_LABELS {
            let why = format!("at most {MAX_LABELS} labels");
            self.errors.push(FieldError::new(
                format!("applications[{}].labels", spec.name),
                why,
            ));
        }
        let auth = self.checked_auth(spec);
        let held = self.applications.find(spec.name.as_str()).cloned();
        let (version, value) = match &held {
            Some(held) if held.value.labels == spec.labels && held.value.auth == auth => {
                return Ok(());
            }
            Some(held) => (
                held.version,
                Application {
                    labels: spec.labels.clone(),
                    secrets: if auth.is_secret() {
                        held.value.secrets.clone()
                    } else {
                        Vec::new()
                    },
                    auth,
                    ..held.value.clone()
                },
            ),
            None => (Version::ABSENT, self.new_application(spec, auth)),
        };
        let event = if held.is_some() {
            EventType::ApplicationUpdated
        } else {
            EventType::ApplicationRegistered
        };
        let id = value.id.uuid();
        self.change
            .put(Kind::Application, id, Some(&value.name), version, &value)?;
        self.note(
            held.is_some(),
            "application",
            event,
            &value.name,
            value.id.to_string(),
        );
        let before = held.as_ref().map(|h| ChangedObject::application(&h.value));
        self.detail(before, Some(ChangedObject::application(&value)));
        let name = value.name.clone();
        self.applications.insert(
            id,
            name,
            Stored {
                version: version.next(),
                value,
            },
        );
        Ok(())
    }

    /// How the application proves to be itself, in the one spelling that is kept.
    fn checked_auth(&mut self, spec: &ApplicationSpec) -> ClientAuth {
        let at = |field: &str| format!("applications[{}].auth.{field}", spec.name);
        let jwks = match &spec.auth {
            ClientAuth::Secret => return ClientAuth::Secret,
            ClientAuth::PublishedKeyJwt {
                jwks_uri,
                allow_private,
            } => {
                if let Err(why) = check_url(jwks_uri, *allow_private) {
                    let field = at("private_key_jwt.jwks_uri");
                    self.errors.push(FieldError::new(field, why));
                }
                return spec.auth.clone();
            }
            ClientAuth::Workload(rule) => {
                if let Err(error) = rule.check() {
                    self.errors.push(FieldError::new(at("claims"), error));
                }
                // What it names may be changed meanwhile.
                self.ordered = true;
                return spec.auth.clone();
            }
            ClientAuth::PrivateKeyJwt { jwks } => jwks,
        };
        match ClientKeys::parse(jwks) {
            Ok(keys) => ClientAuth::PrivateKeyJwt {
                jwks: keys.to_json(),
            },
            Err(error) => {
                self.errors.push(FieldError::new(
                    at("private_key_jwt.jwks"),
                    error.to_string(),
                ));
                spec.auth.clone()
            }
        }
    }

    fn new_application(&mut self, spec: &ApplicationSpec, auth: ClientAuth) -> Application {
        let created_at = self.engine.now();
        let mut secrets = Vec::new();
        if auth.is_secret() {
            let secret = SecretText::new(CLIENT_SECRET_PREFIX);
            let text = secret.text().expose_str().unwrap_or_default().to_owned();
            self.secrets.insert(spec.name.clone(), text);
            secrets.push(ClientSecret {
                sha256: secret.sha256_hex(),
                created_at,
                expires_at: None,
            });
        }
        Application {
            id: ApplicationId::new(created_at, &self.engine.random()),
            name: spec.name.clone(),
            created_at,
            labels: spec.labels.clone(),
            auth,
            secrets,
        }
    }
}
