//! Declarative configuration: a whole file in one commit.

use std::collections::BTreeSet;

use caracal_core::{Epoch, Kind, Name, PolicySet, Position, Role, Version, ZoneId};
use serde::{Deserialize, Serialize};

use crate::change::Change;
use crate::plan::{AppliedChange, Plan};
use crate::view::{ZoneView, document};
use crate::{Admin, AdminError, Engine, FieldError, ZoneSpec};

/// What an apply did, or would do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Applied {
    /// The zone.
    pub zone: ZoneId,
    /// Its name.
    pub name: Name,
    /// The applications that the file names.
    pub applications: Vec<AppliedObject>,
    /// The outside issuers that the file names.
    #[serde(default)]
    pub issuers: Vec<AppliedObject>,
    /// The resources that the file names.
    pub resources: Vec<AppliedObject>,
    /// The providers that the file names.
    pub providers: Vec<AppliedObject>,
    /// The sinks that the file names.
    #[serde(default)]
    pub sinks: Vec<AppliedObject>,
    /// The policies that the file names.
    pub policies: Vec<Name>,
    /// What was changed, in order.
    pub changes: Vec<AppliedChange>,
    /// Names the configuration that the change was decided on: give it as [`Admin::base`], and
    /// the change is refused when somebody has changed the zone meanwhile.
    #[serde(default)]
    pub base: String,
}

/// One object of an apply.
#[derive(Clone, Serialize, Deserialize)]
pub struct AppliedObject {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: Name,
    /// The client secret, where this call created the application.
    pub client_secret: Option<String>,
}

impl std::fmt::Debug for AppliedObject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AppliedObject")
            .field("id", &self.id)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// Brings a zone to what a file says, in one commit. Applying again changes nothing.
    ///
    /// # Errors
    /// Needs the role admin. Names every mistake of the file at once; nothing was changed.
    pub async fn apply(
        &self,
        zone: ZoneId,
        admin: &Admin,
        spec: ZoneSpec,
    ) -> Result<Applied, AdminError> {
        admin.operator.require(Role::Admin, zone)?;
        check_duplicates(&spec)?;
        self.write(zone, admin, |view| self.plan_apply(admin, view, &spec))
            .await
    }

    /// What applying to a zone that does not exist yet would do: everything is checked, and
    /// nothing is made. The ids of the answer are no object's.
    ///
    /// # Errors
    /// Needs the role owner in all zones. Names every mistake of the file at once.
    pub fn plan_new_zone(
        &self,
        admin: &Admin,
        name: Name,
        spec: &ZoneSpec,
    ) -> Result<Applied, AdminError> {
        admin.operator.require_instance(Role::Owner)?;
        check_duplicates(spec)?;
        let id = ZoneId::new(self.now(), &self.random());
        let (zone, _) = self.new_zone(id, name)?;
        let document = document(
            id,
            Kind::Zone,
            id.uuid(),
            Some(&zone.name),
            Version(1),
            &zone,
        )?;
        let position = Position::start(Epoch(id.uuid()));
        let view = self.0.loader.start(&document, position);
        let view = view.map_err(|error| AdminError::Unavailable {
            why: error.to_string(),
            done: false,
        })?;
        self.plan_apply(admin, &view, spec)
            .map(|(_, applied)| applied)
    }

    fn plan_apply(
        &self,
        admin: &Admin,
        view: &ZoneView,
        spec: &ZoneSpec,
    ) -> Result<(Change, Applied), AdminError> {
        let base = base_of(view);
        if let Some(expected) = admin.base.as_ref().filter(|expected| **expected != base) {
            return Err(AdminError::BaseMismatch {
                found: base,
                expected: expected.clone(),
            });
        }
        let mut plan = Plan::new(self, admin, view);
        for issuer in &spec.issuers {
            plan.put_issuer(issuer)?;
        }
        for application in &spec.applications {
            plan.put_application(application)?;
        }
        for resource in &spec.resources {
            plan.put_resource(resource)?;
        }
        // Before the providers: their default hosts are those of the resources that stay.
        if spec.prune {
            prune(&mut plan, view, spec);
        }
        for provider in &spec.providers {
            plan.put_provider(provider)?;
        }
        for sink in &spec.sinks {
            plan.put_sink(sink)?;
        }
        set_bundle(&mut plan, spec);
        match spec.retention {
            Some(retention) => plan.set_retention(retention)?,
            None if spec.prune => plan.set_retention(None)?,
            None => {}
        }
        match spec.self_approval {
            Some(allowed) => plan.set_self_approval(allowed)?,
            None if spec.prune => plan.set_self_approval(false)?,
            None => {}
        }
        let names: (Vec<_>, Vec<_>, Vec<_>) = (
            spec.applications.iter().map(|a| a.name.clone()).collect(),
            spec.resources.iter().map(|r| r.name.clone()).collect(),
            spec.providers.iter().map(|p| p.name.clone()).collect(),
        );
        let id = |found: Option<String>, name: &Name| AppliedObject {
            id: found.unwrap_or_default(),
            name: name.clone(),
            client_secret: None,
        };
        let mut applications: Vec<_> = names
            .0
            .iter()
            .map(|n| {
                id(
                    plan.applications()
                        .find(n.as_str())
                        .map(|a| a.value.id.to_string()),
                    n,
                )
            })
            .collect();
        let resources = names
            .1
            .iter()
            .map(|n| {
                id(
                    plan.resources()
                        .find(n.as_str())
                        .map(|r| r.value.id.to_string()),
                    n,
                )
            })
            .collect();
        let providers = names
            .2
            .iter()
            .map(|n| {
                id(
                    plan.providers()
                        .find(n.as_str())
                        .map(|p| p.value.id.to_string()),
                    n,
                )
            })
            .collect();
        let issuers = spec.issuers.iter().map(|wanted| {
            let found = plan.issuers().find(wanted.name.as_str());
            id(found.map(|held| held.value.id.to_string()), &wanted.name)
        });
        let issuers = issuers.collect();
        let sinks = spec
            .sinks
            .iter()
            .map(|sink| {
                let held = plan.sinks().find(sink.name.as_str());
                id(held.map(|held| held.value.id.to_string()), &sink.name)
            })
            .collect();
        let mut finished = plan.finish()?;
        for application in &mut applications {
            let secret = finished.secrets.remove(&application.name);
            application.client_secret = secret.filter(|_| !admin.dry_run);
        }
        let applied = Applied {
            zone: view.zone.value.id,
            name: view.zone.value.name.clone(),
            applications,
            issuers,
            resources,
            providers,
            sinks,
            policies: spec.policies.iter().map(|p| p.name.clone()).collect(),
            changes: finished.lines,
            base,
        };
        Ok((finished.change, applied))
    }
}

