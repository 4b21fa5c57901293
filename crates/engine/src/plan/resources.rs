//! Resources in a plan.

use caracal_core::{
    Enforcement, EventType, Kind, Resource, ResourceId, UndeclaredOperation, Version,
};

use super::{ChangedObject, Plan};
use crate::view::Stored;
use crate::{AdminError, FieldError, ResourceEntry, ResourceSpec};

/// The most applications that verify mandates for one resource.
const MAX_VERIFIERS: usize = 16;

impl Plan<'_> {
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
        // The hosts of its provider may change meanwhile, and its verifiers may go.
        self.ordered |= value.provider.is_some() || !value.verified_by.is_empty();
        if let Some(held) = &held {
            self.ordered |= held
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
        let before = held.as_ref().map(|h| ChangedObject::resource(&h.value));
        self.detail(before, Some(ChangedObject::resource(&value)));
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
        self.check_service(resource);
        if resource.mandate_in.len() > 16 {
            errors.push(FieldError::new(at("mandate_in"), "at most 16 places"));
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
        if let UndeclaredOperation::Scope(scope) = &resource.undeclared
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
}

impl Plan<'_> {
    /// What only services that verify mandates themselves have.
    fn check_service(&mut self, resource: &Resource) {
        let at = |field: &str| format!("resources[{}].{field}", resource.name);
        let is_service = resource.enforcement == Enforcement::Service;
        let asked = [
            ("verified_by", !resource.verified_by.is_empty()),
            ("decide", resource.asks_decide),
        ];
        for (field, is_set) in asked {
            if is_set && !is_service {
                let error = FieldError::new(at(field), "only where the service verifies mandates");
                self.errors
                    .push(error.hint("set `enforcement: service` on the resource too"));
            }
        }
        if resource.asks_decide && resource.verified_by.is_empty() {
            let error = FieldError::new(at("decide"), "nobody may ask about its calls");
            let hint = "name the application of the service in `verified_by`";
            self.errors.push(error.hint(hint));
        }
        if resource.verified_by.len() > MAX_VERIFIERS {
            let why = format!("at most {MAX_VERIFIERS} applications");
            self.errors.push(FieldError::new(at("verified_by"), why));
        }
        if is_service && resource.upstream.is_empty() && resource.provider.is_some() {
            let why = "there is no upstream that a credential could be sent to";
            let error = FieldError::new(at("provider"), why);
            self.errors
                .push(error.hint("name an `upstream`, or leave `provider` out"));
        }
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
        verified_by,
        asks_decide,
        allow_private,
        upstream_ca,
        upstream_protocol,
        mandate_in,
        requires_dpop,
        single_use,
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
        verified_by,
        asks_decide,
        allow_private,
        upstream_ca,
        upstream_protocol,
        mandate_in,
        requires_dpop,
        single_use,
        pass_cookies,
        literal_encoded_slashes,
        response_timeout_seconds,
        max_stream_seconds,
        max_body_bytes,
    }
}
