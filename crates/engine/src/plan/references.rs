//! What the objects of a plan say about each other.

use super::{MAX_OBJECTS, Plan};
use crate::{FieldError, Upstream};

impl Plan<'_> {
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
