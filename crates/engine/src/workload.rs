//! Applications that prove themselves with tokens of outside issuers: service accounts of Kubernetes,
//! jobs of CI providers, JWT-SVIDs of SPIFFE.

use std::sync::Arc;

use caracal_core::{Application, ApplicationId, ClientAuth};
use caracal_crypto::UnverifiedToken;

use crate::vouched::{ShownFor, Vouched};
use crate::zone_handle::ZoneHandle;
use crate::{AssertionError, Engine};

impl Engine {
    /// The zone that a token is for, by its `aud`. Unchecked.
    pub(crate) fn zone_of_audience(&self, token: &UnverifiedToken<'_>) -> Option<Arc<ZoneHandle>> {
        let prefix = format!("{}/zones/", self.config().sts_url);
        token.audiences().iter().find_map(|aud| {
            let zone = aud.strip_prefix(&prefix)?.parse().ok()?;
            self.zone_handle(zone)
        })
    }

    /// The application that a token proves: the named one, or the only one whose conditions hold.
    pub(crate) async fn prove_workload(
        &self,
        handle: &ZoneHandle,
        unverified: &UnverifiedToken<'_>,
        named: Option<ApplicationId>,
    ) -> Result<ApplicationId, AssertionError> {
        let vouched = self
            .vouch(handle, unverified, ShownFor::Application)
            .await?;
        let found = find_application(&vouched, named)?;
        self.use_up(&vouched, found)?;
        Ok(found)
    }
}

fn find_application(
    vouched: &Vouched,
    named: Option<ApplicationId>,
) -> Result<ApplicationId, AssertionError> {
    let applications = &vouched.view.applications;
    let proves = |application: &Application| match &application.auth {
        ClientAuth::Workload(rule) => {
            rule.issuer == vouched.issuer.value.name && rule.matches(vouched.token.claims())
        }
        _ => false,
    };
    if let Some(id) = named {
        let held = applications.find_by_id(id.uuid());
        let held = held.filter(|held| proves(&held.value));
        return held.map(|_| id).ok_or(AssertionError::NoApplication);
    }
    let mut fitting = applications.iter().filter(|held| proves(&held.value));
    match (fitting.next(), fitting.next()) {
        (Some(only), None) => Ok(only.value.id),
        (None, _) => Err(AssertionError::NoApplication),
        (Some(_), Some(_)) => Err(AssertionError::Ambiguous),
    }
}
