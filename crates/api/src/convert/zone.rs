//! Zones and tokens.

use caracal_core::{ApiToken, Zone};
use caracal_engine::Versioned;
use caracal_wire::{TokenView, ZoneView};

pub(crate) fn zone_view(held: &Versioned<Zone>, frozen: bool) -> ZoneView {
    let zone = &held.value;
    ZoneView {
        id: zone.id.to_string(),
        name: zone.name.to_string(),
        version: held.version.0,
        created_at: zone.created_at,
        issuer: zone.issuer.clone(),
        policy_version: zone.policy.as_ref().map(ToString::to_string),
        frozen,
    }
}

pub(crate) fn token_view(token: &ApiToken) -> TokenView {
    TokenView {
        id: token.id.to_string(),
        name: token.name.to_string(),
        zone: token.zone.map(|zone| zone.to_string()),
        role: token.role.as_str().to_owned(),
        created_at: token.created_at,
        expires_at: token.expires_at,
    }
}
