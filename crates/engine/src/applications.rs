//! Applications: registering and changing them.

use caracal_core::{Application, ApplicationId, Name, Role, Version, ZoneId};
use serde::{Deserialize, Serialize};

use crate::plan::{Plan, find_by_key};
use crate::view::ZoneView;
use crate::{Admin, AdminError, ApplicationSpec, Engine, Listing, Versioned};

/// A new application with its client secret, which is shown this once.
#[derive(Clone, Serialize, Deserialize)]
pub struct CreatedApplication {
    /// The application.
    pub application: Versioned<Application>,
    /// The client secret; none on a dry run.
    pub client_secret: Option<String>,
}

impl std::fmt::Debug for CreatedApplication {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CreatedApplication")
            .field("application", &self.application)
            .finish_non_exhaustive()
    }
}

pub(crate) fn find<'v>(
    view: &'v ZoneView,
    key: &str,
) -> Option<&'v std::sync::Arc<crate::view::Stored<Application>>> {
    find_by_key(&view.applications, ApplicationId::PREFIX, key)
}

impl Engine {
    /// Registers an application.
    ///
    /// # Errors
    /// Needs the role admin; the name must be free.
    pub async fn create_application(
        &self,
        zone: ZoneId,
        admin: &Admin,
        spec: ApplicationSpec,
    ) -> Result<CreatedApplication, AdminError> {
        admin.operator.require(Role::Admin, zone)?;
        self.write(zone, admin, |view| {
            if view.applications.find(spec.name.as_str()).is_some() {
                return Err(AdminError::NameTaken(spec.name.to_string()));
            }
            let mut plan = Plan::new(self, admin, view);
            plan.put_application(&spec)?;
            let created = plan.applications().find(spec.name.as_str()).cloned();
            let finished = plan.finish()?;
            let created =
                created.ok_or_else(|| AdminError::not_found("application", &spec.name))?;
            let mut application = Versioned::of(&created);
            application.version = Version(1);
            let secret = finished
                .secrets
                .into_values()
                .next()
                .filter(|_| !admin.dry_run);
            Ok((
                finished.change,
                CreatedApplication {
                    application,
                    client_secret: secret,
                },
            ))
        })
        .await
    }

    /// Changes an application.
    ///
    /// # Errors
    /// Needs the role admin; the name cannot change.
    pub async fn update_application(
        &self,
        zone: ZoneId,
        admin: &Admin,
        key: &str,
        spec: ApplicationSpec,
    ) -> Result<Versioned<Application>, AdminError> {
        admin.operator.require(Role::Admin, zone)?;
        self.write(zone, admin, |view| {
            let held = find(view, key).ok_or_else(|| AdminError::not_found("application", key))?;
            admin.check_version(held.version)?;
            check_name(&held.value.name, &spec.name)?;
            let mut plan = Plan::new(self, admin, view);
            plan.put_application(&spec)?;
            let updated = plan
                .applications()
                .find(spec.name.as_str())
                .map(|a| Versioned::of(a));
            let finished = plan.finish()?;
            let updated = updated.ok_or_else(|| AdminError::not_found("application", key))?;
            Ok((finished.change, updated))
        })
        .await
    }

    /// Removes an application; its mandates die with it.
    ///
    /// # Errors
    /// Needs the role admin; no active policy may name it.
    pub async fn delete_application(
        &self,
        zone: ZoneId,
        admin: &Admin,
        key: &str,
    ) -> Result<(), AdminError> {
        admin.operator.require(Role::Admin, zone)?;
        self.write(zone, admin, |view| {
            let held = find(view, key).ok_or_else(|| AdminError::not_found("application", key))?;
            admin.check_version(held.version)?;
            let mut plan = Plan::new(self, admin, view);
            plan.delete_application(held);
            Ok((plan.finish()?.change, ()))
        })
        .await
    }

    /// One application by id or name.
    ///
    /// # Errors
    /// Needs the role viewer.
    pub fn get_application(
        &self,
        zone: ZoneId,
        admin: &Admin,
        key: &str,
    ) -> Result<Versioned<Application>, AdminError> {
        let view = self.readable(admin, zone)?;
        let held = find(&view, key).ok_or_else(|| AdminError::not_found("application", key))?;
        Ok(Versioned::of(held))
    }

    /// Applications ordered by name, after `after`.
    ///
    /// # Errors
    /// Needs the role viewer.
    pub fn list_applications(
        &self,
        zone: ZoneId,
        admin: &Admin,
        after: Option<&Name>,
        limit: usize,
    ) -> Result<Listing<Application>, AdminError> {
        let view = self.readable(admin, zone)?;
        Ok(Listing::of(&view.applications, after, limit, |a| &a.name))
    }
}

/// Names are immutable: policies and people rely on them.
pub(crate) fn check_name(held: &Name, wanted: &Name) -> Result<(), AdminError> {
    if held == wanted {
        Ok(())
    } else {
        Err(AdminError::invalid(
            "name",
            format!("the name `{held}` cannot be changed"),
        ))
    }
}
