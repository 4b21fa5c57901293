//! Policies: checking, storing and activating bundles.

use caracal_core::{
    Bundle, BundleId, BundleVersion, EventType, Kind, Name, PolicySet, PolicySource, Role,
    SessionId, Version, Zone, ZoneId,
};
use caracal_policy::{Explanation, Phase, Question, RequestView};

use crate::change::Change;
use crate::plan::{Plan, policy_field, unenforced};
use crate::policy_tests::{TestZone, check_tests};
use crate::view::version_of;
use crate::{Admin, AdminError, Engine, Versioned};

/// "Can this application do that?"
#[derive(Debug, Clone)]
pub struct ExplainRequest {
    /// The application's name.
    pub application: Name,
    /// The resource's name.
    pub resource: Name,
    /// The scope, or `caracal:lend`.
    pub scope: String,
    /// The request of the second phase; without it the first phase is asked.
    pub request: Option<ExplainedRequest>,
}

/// The request of a call that is only asked about.
#[derive(Debug, Clone)]
pub struct ExplainedRequest {
    /// The HTTP method.
    pub method: String,
    /// The path that would be sent upstream.
    pub path: String,
    /// Decoded `name=value` pairs.
    pub query: Vec<String>,
}

impl Engine {
    /// The active bundle's version and policies.
    ///
    /// # Errors
    /// Needs the role viewer.
    pub fn list_policies(
        &self,
        zone: ZoneId,
        admin: &Admin,
    ) -> Result<(Option<BundleVersion>, Vec<PolicySource>), AdminError> {
        let view = self.readable(admin, zone)?;
        let active = Plan::new(self, admin, &view).active_set();
        Ok((view.zone.value.policy.clone(), active.policies))
    }

    /// Compiles policies against the zone and runs their tests, without storing them.
    ///
    /// # Errors
    /// Needs the role viewer. Every mistake is named, as `policies[NAME]:LINE:COLUMN`, and every
    /// test that fails, as `tests[NAME]`.
    pub fn check_policies(
        &self,
        zone: ZoneId,
        admin: &Admin,
        set: impl Into<PolicySet>,
    ) -> Result<BundleVersion, AdminError> {
        let view = self.readable(admin, zone)?;
        self.check_bundle(&view, set.into())
            .map(|(version, _)| version)
    }

    fn check_bundle(
        &self,
        view: &crate::view::ZoneView,
        set: PolicySet,
    ) -> Result<(BundleVersion, PolicySet), AdminError> {
        let set = set.sorted();
        check_tests(&set.tests)?;
        let version = version_of(&set);
        let compiled = self
            .policies()
            .check(&set.policies, &view.vocabulary())
            .map_err(|errors| {
                AdminError::Invalid(errors.0.into_iter().map(policy_field).collect())
            })?;
        let mut errors = unenforced(&compiled);
        let zone = TestZone {
            applications: &view.applications,
            resources: &view.resources,
            now: self.now(),
        };
        errors.extend(zone.failures(&compiled, &set.tests));
        if errors.is_empty() {
            Ok((version, set))
        } else {
            Err(AdminError::Invalid(errors))
        }
    }

    /// Stores a checked bundle; it does nothing until it is activated.
    ///
    /// # Errors
    /// Needs the role admin; the policies must compile, and their tests pass.
    pub async fn store_bundle(
        &self,
        zone: ZoneId,
        admin: &Admin,
        set: impl Into<PolicySet>,
    ) -> Result<Versioned<Bundle>, AdminError> {
        admin.operator.require(Role::Admin, zone)?;
        let set = set.into();
        self.write(zone, admin, |view| {
            let (version, set) = self.check_bundle(view, set.clone())?;
            let mut change = Change::of_configuration(view);
            if let Some(held) = view.bundles.get(&version) {
                let bundle = Versioned {
                    version: held.version,
                    value: held.bundle.clone(),
                };
                return Ok((change, bundle));
            }
            let created_at = self.now();
            let id = BundleId::new(created_at, &self.random());
            let bundle = Bundle {
                id,
                version,
                created_at,
                policies: set.policies,
                tests: set.tests,
            };
            change.put(Kind::Bundle, id.uuid(), None, Version::ABSENT, &bundle)?;
            // Two that store the same policies at once must not make two bundles of them.
            change.touch_zone(view)?;
            let mut event = self.admin_event(zone, admin, EventType::BundleStored);
            event.target = Some(id.to_string());
            event.policy_version = Some(bundle.version.clone());
            change.events.push(event);
            Ok((
                change,
                Versioned {
                    version: Version(1),
                    value: bundle,
                },
            ))
        })
        .await
    }