/// A short name of exactly this configuration: it changes with every object's version.
fn base_of(view: &ZoneView) -> String {
    let mut text = String::new();
    if let Some(version) = &view.zone.value.policy {
        text.push_str(version.as_str());
    }
    if let Some(retention) = view.zone.value.retention {
        text.push_str(&format!("\nretention {}", retention.events_days));
    }
    if view.zone.value.self_approval {
        text.push_str("\nself_approval");
    }
    let objects = view
        .applications
        .iter()
        .map(|held| (held.value.id.uuid(), held.version))
        .chain(
            view.resources
                .iter()
                .map(|held| (held.value.id.uuid(), held.version)),
        )
        .chain(
            view.providers
                .iter()
                .map(|held| (held.value.id.uuid(), held.version)),
        )
        .chain(
            view.issuers
                .iter()
                .map(|held| (held.value.id.uuid(), held.version)),
        )
        .chain(
            view.sinks
                .iter()
                .map(|held| (held.value.id.uuid(), held.version)),
        );
    for (id, version) in objects {
        text.push_str(&format!("\n{id} {version}"));
    }
    let digest = caracal_crypto::hex(&caracal_crypto::sha256(text.as_bytes()));
    digest.get(..16).unwrap_or_default().to_owned()
}

/// The active policies and tests with those of the file added or replaced; when pruning, exactly
/// the file's.
fn set_bundle(plan: &mut Plan<'_>, spec: &ZoneSpec) {
    let mut set = PolicySet::default();
    if !spec.prune {
        if spec.policies.is_empty() && spec.tests.is_empty() {
            return;
        }
        set = plan.active_set();
        set.policies
            .retain(|held| !spec.policies.iter().any(|new| new.name == held.name));
        set.tests
            .retain(|held| !spec.tests.iter().any(|new| new.name == held.name));
    }
    set.policies.extend(spec.policies.iter().cloned());
    set.tests.extend(spec.tests.iter().cloned());
    plan.set_bundle(set);
}

fn prune(plan: &mut Plan<'_>, view: &ZoneView, spec: &ZoneSpec) {
    for held in view.applications.iter() {
        if !spec.applications.iter().any(|a| a.name == held.value.name) {
            plan.delete_application(held);
        }
    }
    for held in view.resources.iter() {
        if !spec.resources.iter().any(|r| r.name == held.value.name) {
            plan.delete_resource(held);
        }
    }
    for held in view.issuers.iter() {
        if !spec.issuers.iter().any(|i| i.name == held.value.name) {
            plan.delete_issuer(held);
        }
    }
    for held in view.providers.iter() {
        if !spec.providers.iter().any(|p| p.name == held.value.name) {
            plan.delete_provider(held);
        }
    }
    for held in view.sinks.iter() {
        if !spec.sinks.iter().any(|s| s.name == held.value.name) {
            plan.delete_sink(held);
        }
    }
}

fn check_duplicates(spec: &ZoneSpec) -> Result<(), AdminError> {
    let mut errors = Vec::new();
    let mut check = |noun: &str, names: Vec<&Name>| {
        let mut seen = BTreeSet::new();
        for name in names {
            if !seen.insert(name.clone()) {
                errors.push(FieldError::new(
                    format!("{noun}[{name}]"),
                    "the name is used twice",
                ));
            }
        }
    };
    check(
        "applications",
        spec.applications.iter().map(|a| &a.name).collect(),
    );
    check("issuers", spec.issuers.iter().map(|i| &i.name).collect());
    check(
        "resources",
        spec.resources.iter().map(|r| &r.name).collect(),
    );
    check(
        "providers",
        spec.providers.iter().map(|p| &p.name).collect(),
    );
    check("sinks", spec.sinks.iter().map(|s| &s.name).collect());
    check("policies", spec.policies.iter().map(|p| &p.name).collect());
    check("tests", spec.tests.iter().map(|t| &t.name).collect());
    if errors.is_empty() {
        Ok(())
    } else {
        Err(AdminError::Invalid(errors))
    }
}
