//! Providers in a plan.

use caracal_core::{AllowedHost, EventType, Kind, Provider, ProviderId, SealedSecret, Version};

use super::{ChangedObject, Plan, SecretChange};
use crate::provider_seal::provider_context;
use crate::view::Stored;
use crate::{AdminError, FieldError, ProviderSpec, Upstream};

impl Plan<'_> {
    /// Creates or changes a provider. Its secret is sealed for exactly its allowed hosts, so
    /// a change of hosts needs the secret again. Put the resources that name it first.
    pub(crate) fn put_provider(&mut self, spec: &ProviderSpec) -> Result<(), AdminError> {
        let at = |field: &str| format!("providers[{}].{field}", spec.name);
        let before = self.errors.len();
        if let Err(why) = caracal_provider::check_kind(&spec.kind) {
            self.errors.push(FieldError::new(at("kind"), why));
        }
        if let Some(secret) = &spec.secret {
            if !spec.kind.needs_secret() {
                let why = format!("a provider of kind `{}` has no secret", spec.kind.as_str());
                self.errors.push(FieldError::new(at("secret"), why));
            } else if let Err(why) = caracal_provider::check_secret(&spec.kind, secret) {
                self.errors.push(FieldError::new(at("secret"), why));
            }
        }
        let held = self.providers.find(spec.name.as_str()).cloned();
        let created_at = held
            .as_ref()
            .map_or_else(|| self.engine.now(), |h| h.value.created_at);
        let id = held.as_ref().map_or_else(
            || ProviderId::new(created_at, &self.engine.random()),
            |h| h.value.id,
        );
        if spec
            .allowed_hosts
            .as_ref()
            .is_some_and(|all| all.len() > 256)
        {
            let why = "at most 256 hosts";
            self.errors.push(FieldError::new(at("allowed_hosts"), why));
        }
        let mut value = Provider {
            id,
            name: spec.name.clone(),
            created_at,
            kind: spec.kind.clone(),
            secret: None,
            allowed_hosts: self.hosts_of(spec),
        };
        if self.errors.len() > before {
            return Ok(());
        }
        let had_secret = held.as_ref().is_some_and(|h| h.value.secret.is_some());
        let mut secret = had_secret.then_some(SecretChange::Removed);
        if spec.kind.needs_secret() {
            match self.seal_secret(spec, &value, held.as_ref().map(|h| &h.value)) {
                Ok((sealed, change)) => {
                    value.secret = Some(sealed);
                    secret = Some(change);
                }
                Err(error) => {
                    self.errors.push(FieldError {
                        field: at(&error.field),
                        ..error
                    });
                    return Ok(());
                }
            }
        }
        if held.as_ref().is_some_and(|h| h.value == value) {
            return Ok(());
        }
        // A resource that begins to use it meanwhile must be checked against its new hosts.
        self.ordered |= held.is_some();
        let version = held.as_ref().map_or(Version::ABSENT, |h| h.version);
        let event = if held.is_some() {
            EventType::ProviderUpdated
        } else {
            EventType::ProviderConnected
        };
        self.change.put(
            Kind::Provider,
            id.uuid(),
            Some(&value.name),
            version,
            &value,
        )?;
        self.note(
            held.is_some(),
            "provider",
            event,
            &value.name,
            id.to_string(),
        );
        let before = held.as_ref().map(|h| ChangedObject::provider(&h.value));
        self.detail(before, Some(ChangedObject::provider(&value)));
        if let Some(line) = self.lines.last_mut() {
            line.secret = secret;
        }
        let name = value.name.clone();
        self.providers.insert(
            id.uuid(),
            name,
            Stored {
                version: version.next(),
                value,
            },
        );
        Ok(())
    }

    /// The named hosts, or those of the resources that name the provider.
    fn hosts_of(&self, spec: &ProviderSpec) -> Vec<AllowedHost> {
        let mut hosts = spec.allowed_hosts.clone().unwrap_or_else(|| {
            self.resources
                .iter()
                .filter(|resource| resource.value.provider.as_ref() == Some(&spec.name))
                .filter_map(|resource| Upstream::parse(&resource.value.upstream).ok())
                .map(|upstream| upstream.host)
                .collect()
        });
        hosts.sort();
        hosts.dedup();
        hosts
    }

    fn seal_secret(
        &self,
        spec: &ProviderSpec,
        value: &Provider,
        held: Option<&Provider>,
    ) -> Result<(SealedSecret, SecretChange), FieldError> {
        let zone = self.view.zone.value.id;
        let keyring = self.engine.keyring();
        let sealed = held.and_then(|h| h.secret.as_ref().map(|sealed| (h, sealed)));
        let Some(secret) = &spec.secret else {
            return match sealed {
                Some((held, sealed)) if held.allowed_hosts == value.allowed_hosts => {
                    Ok((sealed.clone(), SecretChange::Unchanged))
                }
                Some(_) => Err(
                    FieldError::new("secret", "the secret is sealed for other hosts")
                        .hint("give the secret again to allow other hosts"),
                ),
                None => Err(FieldError::new("secret", "a new provider needs its secret")),
            };
        };
        let mut change = SecretChange::Set;
        if let Some((held, sealed)) = sealed {
            let old = keyring.open(sealed, &provider_context(zone, held));
            change = match old {
                Err(_) => SecretChange::Unknown,
                Ok(old) if caracal_crypto::constant_time_eq(old.expose(), secret.expose()) => {
                    // The same secret for the same hosts is no change, so that `apply` is
                    // idempotent.
                    if held.allowed_hosts == value.allowed_hosts {
                        return Ok((sealed.clone(), SecretChange::Unchanged));
                    }
                    SecretChange::Unchanged
                }
                Ok(_) => SecretChange::Changed,
            };
        }
        keyring
            .seal(secret, &provider_context(zone, value))
            .map(|sealed| (sealed, change))
            .map_err(|e| FieldError::new("secret", format!("the secret cannot be sealed: {e}")))
    }
}
