//! Providers: connecting and changing them. Secrets go in and never come out.

use caracal_core::{Name, Provider, ProviderId, Role, Version, ZoneId};

use crate::applications::check_name;
use crate::plan::{Plan, find_by_key};
use crate::view::{Stored, ZoneView};
use crate::{Admin, AdminError, Engine, Listing, ProviderSpec, Versioned};

fn find<'v>(view: &'v ZoneView, key: &str) -> Option<&'v std::sync::Arc<Stored<Provider>>> {
    find_by_key(&view.providers, ProviderId::PREFIX, key)
}

impl Engine {
    /// Connects a provider.
    ///
    /// # Errors
    /// Needs the role admin; the name must be free.
    pub async fn create_provider(
        &self,
        zone: ZoneId,
        admin: &Admin,
        spec: ProviderSpec,
    ) -> Result<Versioned<Provider>, AdminError> {
        admin.operator.require(Role::Admin, zone)?;
        self.write(zone, admin, |view| {
            if view.providers.find(spec.name.as_str()).is_some() {
                return Err(AdminError::NameTaken(spec.name.to_string()));
            }
            let mut plan = Plan::new(self, admin, view);
            plan.put_provider(&spec)?;
            let created = plan
                .providers()
                .find(spec.name.as_str())
                .map(|held| Versioned::of(held));
            let finished = plan.finish()?;
            let mut created =
                created.ok_or_else(|| AdminError::not_found("provider", &spec.name))?;
            created.version = Version(1);
            Ok((finished.change, created))
        })
        .await
    }

    /// Changes a provider.
    ///
    /// # Errors
    /// Needs the role admin; the name cannot change.
    pub async fn update_provider(
        &self,
        zone: ZoneId,
        admin: &Admin,
        key: &str,
        spec: ProviderSpec,
    ) -> Result<Versioned<Provider>, AdminError> {
        admin.operator.require(Role::Admin, zone)?;
        self.write(zone, admin, |view| {
            let held = find(view, key).ok_or_else(|| AdminError::not_found("provider", key))?;
            admin.check_version(held.version)?;
            check_name(&held.value.name, &spec.name)?;
            let mut plan = Plan::new(self, admin, view);
            plan.put_provider(&spec)?;
            let updated = plan
                .providers()
                .find(spec.name.as_str())
                .map(|held| Versioned::of(held));
            let finished = plan.finish()?;
            let updated = updated.ok_or_else(|| AdminError::not_found("provider", key))?;
            Ok((finished.change, updated))
        })
        .await
    }

    /// Removes a provider.
    ///
    /// # Errors
    /// Needs the role admin; nothing may name it any more.
    pub async fn delete_provider(
        &self,
        zone: ZoneId,
        admin: &Admin,
        key: &str,
    ) -> Result<(), AdminError> {
        admin.operator.require(Role::Admin, zone)?;
        self.write(zone, admin, |view| {
            let held = find(view, key).ok_or_else(|| AdminError::not_found("provider", key))?;
            admin.check_version(held.version)?;
            let mut plan = Plan::new(self, admin, view);
            plan.delete_provider(held);
            Ok((plan.finish()?.change, ()))
        })
        .await
    }

    /// One provider by id or name.
    ///
    /// # Errors
    /// Needs the role viewer.
    pub fn get_provider(
        &self,
        zone: ZoneId,
        admin: &Admin,
        key: &str,
    ) -> Result<Versioned<Provider>, AdminError> {
        let view = self.readable(admin, zone)?;
        let held = find(&view, key).ok_or_else(|| AdminError::not_found("provider", key))?;
        Ok(Versioned::of(held))
    }

    /// Providers ordered by name, after `after`.
    ///
    /// # Errors
    /// Needs the role viewer.
    pub fn list_providers(
        &self,
        zone: ZoneId,
        admin: &Admin,
        after: Option<&Name>,
        limit: usize,
    ) -> Result<Listing<Provider>, AdminError> {
        let view = self.readable(admin, zone)?;
        Ok(Listing::of(&view.providers, after, limit, |held| {
            &held.name
        }))
    }
}
