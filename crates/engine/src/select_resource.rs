//! Finding the resource that a mandate is used on.

use std::sync::Arc;

use caracal_core::{
    EventType, MandateClaims, Name, RefusalCode, Resource, ResourceIdentifier, ZoneId,
};

use crate::authorize_call::revoked;
use crate::chain::Chain;
use crate::proof::unproven;
use crate::verify::{OpenedMandate, is_for};
use crate::view::ZoneView;
use crate::{Engine, Refusal, ResourceEntry};

/// What a request says about where it wants to go.
#[derive(Debug, Clone, Default)]
pub struct Selector {
    /// The zone in the path.
    pub zone: Option<String>,
    /// The resource's name in the path.
    pub name: Option<String>,
    /// The value of `X-Caracal-Resource`.
    pub header: Option<String>,
}

/// A mandate with the resource that it is used on.
pub struct Target {
    pub(crate) opened: OpenedMandate,
    pub(crate) view: Arc<ZoneView>,
    pub(crate) entry: Arc<ResourceEntry>,
}

impl Target {
    /// The resource.
    pub fn entry(&self) -> &ResourceEntry {
        &self.entry
    }

    /// The zone.
    pub fn zone(&self) -> ZoneId {
        self.opened.handle.id
    }

    /// The application that the mandate was issued to.
    pub fn application(&self) -> caracal_core::ApplicationId {
        self.opened.claims().client_id
    }
}

impl Engine {
    /// Finds the resource that a mandate is used on.
    ///
    /// # Errors
    /// In this order: `resource_mismatch` when path, header and mandate contradict each other,
    /// `resource_unknown`, `resource_mismatch` when the mandate is not for the resource.
    pub async fn select_resource(
        &self,
        opened: OpenedMandate,
        selector: &Selector,
        request_id: &str,
    ) -> Result<Target, Refusal> {
        let view = opened.handle.view();
        // A dead mandate learns nothing about resources.
        let chain = Chain::of(opened.claims());
        let found = match chain.find_dead(&view, opened.decided_on) {
            Some(anchor) => Err(revoked(&opened, anchor)),
            None if opened.is_unproven() => Err(unproven()),
            None => self
                .find_target(&opened, &view, selector)
                .map_err(|(code, why)| Refusal::new(code, why))
                .and_then(|entry| bound_enough(&opened, entry)),
        };
        match found {
            Ok(entry) => Ok(Target {
                opened,
                view,
                entry,
            }),
            Err(refusal) => {
                let identifier = selector
                    .name
                    .as_deref()
                    .and_then(|name| name.parse::<Name>().ok())
                    .map(ResourceIdentifier::new);
                let mut event = self.call_event(&opened, EventType::CallDenied, request_id);
                event.resource = identifier;
                // Boxed, so that those who are let through do not carry its weight.
                Err(Box::pin(self.refuse(&opened, event, refusal)).await)
            }
        }
    }

    fn find_target(
        &self,
        opened: &OpenedMandate,
        view: &ZoneView,
        selector: &Selector,
    ) -> Result<Arc<ResourceEntry>, (RefusalCode, String)> {
        let claims = opened.claims();
        if selector
            .zone
            .as_ref()
            .is_some_and(|zone| *zone != claims.zone.to_string())
        {
            let why = "the zone in the path is not the mandate's".to_owned();
            return Err((RefusalCode::ResourceMismatch, why));
        }
        let header = selector.header.as_deref().map(|text| {
            let identifier = text.parse::<ResourceIdentifier>().ok();
            identifier.map(|identifier| identifier.name().to_string())
        });
        let name = match (&selector.name, header) {
            (Some(path), Some(header)) if header.as_ref() != Some(path) => {
                let why = "the path and `X-Caracal-Resource` name different resources".to_owned();
                return Err((RefusalCode::ResourceMismatch, why));
            }
            (Some(path), _) => path.clone(),
            (None, Some(Some(header))) => header,
            (None, Some(None)) => {
                let why = "`X-Caracal-Resource` is not of the form `resource://name`".to_owned();
                return Err((RefusalCode::ResourceUnknown, why));
            }
            (None, None) => only_resource(&claims.aud).ok_or_else(|| {
                let why = "the request does not say which resource it is for".to_owned();
                (RefusalCode::ResourceMissing, why)
            })?,
        };
        let entry = view.prepared.get(name.as_str()).ok_or_else(|| {
            let shown: String = name.chars().filter(|c| !c.is_control()).take(80).collect();
            (
                RefusalCode::ResourceUnknown,
                format!("no resource `{shown}` in this zone"),
            )
        })?;
        named_in(claims, entry.resource())?;
        Ok(Arc::clone(entry))
    }
}

/// Lets a mandate through only on the resources that it names.
pub(crate) fn named_in(
    claims: &MandateClaims,
    resource: &Resource,
) -> Result<(), (RefusalCode, String)> {
    let identifier = resource.identifier().to_string();
    if is_for(claims, resource) && claims.aud.contains(&identifier) {
        return Ok(());
    }
    let why = format!("the mandate is not for `{identifier}`");
    Err((RefusalCode::ResourceMismatch, why))
}

/// Lets a bearer mandate through only where the resource takes one. Looked at on each call: the
/// resource may ask for a bound one only since the mandate was issued.
pub(crate) fn bound_enough(
    opened: &OpenedMandate,
    entry: Arc<ResourceEntry>,
) -> Result<Arc<ResourceEntry>, Refusal> {
    if !entry.resource().requires_dpop || opened.claims().cnf.is_some() {
        return Ok(entry);
    }
    let identifier = entry.resource().identifier();
    let why = format!("`{identifier}` takes only mandates that are bound to a key");
    Err(Refusal::new(RefusalCode::ProofInvalid, why)
        .hint("ask the token endpoint for a bound mandate with a `DPoP` header"))
}

/// The name of the resource of a mandate for exactly one.
fn only_resource(audiences: &[String]) -> Option<String> {
    let mut names = audiences
        .iter()
        .filter_map(|aud| aud.strip_prefix("resource://"));
    match (names.next(), names.next()) {
        (Some(only), None) => Some(only.to_owned()),
        _ => None,
    }
}
