//! A zone in memory: everything that a decision needs.
//!
//! A view is immutable; a commit makes the next one. Its maps are persistent, so that a
//! commit costs what it changes and never the size of the zone.

mod anchors;
mod answers;
mod apply;
mod approvals;
mod bundles;
mod counts;
mod delegations;
mod deliveries;
mod keys;
mod sessions;
mod table;

use std::sync::Arc;

use caracal_core::{
    Anchor, ApiToken, Application, BundleVersion, Issuer, LogKey, Name, Position, Provider,
    Resource, Revision, Revocation, Sink, Version, Zone,
};
use caracal_policy::{CompiledPolicy, Vocabulary};
use uuid::Uuid;

pub(crate) use apply::{Loader, document};
pub(crate) use bundles::{PolicyCache, StoredBundle, aside, version_of};
pub(crate) use keys::ZoneKeys;
pub(crate) use table::{Stored, Table};

use crate::ResourceEntry;

/// The remembered answer of a write.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub(crate) struct Remembered {
    pub(crate) input: String,
    pub(crate) answer: caracal_core::SealedSecret,
    pub(crate) created_at: jiff::Timestamp,
    /// Whom it makes room for: an application with all its sessions, or an operator.
    #[serde(default)]
    pub(crate) caller: String,
}

/// When the client secrets of an application were last used, as far as it was written down.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct SecretUse {
    pub(crate) used: std::collections::BTreeMap<caracal_core::ClientSecretId, jiff::Timestamp>,
}

/// One immutable view of a zone.
#[derive(Clone)]
pub(crate) struct ZoneView {
    pub(crate) position: Position,
    pub(crate) zone: Arc<Stored<Zone>>,
    pub(crate) keys: Arc<ZoneKeys>,
    pub(crate) applications: Table<Application>,
    pub(crate) resources: Table<Resource>,
    pub(crate) prepared: imbl::HashMap<Name, Arc<ResourceEntry>>,
    pub(crate) providers: Table<Provider>,
    pub(crate) sinks: Table<Sink>,
    pub(crate) deliveries: deliveries::Deliveries,
    pub(crate) tokens: Table<ApiToken>,
    pub(crate) issuers: Table<Issuer>,
    pub(crate) bundles: imbl::HashMap<BundleVersion, Arc<StoredBundle>>,
    pub(crate) revocations: imbl::HashMap<Uuid, Arc<Stored<Revocation>>>,
    pub(crate) anchors: anchors::Anchors,
    pub(crate) remembered: answers::Answers,
    /// By application.
    pub(crate) secret_uses: imbl::HashMap<Uuid, Arc<Stored<SecretUse>>>,
    pub(crate) sessions: sessions::Sessions,
    pub(crate) delegations: delegations::Delegations,
    pub(crate) approvals: approvals::Approvals,
    /// By what the budget is for.
    pub(crate) budgets: imbl::HashMap<Uuid, Arc<Stored<caracal_core::Budget>>>,
    /// The active policy, compiled; none when no bundle is active, or when it does not
    /// compile against this view (which activation prevents). Without one, deny.
    pub(crate) policy: Option<Arc<CompiledPolicy>>,
}

impl ZoneView {
    /// The names that policies may use.
    pub(crate) fn vocabulary(&self) -> Vocabulary {
        Vocabulary {
            applications: self
                .applications
                .iter()
                .map(|a| a.value.name.clone())
                .collect(),
            resources: self
                .resources
                .iter()
                .map(|r| (r.value.name.clone(), r.value.scopes.clone()))
                .collect(),
        }
    }

    /// The outside issuer whose tokens have this `iss`, or are of this trust domain.
    pub(crate) fn issuer_with(&self, url: &str) -> Option<&Arc<Stored<Issuer>>> {
        self.issuers.iter().find(|held| held.value.url == url)
    }

    /// The log that the zone writes to.
    pub(crate) fn log(&self) -> Option<&LogKey> {
        self.zone.value.logs.last()
    }

    /// True when an active revocation refuses new authority on this anchor.
    pub(crate) fn is_revoked(&self, anchor: Anchor) -> bool {
        self.revocations_of(anchor)
            .any(|r| r.value.lifted_after.is_none())
    }

    /// True when what was decided on `revision` is dead because of this anchor: it was revoked,
    /// or it is gone.
    pub(crate) fn ends(&self, anchor: Anchor, revision: Revision) -> bool {
        self.is_gone(anchor) || self.revokes(anchor, revision)
    }

    /// True when a revocation of this anchor ends what was decided on `revision`.
    pub(crate) fn revokes(&self, anchor: Anchor, revision: Revision) -> bool {
        self.revocations_of(anchor).any(|r| r.value.ends(revision))
    }

    /// True when the anchor is an object that the zone does not have (any more). A session that
    /// came with a mandate has none.
    pub(crate) fn is_gone(&self, anchor: Anchor) -> bool {
        match anchor {
            Anchor::Application(id) => self.applications.find_by_id(id.uuid()).is_none(),
            Anchor::Resource(id) => self.resources.find_by_id(id.uuid()).is_none(),
            Anchor::Provider(id) => self.providers.find_by_id(id.uuid()).is_none(),
            Anchor::Session(id) => self.sessions.find(id).is_none(),
            Anchor::Delegation(id) => self.delegations.find(id).is_none(),
            Anchor::Mandate(_) | Anchor::Subject(_) | Anchor::Zone(_) => false,
        }
    }

    pub(crate) fn revocations_of(
        &self,
        anchor: Anchor,
    ) -> impl Iterator<Item = &Arc<Stored<Revocation>>> {
        self.anchors
            .of(anchor)
            .filter_map(|id| self.revocations.get(id))
    }

    /// The version of the zone's own document.
    pub(crate) fn zone_version(&self) -> Version {
        self.zone.version
    }
}