    /// The bundles of a zone, newest first.
    ///
    /// # Errors
    /// Needs the role viewer.
    pub fn list_bundles(
        &self,
        zone: ZoneId,
        admin: &Admin,
    ) -> Result<Vec<Versioned<Bundle>>, AdminError> {
        let view = self.readable(admin, zone)?;
        let mut all: Vec<_> = view
            .bundles
            .values()
            .map(|held| Versioned {
                version: held.version,
                value: held.bundle.clone(),
            })
            .collect();
        all.sort_by_key(|held| std::cmp::Reverse(held.value.id));
        Ok(all)
    }

    /// One bundle by its version, or by a prefix of it that no other bundle has (at least 8
    /// characters).
    ///
    /// # Errors
    /// Needs the role viewer.
    pub fn get_bundle(
        &self,
        zone: ZoneId,
        admin: &Admin,
        version: &str,
    ) -> Result<Versioned<Bundle>, AdminError> {
        let view = self.readable(admin, zone)?;
        let missing = || AdminError::not_found("bundle", version);
        let mut matching = view.bundles.values().filter(|held| {
            let own = held.bundle.version.as_str();
            own == version || (version.len() >= 8 && own.starts_with(version))
        });
        let held = matching.next().ok_or_else(missing)?;
        if matching.next().is_some() {
            return Err(AdminError::invalid(
                "version",
                "several bundles begin like this",
            ));
        }
        Ok(Versioned {
            version: held.version,
            value: held.bundle.clone(),
        })
    }

    /// Activates a stored bundle; activating an older one rolls back. Checked against the zone
    /// as it is now.
    ///
    /// # Errors
    /// Needs the role admin; the bundle must compile, and its tests pass.
    pub async fn activate_bundle(
        &self,
        zone: ZoneId,
        admin: &Admin,
        version: &str,
    ) -> Result<Versioned<Zone>, AdminError> {
        admin.operator.require(Role::Admin, zone)?;
        let bundle = self.get_bundle(zone, admin, version)?;
        self.write(zone, admin, |view| {
            admin.check_version(view.zone_version())?;
            let mut plan = Plan::new(self, admin, view);
            plan.set_bundle(bundle.value.set());
            let finished = plan.finish()?;
            let changed = !finished.change.is_empty();
            let version = if changed {
                view.zone_version().next()
            } else {
                view.zone_version()
            };
            let mut value = view.zone.value.clone();
            value.policy = Some(bundle.value.version.clone());
            Ok((finished.change, Versioned { version, value }))
        })
        .await
    }

    /// What every policy says to a question, and why.
    ///
    /// # Errors
    /// Needs the role viewer; application and resource must exist, and a policy be active.
    pub fn explain_decision(
        &self,
        zone: ZoneId,
        admin: &Admin,
        asked: &ExplainRequest,
    ) -> Result<Explanation, AdminError> {
        let view = self.readable(admin, zone)?;
        view.applications
            .find(asked.application.as_str())
            .ok_or_else(|| AdminError::not_found("application", &asked.application))?;
        let entry = view
            .prepared
            .get(&asked.resource)
            .ok_or_else(|| AdminError::not_found("resource", &asked.resource))?;
        let policy = view
            .policy
            .as_ref()
            .ok_or_else(|| AdminError::not_found("policy", "(none is active)"))?;
        let host = entry.host();
        let phase = if asked.request.is_some() {
            Phase::Call
        } else {
            Phase::Mint
        };
        let request = asked.request.as_ref().map(|request| RequestView {
            method: &request.method,
            path: &request.path,
            host,
            query: &request.query,
            tool: None,
            arguments: None,
        });
        Ok(policy.explain(&Question {
            phase,
            application: &asked.application,
            session: SessionId::from_uuid(uuid::Uuid::nil()),
            labels: &std::collections::BTreeSet::new(),
            depth: 0,
            subject: None,
            action: &asked.scope,
            resource: &entry.resource().identifier(),
            now: self.now(),
            actor: None,
            delegation: None,
            enforcement: entry.resource().enforcement_at_mint(),
            request,
            approval: None,
        }))
    }
}
