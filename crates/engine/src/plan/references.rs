//! What the objects of a plan say about each other.

use caracal_core::{ClientAuth, MAX_ISSUERS};

use super::{MAX_OBJECTS, Plan};
use crate::{FieldError, Upstream};

impl Plan<'_> {
    /// Who an application's tokens are of must exist and be allowed to prove applications; and one
    /// `iss` is of one issuer.
    fn check_issuers(&self, errors: &mut Vec<FieldError>) {
        let mut urls = std::collections::BTreeMap::new();
        for issuer in self.issuers.iter().map(|held| &held.value) {
            if let Some(other) = urls.insert(&issuer.url, &issuer.name) {
                let at = format!("issuers[{}].issuer", issuer.name);
                errors.push(FieldError::new(
                    at,
                    format!("`{other}` is registered with this issuer already"),
                ));
            }
        }
        for application in self.applications.iter().map(|held| &held.value) {
            let ClientAuth::Workload(rule) = &application.auth else {
                continue;
            };
            let at = || format!("applications[{}].auth.issuer", application.name);
            match self.issuers.find(rule.issuer.as_str()) {
                None => {
                    let error = FieldError::new(at(), format!("no issuer `{}`", rule.issuer));
                    errors.push(error.hint("name it under `issuers` too"));
                }
                Some(held) if !held.value.applications => {
                    let why = format!("`{}` may not prove applications", rule.issuer);
                    let error = FieldError::new(at(), why);
                    errors.push(error.hint("add `applications` to its `proves`"));
                }
                Some(_) => {}
            }
        }
    }

    /// A resource's provider must exist and be allowed to send its credential there, and so must
    /// the applications that verify mandates for it.
    pub(super) fn check_references(&mut self) {
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
        if self.issuers.len() > MAX_ISSUERS {
            errors.push(FieldError::new(
                "issuers",
                format!("at most {MAX_ISSUERS} in a zone"),
            ));
        }
        self.check_issuers(&mut errors);
        for resource in self.resources.iter().map(|r| &r.value) {
            let at = |field: &str| format!("resources[{}].{field}", resource.name);
            for (i, name) in resource.verified_by.iter().enumerate() {
                if self.applications.find(name.as_str()).is_none() {
                    let field = at(&format!("verified_by[{i}]"));
                    let error = FieldError::new(field, format!("no application `{name}`"));
                    let is_pruned = self.view.applications.find(name.as_str()).is_some();
                    let hint = "this change removes it: take it out of `verified_by` too";
                    errors.push(if is_pruned { error.hint(hint) } else { error });
                }
            }
            let Some(name) = &resource.provider else {
                continue;
            };
            let Some(provider) = self.providers.find(name.as_str()) else {
                let error = FieldError::new(at("provider"), format!("no provider `{name}`"));
                let is_pruned = self.view.providers.find(name.as_str()).is_some();
                errors.push(if is_pruned {
                    error.hint(format!(
                        "this change removes it, and the resource uses it: name `{name}` in the file too"
                    ))
                } else {
                    error
                });
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
            if !upstream.may_carry_credential(resource.allow_private) {
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
}
