//! Sinks: places that are told of approvals. Secrets go in and never come out.

mod attempt;
mod deliver;
mod log;
mod message;
mod target;

use caracal_core::{Name, Role, Sink, SinkId, Version, ZoneId};
use caracal_crypto::SealContext;
use caracal_egress::Egress;

pub(crate) use target::{check_secret, check_url};

use crate::applications::check_name;
use crate::plan::{Plan, find_by_key};
use crate::view::{Stored, ZoneView};
use crate::{Admin, AdminError, Engine, Listing, SinkSpec, Versioned};

/// The most sinks of one zone.
pub const MAX_SINKS: usize = 16;

/// How messages leave.
#[derive(Clone)]
pub struct Outward {
    /// The guarded way out.
    pub egress: Egress,
    /// The public URL of the console, without a slash at the end.
    pub console_url: String,
}

/// What the seal of a sink's secret is bound to.
pub(crate) fn sink_context(zone: ZoneId, sink: &Sink) -> SealContext {
    SealContext::new(zone, &format!("sink:{}", sink.id)).with_hosts(&sink.hosts())
}

fn find<'v>(view: &'v ZoneView, key: &str) -> Option<&'v std::sync::Arc<Stored<Sink>>> {
    find_by_key(&view.sinks, SinkId::PREFIX, key)
}

impl Engine {
    /// Makes a sink.
    ///
    /// # Errors
    /// Needs the role admin; the name must be free.
    pub async fn create_sink(
        &self,
        zone: ZoneId,
        admin: &Admin,
        spec: SinkSpec,
    ) -> Result<Versioned<Sink>, AdminError> {
        admin.operator.require(Role::Admin, zone)?;
        self.write(zone, admin, |view| {
            if view.sinks.find(spec.name.as_str()).is_some() {
                return Err(AdminError::NameTaken(spec.name.to_string()));
            }
            let mut plan = Plan::new(self, admin, view);
            plan.put_sink(&spec)?;
            let created = plan
                .sinks()
                .find(spec.name.as_str())
                .map(|h| Versioned::of(h));
            let finished = plan.finish()?;
            let mut created = created.ok_or_else(|| AdminError::not_found("sink", &spec.name))?;
            created.version = Version(1);
            Ok((finished.change, created))
        })
        .await
    }

    /// Changes a sink.
    ///
    /// # Errors
    /// Needs the role admin; the name cannot change.
    pub async fn update_sink(
        &self,
        zone: ZoneId,
        admin: &Admin,
        key: &str,
        spec: SinkSpec,
    ) -> Result<Versioned<Sink>, AdminError> {
        admin.operator.require(Role::Admin, zone)?;
        self.write(zone, admin, |view| {
            let held = find(view, key).ok_or_else(|| AdminError::not_found("sink", key))?;
            admin.check_version(held.version)?;
            check_name(&held.value.name, &spec.name)?;
            let mut plan = Plan::new(self, admin, view);
            plan.put_sink(&spec)?;
            let updated = plan
                .sinks()
                .find(spec.name.as_str())
                .map(|h| Versioned::of(h));
            let finished = plan.finish()?;
            let updated = updated.ok_or_else(|| AdminError::not_found("sink", key))?;
            Ok((finished.change, updated))
        })
        .await
    }

    /// Removes a sink; what it was still to be told is not sent any more.
    ///
    /// # Errors
    /// Needs the role admin.
    pub async fn delete_sink(
        &self,
        zone: ZoneId,
        admin: &Admin,
        key: &str,
    ) -> Result<(), AdminError> {
        admin.operator.require(Role::Admin, zone)?;
        self.write(zone, admin, |view| {
            let held = find(view, key).ok_or_else(|| AdminError::not_found("sink", key))?;
            admin.check_version(held.version)?;
            let mut plan = Plan::new(self, admin, view);
            plan.delete_sink(held);
            Ok((plan.finish()?.change, ()))
        })
        .await
    }

    /// One sink by id or name.
    ///
    /// # Errors
    /// Needs the role viewer.
    pub fn get_sink(
        &self,
        zone: ZoneId,
        admin: &Admin,
        key: &str,
    ) -> Result<Versioned<Sink>, AdminError> {
        let view = self.readable(admin, zone)?;
        let held = find(&view, key).ok_or_else(|| AdminError::not_found("sink", key))?;
        Ok(Versioned::of(held))
    }

    /// Sinks ordered by name, after `after`.
    ///
    /// # Errors
    /// Needs the role viewer.
    pub fn list_sinks(
        &self,
        zone: ZoneId,
        admin: &Admin,
        after: Option<&Name>,
        limit: usize,
    ) -> Result<Listing<Sink>, AdminError> {
        let view = self.readable(admin, zone)?;
        Ok(Listing::of(&view.sinks, after, limit, |held| &held.name))
    }
}
