//! Changing the configuration of a zone: every administrative write of applications,
//! resources, providers and policies is a small plan, and `apply` is a large one.
//!
//! A plan works on a draft of the zone, checks the draft as a whole, and then becomes one
//! commit: so a half-applied file cannot exist.

use std::collections::BTreeMap;

use caracal_core::{
    Application, ApplicationId, Bundle, BundleId, BundleVersion, ClientSecret, EventType, Kind,
    MAX_LABELS, Name, PolicySource, Provider, ProviderId, Resource, ResourceId, Version, Zone,
};
use caracal_crypto::SecretText;
use caracal_policy::Vocabulary;
use uuid::Uuid;

use crate::change::Change;
use crate::provider_seal::provider_context;
use crate::view::{Stored, Table, ZoneView, version_of};
use crate::{
    Admin, AdminError, ApplicationSpec, Engine, FieldError, ProviderSpec, ResourceEntry,
    ResourceSpec, Upstream,
};

/// The prefix of client secrets, for scanners that look for leaked secrets.
const CLIENT_SECRET_PREFIX: &str = "caracal_secret_";
/// The most applications, resources or providers that one zone may have.
const MAX_OBJECTS: usize = 10_000;

/// One line of what a plan does.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct AppliedChange {
    /// `create`, `update`, `delete` or `activate`.
    pub action: String,
    /// The noun of the object.
    pub noun: String,
    /// Its name; for a bundle its version.
    pub name: String,
}

/// A draft of a zone's configuration.
pub(crate) struct Plan<'p> {
    engine: &'p Engine,
    admin: &'p Admin,
    view: &'p ZoneView,
    applications: Table<Application>,
    resources: Table<Resource>,
    providers: Table<Provider>,
    policies: Option<Vec<PolicySource>>,
    change: Change,
    takes_away: bool,
    pub(crate) lines: Vec<AppliedChange>,
    pub(crate) secrets: BTreeMap<Name, String>,
    errors: Vec<FieldError>,
}

impl<'p> Plan<'p> {
    pub(crate) fn new(engine: &'p Engine, admin: &'p Admin, view: &'p ZoneView) -> Self {
        Self {
            engine,
            admin,
            view,
            applications: view.applications.clone(),
            resources: view.resources.clone(),
            providers: view.providers.clone(),
            policies: None,
            change: Change::of_configuration(view),
            takes_away: false,
            lines: Vec::new(),
            secrets: BTreeMap::new(),
            errors: Vec::new(),
        }
    }

    pub(crate) fn applications(&self) -> &Table<Application> {
        &self.applications
    }

    pub(crate) fn resources(&self) -> &Table<Resource> {
        &self.resources
    }

    pub(crate) fn providers(&self) -> &Table<Provider> {
        &self.providers
    }

