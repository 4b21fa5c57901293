//! Zones and tokens.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use caracal_core::{ApiToken, Retention, Zone};
use caracal_engine::{TreeState, Versioned};
use caracal_wire::{PrunedView, RetentionBody, TokenView, ZoneView};

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
        retention: zone.retention.map(retention_body),
        self_approval: zone.self_approval,
    }
}

pub(crate) fn retention_body(retention: Retention) -> RetentionBody {
    RetentionBody {
        events_days: Some(retention.events_days),
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

/// What stands for leaves that are not kept any more.
pub(crate) fn pruned_view(tree: &TreeState) -> PrunedView {
    PrunedView {
        size: tree.size,
        edge: tree.edge.iter().map(|hash| STANDARD.encode(hash)).collect(),
    }
}
