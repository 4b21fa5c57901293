//! Outside issuers: registering and changing them.

use caracal_core::{Issuer, IssuerId, Name, Role, Version, ZoneId};

use crate::applications::check_name;
use crate::plan::{Plan, find_by_key};
use crate::view::{Stored, ZoneView};
use crate::{Admin, AdminError, Engine, IssuerSpec, Listing, Versioned};

pub(crate) fn find<'v>(
    view: &'v ZoneView,
    key: &str,
) -> Option<&'v std::sync::Arc<Stored<Issuer>>> {
    find_by_key(&view.issuers, IssuerId::PREFIX, key)
}

impl Engine {
    /// Registers an outside issuer.
    ///
    /// # Errors
    /// Needs the role admin; the name must be free.
    pub async fn create_issuer(
        &self,
        zone: ZoneId,
        admin: &Admin,
        spec: IssuerSpec,
    ) -> Result<Versioned<Issuer>, AdminError> {
        admin.operator.require(Role::Admin, zone)?;
        self.write(zone, admin, |view| {
            if view.issuers.find(spec.name.as_str()).is_some() {
                return Err(AdminError::NameTaken(spec.name.to_string()));
            }
            let mut plan = Plan::new(self, admin, view);
            plan.put_issuer(&spec)?;
            let created = plan.issuers().find(spec.name.as_str());
            let created = created.map(|held| Versioned::of(held));
            let finished = plan.finish()?;
            let mut created = created.ok_or_else(|| AdminError::not_found("issuer", &spec.name))?;
            created.version = Version(1);
            Ok((finished.change, created))
        })
        .await
    }

    /// Changes an outside issuer.
    ///
    /// # Errors
    /// Needs the role admin; the name cannot change.
    pub async fn update_issuer(
        &self,
        zone: ZoneId,
        admin: &Admin,
        key: &str,
        spec: IssuerSpec,
    ) -> Result<Versioned<Issuer>, AdminError> {
        admin.operator.require(Role::Admin, zone)?;
        self.write(zone, admin, |view| {
            let held = find(view, key).ok_or_else(|| AdminError::not_found("issuer", key))?;
            admin.check_version(held.version)?;
            check_name(&held.value.name, &spec.name)?;
            let mut plan = Plan::new(self, admin, view);
            plan.put_issuer(&spec)?;
            let updated = plan.issuers().find(spec.name.as_str());
            let updated = updated.map(|held| Versioned::of(held));
            let finished = plan.finish()?;
            let updated = updated.ok_or_else(|| AdminError::not_found("issuer", key))?;
            Ok((finished.change, updated))
        })
        .await
    }

    /// Removes an outside issuer: its tokens prove nothing any more. What they have proved
    /// before stays: revoke the application or the Subject to end that.
    ///
    /// # Errors
    /// Needs the role admin; no application may name it any more.
    pub async fn delete_issuer(
        &self,
        zone: ZoneId,
        admin: &Admin,
        key: &str,
    ) -> Result<(), AdminError> {
        admin.operator.require(Role::Admin, zone)?;
        self.write(zone, admin, |view| {
            let held = find(view, key).ok_or_else(|| AdminError::not_found("issuer", key))?;
            admin.check_version(held.version)?;
            let mut plan = Plan::new(self, admin, view);
            plan.delete_issuer(held);
            Ok((plan.finish()?.change, ()))
        })
        .await
    }

    /// One outside issuer by id or name.
    ///
    /// # Errors
    /// Needs the role viewer.
    pub fn get_issuer(
        &self,
        zone: ZoneId,
        admin: &Admin,
        key: &str,
    ) -> Result<Versioned<Issuer>, AdminError> {
        let view = self.readable(admin, zone)?;
        let held = find(&view, key).ok_or_else(|| AdminError::not_found("issuer", key))?;
        Ok(Versioned::of(held))
    }

    /// Outside issuers ordered by name, after `after`.
    ///
    /// # Errors
    /// Needs the role viewer.
    pub fn list_issuers(
        &self,
        zone: ZoneId,
        admin: &Admin,
        after: Option<&Name>,
        limit: usize,
    ) -> Result<Listing<Issuer>, AdminError> {
        let view = self.readable(admin, zone)?;
        Ok(Listing::of(&view.issuers, after, limit, |held| &held.name))
    }
}