    /// Creates or changes an application; a new one gets a client secret.
    pub(crate) fn put_application(&mut self, spec: &ApplicationSpec) -> Result<(), AdminError> {
        if spec.labels.len() > MAX_LABELS {
            let why = format!("at most {MAX_LABELS} labels");
            self.errors.push(FieldError::new(
                format!("applications[{}].labels", spec.name),
                why,
            ));
        }
        let held = self.applications.find(spec.name.as_str()).cloned();
        let (version, value) = match &held {
            Some(held) if held.value.labels == spec.labels => return Ok(()),
            Some(held) => (
                held.version,
                Application {
                    labels: spec.labels.clone(),
                    ..held.value.clone()
                },
            ),
            None => (Version::ABSENT, self.new_application(spec)),
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

    fn new_application(&mut self, spec: &ApplicationSpec) -> Application {
        let created_at = self.engine.now();
        let secret = SecretText::new(CLIENT_SECRET_PREFIX);
        let text = secret.text().expose_str().unwrap_or_default().to_owned();
        self.secrets.insert(spec.name.clone(), text);
        Application {
            id: ApplicationId::new(created_at, &self.engine.random()),
            name: spec.name.clone(),
            created_at,
            labels: spec.labels.clone(),
            secrets: vec![ClientSecret {
                sha256: secret.sha256_hex(),
                created_at,
                expires_at: None,
            }],
        }
    }

    /// Creates or changes a resource.
    pub(crate) fn put_resource(&mut self, spec: &ResourceSpec) -> Result<(), AdminError> {
        let held = self.resources.find(spec.name.as_str()).cloned();
        let created_at = held
            .as_ref()
            .map_or_else(|| self.engine.now(), |h| h.value.created_at);
        let id = held.as_ref().map_or_else(
            || ResourceId::new(created_at, &self.engine.random()),
            |h| h.value.id,
        );
        let value = resource_of(spec, id, created_at);
        if held.as_ref().is_some_and(|h| h.value == value) {
            return Ok(());
        }
        self.check_resource(&value);
        let version = held.as_ref().map_or(Version::ABSENT, |h| h.version);
        if let Some(held) = &held {
            self.takes_away |= held
                .value
                .scopes
                .iter()
                .any(|s| !value.declares(s.as_str()));
        }
        let event = if held.is_some() {
            EventType::ResourceUpdated
        } else {
            EventType::ResourceRegistered
        };
        self.change.put(
            Kind::Resource,
            id.uuid(),
            Some(&value.name),
            version,
            &value,
        )?;
        self.note(
            held.is_some(),
            "resource",
            event,
            &value.name,
            id.to_string(),
        );
        let name = value.name.clone();
        self.resources.insert(
            id.uuid(),
            name,
            Stored {
                version: version.next(),
                value,
            },
        );
        Ok(())
    }

    fn check_resource(&mut self, resource: &Resource) {
        let at = |field: &str| format!("resources[{}].{field}", resource.name);
        let mut errors = Vec::new();
        if let Err(error) = ResourceEntry::prepare(resource.clone(), Version(1)) {
            errors.push(FieldError {
                field: at(&error.field),
                ..error
            });
        }
        if resource.scopes.is_empty() || resource.scopes.len() > 500 {
            errors.push(FieldError::new(at("scopes"), "name 1 to 500 scopes"));
        }
        if resource.operations.len() > 2000 {
            errors.push(FieldError::new(at("operations"), "at most 2000 operations"));
        }
        for (i, operation) in resource.operations.iter().enumerate() {
            if !resource.declares(operation.scope.as_str()) {
                let why = format!(
                    "the resource does not declare the scope `{}`",
                    operation.scope
                );
                errors.push(FieldError::new(at(&format!("operations[{i}].scope")), why));
            }
            let method = operation.method.as_bytes();
            let plain = !method.is_empty()
                && method.len() <= 32
                && method.iter().all(u8::is_ascii_uppercase);
            if operation.method == "HEAD" {
                errors.push(
                    FieldError::new(
                        at(&format!("operations[{i}].method")),
                        "`HEAD` counts as `GET`",
                    )
                    .hint("name `GET` instead"),
                );
            } else if !plain && operation.method != "*" {
                let why = "use a method in capitals, or `*`";
                errors.push(FieldError::new(at(&format!("operations[{i}].method")), why));
            }
        }
        if let caracal_core::UndeclaredOperation::Scope(scope) = &resource.undeclared
            && !resource.declares(scope.as_str())
        {
            let why = format!("the resource does not declare the scope `{scope}`");
            errors.push(FieldError::new(at("default_scope"), why));
        }
        if resource
            .upstream_ca
            .as_ref()
            .is_some_and(|pem| pem.len() > 256 * 1024)
        {
            errors.push(FieldError::new(at("upstream_ca"), "at most 256 KiB"));
        } else if let Some(pem) = &resource.upstream_ca
            && let Err(error) = caracal_egress::Egress::check_ca(pem)
        {
            errors.push(FieldError::new(at("upstream_ca"), error));
        }
        for (field, seconds) in [
            (
                "response_timeout_seconds",
                resource.response_timeout_seconds,
            ),
            ("max_stream_seconds", resource.max_stream_seconds),
        ] {
            if !(1..=86_400).contains(&seconds) {
                errors.push(FieldError::new(at(field), "use 1 to 86400 seconds"));
            }
        }
        self.errors.extend(errors);
    }

    /// Creates or changes a provider. Its secret is sealed for exactly its allowed hosts, so
    /// a change of hosts needs the secret again.
    pub(crate) fn put_provider(
        &mut self,
        spec: &ProviderSpec,
        resources: &[ResourceSpec],
    ) -> Result<(), AdminError> {
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
        let mut value = Provider {
            id,
            name: spec.name.clone(),
            created_at,
            kind: spec.kind.clone(),
            secret: None,
            allowed_hosts: self.hosts_of(spec, resources),
        };
        if self.errors.len() > before {
            return Ok(());
        }
        if spec.kind.needs_secret() {
            match self.seal_secret(spec, &value, held.as_ref().map(|h| &h.value)) {
                Ok(sealed) => value.secret = Some(sealed),
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
    fn hosts_of(
        &self,
        spec: &ProviderSpec,
        resources: &[ResourceSpec],
    ) -> Vec<caracal_core::AllowedHost> {
        let mut hosts = match &spec.allowed_hosts {
            Some(hosts) => hosts.clone(),
            None => {
                let stored = self
                    .resources
                    .iter()
                    .filter(|r| !resources.iter().any(|new| new.name == r.value.name))
                    .map(|r| (&r.value.provider, &r.value.upstream));
                let new = resources.iter().map(|r| (&r.provider, &r.upstream));
                stored
                    .chain(new)
                    .filter(|(provider, _)| provider.as_ref() == Some(&spec.name))
                    .filter_map(|(_, upstream)| Upstream::parse(upstream).ok())
                    .map(|upstream| upstream.host)
                    .collect()
            }
        };
        hosts.sort();
        hosts.dedup();
        hosts
    }

    fn seal_secret(
        &self,
        spec: &ProviderSpec,
        value: &Provider,
        held: Option<&Provider>,
    ) -> Result<caracal_core::SealedSecret, FieldError> {
        let zone = self.view.zone.value.id;
        let keyring = self.engine.keyring();
        let sealed = held.and_then(|h| h.secret.as_ref().map(|sealed| (h, sealed)));
        let Some(secret) = &spec.secret else {
            return match sealed {
                Some((held, sealed)) if held.allowed_hosts == value.allowed_hosts => {
                    Ok(sealed.clone())
                }
                Some(_) => Err(
                    FieldError::new("secret", "the secret is sealed for other hosts")
                        .hint("give the secret again to allow other hosts"),
                ),
                None => Err(FieldError::new("secret", "a new provider needs its secret")),
            };
        };
        // The same secret for the same hosts is no change, so that `apply` is idempotent.
        if let Some((held, sealed)) = sealed
            && held.allowed_hosts == value.allowed_hosts
            && keyring
                .open(sealed, &provider_context(zone, held))
                .is_ok_and(|old| caracal_crypto::constant_time_eq(old.expose(), secret.expose()))
        {
            return Ok(sealed.clone());
        }
        keyring
            .seal(secret, &provider_context(zone, value))
            .map_err(|e| FieldError::new("secret", format!("the secret cannot be sealed: {e}")))
    }

    pub(crate) fn delete_application(&mut self, held: &Stored<Application>) {
        let id = held.value.id;
        self.change
            .delete(Kind::Application, id.uuid(), held.version);
        self.gone(
            "application",
            EventType::ApplicationDeleted,
            &held.value.name,
            id.to_string(),
        );
        self.applications.remove(id.uuid());
    }

    pub(crate) fn delete_resource(&mut self, held: &Stored<Resource>) {
        let id = held.value.id;
        self.change.delete(Kind::Resource, id.uuid(), held.version);
        self.gone(
            "resource",
            EventType::ResourceDeleted,
            &held.value.name,
            id.to_string(),
        );
        self.resources.remove(id.uuid());
    }

    pub(crate) fn delete_provider(&mut self, held: &Stored<Provider>) {
        let id = held.value.id;
        self.change.delete(Kind::Provider, id.uuid(), held.version);
        self.gone(
            "provider",
            EventType::ProviderDeleted,
            &held.value.name,
            id.to_string(),
        );
        self.providers.remove(id.uuid());
    }

    /// Makes these policies the active bundle.
    pub(crate) fn set_policies(&mut self, mut policies: Vec<PolicySource>) {
        policies.sort_by(|a, b| a.name.cmp(&b.name));
        self.policies = Some(policies);
    }

    /// The policies that are active now.
    pub(crate) fn active_policies(&self) -> Vec<PolicySource> {
        let version = self.view.zone.value.policy.as_ref();
        version
            .and_then(|version| self.view.bundles.get(version))
            .map(|stored| stored.bundle.policies.clone())
            .unwrap_or_default()
    }

    /// Checks the draft as a whole and turns it into a change.
    pub(crate) fn finish(mut self) -> Result<Finished, AdminError> {
        self.check_references();
        let policies = self.policies.take();
        let wanted = policies.clone().unwrap_or_else(|| self.active_policies());
        let vocabulary = self.vocabulary();
        let version = version_of(&wanted);
        let cache = self.engine.policies();
        if let Err(errors) = cache.compile(&version, &wanted, &vocabulary) {
            for error in errors.0 {
                self.errors.push(policy_field(error));
            }
        }
        if !self.errors.is_empty() {
            return Err(AdminError::Invalid(self.errors));
        }
        if let Some(policies) = policies {
            self.activate(version, policies)?;
        }
        if self.takes_away && !self.change.is_empty() {
            self.change.touch_zone(self.view)?;
        }
        Ok(Finished {
            change: self.change,
            lines: self.lines,
            secrets: self.secrets,
        })
    }

    fn activate(
        &mut self,
        version: BundleVersion,
        policies: Vec<PolicySource>,
    ) -> Result<(), AdminError> {
        let zone: &Zone = &self.view.zone.value;
        if zone.policy.as_ref() == Some(&version) || (zone.policy.is_none() && policies.is_empty())
        {
            return Ok(());
        }
        if !self.view.bundles.contains_key(&version) {
            let created_at = self.engine.now();
            let id = BundleId::new(created_at, &self.engine.random());
            let bundle = Bundle {
                id,
                version: version.clone(),
                created_at,
                policies,
            };
            self.change
                .put(Kind::Bundle, id.uuid(), None, Version::ABSENT, &bundle)?;
        }
        let mut next = zone.clone();
        next.policy = Some(version.clone());
        let held = self.view.zone_version();
        self.change
            .put(Kind::Zone, zone.id.uuid(), Some(&zone.name), held, &next)?;
        let mut event = self
            .engine
            .admin_event(zone.id, self.admin, EventType::PolicyActivated);
        event.policy_version = Some(version.clone());
        self.change.events.push(event);
        self.line("activate", "bundle", version.as_str());
        Ok(())
    }

    /// A resource's provider must exist and be allowed to send its credential there.
    fn check_references(&mut self) {
        let mut errors = Vec::new();
        for (noun, count) in [
            ("applications", self.applications.len()),
            ("resources", self.resources.len()),
            ("providers", self.providers.len()),
        ] {
            if count > MAX_OBJECTS {
                errors.push(FieldError::new(
                    noun,
                    format!("at most {MAX_OBJECTS} in a zone"),
                ));
            }
        }
        for resource in self.resources.iter().map(|r| &r.value) {
            let at = |field: &str| format!("resources[{}].{field}", resource.name);
            let Some(name) = &resource.provider else {
                continue;
            };
            let Some(provider) = self.providers.find(name.as_str()) else {
                errors.push(FieldError::new(
                    at("provider"),
                    format!("no provider `{name}`"),
                ));
                continue;
            };
            let Ok(upstream) = Upstream::parse(&resource.upstream) else {
                continue;
            };
            if !provider.value.kind.needs_secret() {
                continue;
            }
            if !provider.value.allowed_hosts.contains(&upstream.host) {
                let why = format!(
                    "the credential of `{name}` may not be sent to `{}`",
                    upstream.host
                );
                errors.push(FieldError::new(at("upstream"), why).hint(format!(
                    "name the host in `allowed_hosts` of `{name}` and give its secret again"
                )));
            }
            if !upstream.https && !(upstream.is_loopback() && resource.allow_private) {
                errors.push(
                    FieldError::new(
                        at("upstream"),
                        "a credential may travel over plain http only to loopback",
                    )
                    .hint("use `https`, or a loopback upstream with `allow_private: true`"),
                );
            }
        }
        self.errors.extend(errors);
    }

    fn vocabulary(&self) -> Vocabulary {
        Vocabulary {
            applications: self
                .applications
                .iter()
                .map(|a| a.value.name.clone())
                .collect(),
            resources: self
                .resources
                .iter()
                .map(|r| (r.value.name.clone(), r.value.scopes.clone()))
                .collect(),
        }
    }

    fn note(&mut self, held: bool, noun: &str, event: EventType, name: &Name, id: String) {
        let mut event = self
            .engine
            .admin_event(self.view.zone.value.id, self.admin, event);
        event.target = Some(id);
        event.target_name = Some(name.clone());
        self.change.events.push(event);
        self.line(if held { "update" } else { "create" }, noun, name.as_str());
    }

    fn gone(&mut self, noun: &str, event: EventType, name: &Name, id: String) {
        self.takes_away = true;
        let mut event = self
            .engine
            .admin_event(self.view.zone.value.id, self.admin, event);
        event.target = Some(id);
        event.target_name = Some(name.clone());
        self.change.events.push(event);
        self.line("delete", noun, name.as_str());
    }

    fn line(&mut self, action: &str, noun: &str, name: &str) {
        self.lines.push(AppliedChange {
            action: action.to_owned(),
            noun: noun.to_owned(),
            name: name.to_owned(),
        });
    }
}

/// A checked plan.
pub(crate) struct Finished {
    pub(crate) change: Change,
    pub(crate) lines: Vec<AppliedChange>,
    pub(crate) secrets: BTreeMap<Name, String>,
}

/// Where a policy is wrong, as a field: `policies[NAME]:LINE:COLUMN`.
pub(crate) fn policy_field(error: caracal_policy::PolicyError) -> FieldError {
    let mut field = match &error.policy {
        Some(name) => format!("policies[{name}]"),
        None => "policies".to_owned(),
    };
    if let (Some(line), Some(column)) = (error.line, error.column) {
        field.push_str(&format!(":{line}:{column}"));
    }
    FieldError {
        field,
        message: error.message,
        hint: error.hint,
    }
}

fn resource_of(spec: &ResourceSpec, id: ResourceId, created_at: jiff::Timestamp) -> Resource {
    let ResourceSpec {
        name,
        upstream,
        provider,
        scopes,
        operations,
        undeclared,
        enforcement,
        allow_private,
        upstream_ca,
        mandate_in,
        pass_cookies,
        literal_encoded_slashes,
        response_timeout_seconds,
        max_stream_seconds,
        max_body_bytes,
    } = spec.clone();
    Resource {
        id,
        name,
        created_at,
        upstream,
        provider,
        scopes,
        operations,
        undeclared,
        enforcement,
        allow_private,
        upstream_ca,
        mandate_in,
        pass_cookies,
        literal_encoded_slashes,
        response_timeout_seconds,
        max_stream_seconds,
        max_body_bytes,
    }
}

/// Finds an object by id or by name.
pub(crate) fn find_by_key<'t, T>(
    table: &'t Table<T>,
    prefix: &'static str,
    key: &str,
) -> Option<&'t std::sync::Arc<Stored<T>>> {
    let by_id = key
        .strip_prefix(prefix)
        .and_then(|rest| rest.strip_prefix('_'))
        .and_then(|rest| Uuid::try_parse(rest).ok())
        .and_then(|id| table.find_by_id(id));
    by_id.or_else(|| table.find(key))
}
