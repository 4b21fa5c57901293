//! A zone as a file.

use caracal_core::{
    Application, Issuer, Name, PolicySet, Provider, Resource, Retention, Sink, ZoneId,
};

use crate::plan::Plan;
use crate::{Admin, AdminError, Engine};

/// What a zone file of this zone says, without secrets.
#[derive(Debug, Clone)]
pub struct ZoneExport {
    /// The zone's name.
    pub name: Name,
    /// The applications, by name.
    pub applications: Vec<Application>,
    /// The outside issuers, by name.
    pub issuers: Vec<Issuer>,
    /// The providers, by name.
    pub providers: Vec<Provider>,
    /// The resources, by name.
    pub resources: Vec<Resource>,
    /// The sinks, by name.
    pub sinks: Vec<Sink>,
    /// The active policies with their tests, by name.
    pub bundle: PolicySet,
    /// How long events are kept; none for ever.
    pub retention: Option<Retention>,
    /// Whether operators may decide about approvals of their own sessions.
    pub self_approval: bool,
}

impl Engine {
    /// The configuration of a zone, consistent at one revision.
    ///
    /// # Errors
    /// Needs the role viewer.
    pub fn export(&self, zone: ZoneId, admin: &Admin) -> Result<ZoneExport, AdminError> {
        let view = self.readable(admin, zone)?;
        Ok(ZoneExport {
            name: view.zone.value.name.clone(),
            applications: view.applications.iter().map(|a| a.value.clone()).collect(),
            issuers: view.issuers.iter().map(|i| i.value.clone()).collect(),
            providers: view.providers.iter().map(|p| p.value.clone()).collect(),
            resources: view.resources.iter().map(|r| r.value.clone()).collect(),
            sinks: view.sinks.iter().map(|s| s.value.clone()).collect(),
            bundle: Plan::new(self, admin, &view).active_set(),
            retention: view.zone.value.retention,
            self_approval: view.zone.value.self_approval,
        })
    }
}
