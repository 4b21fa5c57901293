//! Resources: registering and changing them.

use caracal_core::{Name, Resource, ResourceId, Role, Version, ZoneId};

use crate::applications::check_name;
use crate::plan::{Plan, find_by_key};
use crate::view::{Stored, ZoneView};
use crate::{Admin, AdminError, Engine, Listing, ResourceSpec, Versioned};

fn find<'v>(view: &'v ZoneView, key: &str) -> Option<&'v std::sync::Arc<Stored<Resource>>> {
    find_by_key(&view.resources, ResourceId::PREFIX, key)
}

impl Engine {
    /// Registers a resource.
    ///
    /// # Errors
    /// Needs the role admin; the name must be free.
    pub async fn create_resource(
        &self,
        zone: ZoneId,
        admin: &Admin,
        spec: ResourceSpec,
    ) -> Result<Versioned<Resource>, AdminError> {
        admin.operator.require(Role::Admin, zone)?;
        self.write(zone, admin, |view| {
            if view.resources.find(spec.name.as_str()).is_some() {
                return Err(AdminError::NameTaken(spec.name.to_string()));
            }
            let mut plan = Plan::new(self, admin, view);
            plan.put_resource(&spec)?;
            let created = plan
                .resources()
                .find(spec.name.as_str())
                .map(|held| Versioned::of(held));
            let finished = plan.finish()?;
            let mut created =
                created.ok_or_else(|| AdminError::not_found("resource", &spec.name))?;
            created.version = Version(1);
            Ok((finished.change, created))
        })
        .await
    }

    /// Changes a resource.
    ///
    /// # Errors
    /// Needs the role admin; the name cannot change.
    pub async fn update_resource(
        &self,
        zone: ZoneId,
        admin: &Admin,
        key: &str,
        spec: ResourceSpec,
    ) -> Result<Versioned<Resource>, AdminError> {
        admin.operator.require(Role::Admin, zone)?;
        self.write(zone, admin, |view| {
            let held = find(view, key).ok_or_else(|| AdminError::not_found("resource", key))?;
            admin.check_version(held.version)?;
            check_name(&held.value.name, &spec.name)?;
            let mut plan = Plan::new(self, admin, view);
            plan.put_resource(&spec)?;
            let updated = plan
                .resources()
                .find(spec.name.as_str())
                .map(|held| Versioned::of(held));
            let finished = plan.finish()?;
            let updated = updated.ok_or_else(|| AdminError::not_found("resource", key))?;
            Ok((finished.change, updated))
        })
        .await
    }

    /// Removes a resource.
    ///
    /// # Errors
    /// Needs the role admin; nothing may name it any more.
    pub async fn delete_resource(
        &self,
        zone: ZoneId,
        admin: &Admin,
        key: &str,
    ) -> Result<(), AdminError> {
        admin.operator.require(Role::Admin, zone)?;
        self.write(zone, admin, |view| {
            let held = find(view, key).ok_or_else(|| AdminError::not_found("resource", key))?;
            admin.check_version(held.version)?;
            let mut plan = Plan::new(self, admin, view);
            plan.delete_resource(held);
            Ok((plan.finish()?.change, ()))
        })
        .await
    }

    /// One resource by id or name.
    ///
    /// # Errors
    /// Needs the role viewer.
    pub fn get_resource(
        &self,
        zone: ZoneId,
        admin: &Admin,
        key: &str,
    ) -> Result<Versioned<Resource>, AdminError> {
        let view = self.readable(admin, zone)?;
        let held = find(&view, key).ok_or_else(|| AdminError::not_found("resource", key))?;
        Ok(Versioned::of(held))
    }

    /// Resources ordered by name, after `after`.
    ///
    /// # Errors
    /// Needs the role viewer.
    pub fn list_resources(
        &self,
        zone: ZoneId,
        admin: &Admin,
        after: Option<&Name>,
        limit: usize,
    ) -> Result<Listing<Resource>, AdminError> {
        let view = self.readable(admin, zone)?;
        Ok(Listing::of(&view.resources, after, limit, |held| {
            &held.name
        }))
    }
}
