//! What a zone says about itself to anyone.

use caracal_core::ZoneId;

use crate::Engine;

/// The variable part of a zone's authorization server metadata (RFC 8414).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZoneMetadata {
    /// The issuer.
    pub issuer: String,
    /// Every scope that a resource declares, sorted.
    pub scopes: Vec<String>,
}

impl Engine {
    /// The metadata of a zone; the instance's own partition has none.
    pub fn zone_metadata(&self, zone: ZoneId) -> Option<ZoneMetadata> {
        let view = self
            .zone_handle(zone)
            .filter(|handle| handle.id != ZoneId::INSTANCE)?
            .view();
        let mut scopes: Vec<String> = view
            .resources
            .iter()
            .flat_map(|r| r.value.scopes.iter().map(ToString::to_string))
            .collect();
        scopes.sort();
        scopes.dedup();
        Some(ZoneMetadata {
            issuer: view.zone.value.issuer.clone(),
            scopes,
        })
    }

    /// The keys that verify a zone's mandates, as a JWK set (RFC 7517).
    pub fn jwks(&self, zone: ZoneId) -> Option<serde_json::Value> {
        let view = self
            .zone_handle(zone)
            .filter(|handle| handle.id != ZoneId::INSTANCE)?
            .view();
        let keys: Vec<_> = view.keys.public.iter().map(|(_, key)| key.jwk()).collect();
        Some(serde_json::json!({ "keys": keys }))
    }

    /// True when this is the issuer of one of the instance's zones.
    pub fn find_zone_issuer(&self, issuer: &str) -> bool {
        let zone = issuer
            .rsplit('/')
            .next()
            .and_then(|id| id.parse::<ZoneId>().ok());
        zone.and_then(|zone| self.zone_handle(zone))
            .is_some_and(|handle| handle.view().zone.value.issuer == issuer)
    }
}
