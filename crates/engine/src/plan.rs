//! Changing the configuration of a zone: every administrative write of applications,
//! resources, providers and policies is a small plan, and `apply` is a large one.
//!
//! A plan works on a draft of the zone, checks the draft as a whole, and then becomes one
//! commit: so a half-applied file cannot exist.

mod applications;
mod changed;
mod issuers;
mod providers;
mod references;
mod resources;
mod sinks;

use std::collections::BTreeMap;

use caracal_core::{
    Application, Bundle, BundleId, BundleVersion, EventType, Issuer, Kind, Name, PolicySet,
    Provider, Resource, Retention, Role, Sink, Version, Zone,
};
use caracal_policy::Vocabulary;
use uuid::Uuid;

pub(crate) use applications::CLIENT_SECRET_PREFIX;
pub use changed::{AppliedChange, ChangedObject, SecretChange};

use crate::change::Change;
use crate::policy_tests::{TestZone, check_tests};
use crate::retain::in_words;
use crate::view::{Stored, Table, ZoneView, version_of};
use crate::{Admin, AdminError, Engine, FieldError};

/// The most applications, resources or providers that one zone may have.
const MAX_OBJECTS: usize = 10_000;

/// A draft of a zone's configuration.
pub(crate) struct Plan<'p> {
    engine: &'p Engine,
    admin: &'p Admin,
    view: &'p ZoneView,
    applications: Table<Application>,
    resources: Table<Resource>,
    providers: Table<Provider>,
    sinks: Table<Sink>,
    issuers: Table<Issuer>,
    bundle: Option<PolicySet>,
    retention: Option<Retention>,
    self_approval: bool,
    change: Change,
    /// True: the zone's document is written too, so that of two changes which could
    /// contradict each other the second is checked again.
    ordered: bool,
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
            sinks: view.sinks.clone(),
            issuers: view.issuers.clone(),
            bundle: None,
            retention: view.zone.value.retention,
            self_approval: view.zone.value.self_approval,
            change: Change::of_configuration(view),
            ordered: false,
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

    pub(crate) fn issuers(&self) -> &Table<Issuer> {
        &self.issuers
    }

    pub(crate) fn sinks(&self) -> &Table<Sink> {
        &self.sinks
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
        self.detail(Some(ChangedObject::application(&held.value)), None);
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
        self.detail(Some(ChangedObject::resource(&held.value)), None);
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
        self.detail(Some(ChangedObject::provider(&held.value)), None);
        self.providers.remove(id.uuid());
    }

    /// Makes these policies, with these tests, the active bundle.
    pub(crate) fn set_bundle(&mut self, set: PolicySet) {
        self.bundle = Some(set.sorted());
    }

    /// Keeps the zone's events so long; none for ever.
    ///
    /// # Errors
    /// Evidence is what owners answer for: a change of it needs the role owner.
    pub(crate) fn set_retention(&mut self, retention: Option<Retention>) -> Result<(), AdminError> {
        let zone: &Zone = &self.view.zone.value;
        if retention != zone.retention {
            self.admin.operator.require(Role::Owner, zone.id)?;
            self.retention = retention;
        }
        Ok(())
    }

    /// Lets operators decide about approvals of their own sessions, or not.
    ///
    /// # Errors
    /// It is what keeps two people apart: a change of it needs the role owner.
    pub(crate) fn set_self_approval(&mut self, allowed: bool) -> Result<(), AdminError> {
        let zone: &Zone = &self.view.zone.value;
        if allowed != zone.self_approval {
            self.admin.operator.require(Role::Owner, zone.id)?;
            self.self_approval = allowed;
        }
        Ok(())
    }

    /// What the zone itself says, besides its policies: all are written in its own document.
    fn write_settings(&mut self) -> Result<(), AdminError> {
        let zone: &Zone = &self.view.zone.value;
        let changes = self.retention != zone.retention || self.self_approval != zone.self_approval;
        if changes && self.policies_stay() {
            let mut next = zone.clone();
            next.retention = self.retention;
            next.self_approval = self.self_approval;
            let held = self.view.zone_version();
            self.change
                .put(Kind::Zone, zone.id.uuid(), Some(&zone.name), held, &next)?;
        }
        if self.retention != zone.retention {
            let words = in_words(self.retention);
            self.setting("retention", &words);
        }
        if self.self_approval != zone.self_approval {
            let words = format!("self_approval: {}", self.self_approval);
            self.setting("self_approval", &words);
        }
        Ok(())
    }

    fn setting(&mut self, what: &'static str, words: &str) {
        let zone: &Zone = &self.view.zone.value;
        let mut event = self
            .engine
            .admin_event(zone.id, self.admin, EventType::ZoneUpdated);
        event.target = Some(zone.id.to_string());
        event.target_name = Some(zone.name.clone());
        event.reason = Some(words.to_owned());
        self.change.events.push(event);
        self.line("update", what, words);
    }

    /// Whether the zone's document is not written for its policies.
    fn policies_stay(&self) -> bool {
        let activates =
            |event: &caracal_core::Event| event.event_type == EventType::PolicyActivated;
        !self.change.events.iter().any(activates)
    }

    /// The policies that are active now, with their tests.
    pub(crate) fn active_set(&self) -> PolicySet {
        let version = self.view.zone.value.policy.as_ref();
        version
            .and_then(|version| self.view.bundles.get(version))
            .map(|stored| stored.bundle.set())
            .unwrap_or_default()
    }

    /// Checks the draft as a whole and turns it into a change.
    pub(crate) fn finish(mut self) -> Result<Finished, AdminError> {
        self.check_references();
        let bundle = self.bundle.take();
        let wanted = bundle.clone().unwrap_or_else(|| self.active_set());
        check_tests(&wanted.tests)?;
        let vocabulary = self.vocabulary();
        let version = version_of(&wanted);
        let cache = self.engine.policies();
        match cache.compile(&version, &wanted.policies, &vocabulary) {
            Ok(compiled) => {
                self.errors.extend(unenforced(&compiled));
                let zone = TestZone {
                    applications: &self.applications,
                    resources: &self.resources,
                    now: self.engine.now(),
                };
                self.errors.extend(zone.failures(&compiled, &wanted.tests));
            }
            Err(errors) => self.errors.extend(errors.0.into_iter().map(policy_field)),
        }
        if !self.errors.is_empty() {
            return Err(AdminError::Invalid(self.errors));
        }
        if let Some(bundle) = bundle {
            self.activate(version, bundle)?;
        }
        self.write_settings()?;
        if self.ordered && !self.change.is_empty() {
            self.change.touch_zone(self.view)?;
        }
        Ok(Finished {
            change: self.change,
            lines: self.lines,
            secrets: self.secrets,
        })
    }

    fn activate(&mut self, version: BundleVersion, set: PolicySet) -> Result<(), AdminError> {
        let zone: &Zone = &self.view.zone.value;
        if zone.policy.as_ref() == Some(&version) || (zone.policy.is_none() && set.is_empty()) {
            return Ok(());
        }
        let active = self.active_set();
        let before = ChangedObject::bundle(&active, &set);
        let after = ChangedObject::bundle(&set, &active);
        if !self.view.bundles.contains_key(&version) {
            let created_at = self.engine.now();
            let id = BundleId::new(created_at, &self.engine.random());
            let bundle = Bundle {
                id,
                version: version.clone(),
                created_at,
                policies: set.policies,
                tests: set.tests,
            };
            self.change
                .put(Kind::Bundle, id.uuid(), None, Version::ABSENT, &bundle)?;
        }
        let mut next = zone.clone();
        next.policy = Some(version.clone());
        next.retention = self.retention;
        next.self_approval = self.self_approval;
        let held = self.view.zone_version();
        self.change
            .put(Kind::Zone, zone.id.uuid(), Some(&zone.name), held, &next)?;
        let mut event = self
            .engine
            .admin_event(zone.id, self.admin, EventType::PolicyActivated);
        event.policy_version = Some(version.clone());
        self.change.events.push(event);
        self.line("activate", "bundle", version.as_str());
        self.detail(Some(before), Some(after));
        Ok(())
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
        self.ordered = true;
        let mut event = self
            .engine
            .admin_event(self.view.zone.value.id, self.admin, event);
        event.target = Some(id);
        event.target_name = Some(name.clone());
        self.change.events.push(event);
        self.line("delete", noun, name.as_str());
    }

    fn line(&mut self, action: &str, noun: &str, name: &str) {
        self.lines.push(AppliedChange::new(action, noun, name));
    }

    /// What the last line changes.
    fn detail(&mut self, before: Option<ChangedObject>, after: Option<ChangedObject>) {
        if let Some(line) = self.lines.last_mut() {
            line.before = before;
            line.after = after;
        }
    }
}

/// A checked plan.
pub(crate) struct Finished {
    pub(crate) change: Change,
    pub(crate) lines: Vec<AppliedChange>,
    pub(crate) secrets: BTreeMap<Name, String>,
}

/// What a policy asks for and nothing would hold to: a limit that does not limit is refused.
pub(crate) fn unenforced(policy: &caracal_policy::CompiledPolicy) -> Vec<FieldError> {
    let refuse = |(name, line): (&Name, usize)| {
        let field = format!("policies[{name}]:{line}");
        FieldError::new(field, "`@rate` is not enforced by this version")
            .hint("leave it out; limit the rate at the upstream")
    };
    policy.rated().map(refuse).collect()
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
