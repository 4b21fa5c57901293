//! From documents to a view, and from one view to the next.

use std::sync::Arc;

use caracal_core::{
    Application, Bundle, Document, Kind, Name, Position, Provider, Resource, Revocation, Version,
    Zone,
};
use caracal_crypto::Keyring;
use caracal_store::{CommitRecord, Snapshot, Write};
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::{PolicyCache, Remembered, SecretUse, Stored, StoredBundle, Table, ZoneKeys, ZoneView};
use crate::{ResourceEntry, StartError};

/// Builds views. Holds what that needs besides documents.
pub(crate) struct Loader {
    pub(crate) keyring: arc_swap::ArcSwap<Keyring>,
    pub(crate) policies: Arc<PolicyCache>,
}

impl Loader {
    /// The view of a snapshot; none when the zone has no zone document (it was deleted).
    pub(crate) fn load(&self, snapshot: Snapshot) -> Result<Option<ZoneView>, StartError> {
        let Some(document) = snapshot.documents.iter().find(|d| d.kind == Kind::Zone) else {
            return Ok(None);
        };
        let mut view = self.start(document, snapshot.position)?;
        for document in &snapshot.documents {
            if document.kind != Kind::Zone {
                self.put(&mut view, document)?;
            }
        }
        self.compile(&mut view);
        Ok(Some(view))
    }

    /// A view with only a zone document.
    pub(crate) fn start(
        &self,
        document: &Document,
        position: Position,
    ) -> Result<ZoneView, StartError> {
        let zone: Zone = parse(document)?;
        let keys = Arc::new(ZoneKeys::open(&zone, &self.keyring.load())?);
        Ok(ZoneView {
            position,
            zone: Arc::new(Stored {
                version: document.version,
                value: zone,
            }),
            keys,
            applications: Table::default(),
            resources: Table::default(),
            prepared: imbl::HashMap::new(),
            providers: Table::default(),
            sinks: Table::default(),
            deliveries: super::deliveries::Deliveries::default(),
            tokens: Table::default(),
            issuers: Table::default(),
            bundles: imbl::HashMap::new(),
            revocations: imbl::HashMap::new(),
            anchors: super::anchors::Anchors::default(),
            remembered: super::answers::Answers::default(),
            secret_uses: imbl::HashMap::new(),
            sessions: super::sessions::Sessions::default(),
            delegations: super::delegations::Delegations::default(),
            approvals: super::approvals::Approvals::default(),
            budgets: imbl::HashMap::new(),
            policy: None,
        })
    }

    /// The view after a commit.
    pub(crate) fn next(
        &self,
        view: &ZoneView,
        record: &CommitRecord,
    ) -> Result<ZoneView, StartError> {
        let mut next = view.clone();
        // Policies that did not compile may do so with another name.
        let mut policy_changed = view.policy.is_none();
        for write in &record.writes {
            policy_changed |= touches_policy(view, write);
            match write {
                Write::Put(document) => self.put(&mut next, document)?,
                Write::Delete { kind, id, .. } => remove(&mut next, *kind, *id),
            }
        }
        next.position = record.position;
        if policy_changed {
            self.compile(&mut next);
        }
        Ok(next)
    }

    fn put(&self, view: &mut ZoneView, document: &Document) -> Result<(), StartError> {
        let version = document.version;
        match document.kind {
            Kind::Zone => {
                let zone: Zone = parse(document)?;
                view.keys = Arc::new(ZoneKeys::open(&zone, &self.keyring.load())?);
                view.zone = Arc::new(Stored {
                    version,
                    value: zone,
                });
            }
            Kind::Application => {
                let value: Application = parse(document)?;
                let name = value.name.clone();
                view.applications
                    .insert(document.id, name, Stored { version, value });
            }
            Kind::Resource => {
                let value: Resource = parse(document)?;
                let name = value.name.clone();
                let entry = ResourceEntry::prepare(value.clone(), version)
                    .map_err(|e| StartError::Damaged(e.message))?;
                view.prepared.insert(name.clone(), Arc::new(entry));
                view.resources
                    .insert(document.id, name, Stored { version, value });
            }
            Kind::Provider => {
                let value: Provider = parse(document)?;
                let name = value.name.clone();
                view.providers
                    .insert(document.id, name, Stored { version, value });
            }
            Kind::Token => {
                let value: caracal_core::ApiToken = parse(document)?;
                let name = value.name.clone();
                view.tokens
                    .insert(document.id, name, Stored { version, value });
            }
            Kind::Issuer => {
                let value: caracal_core::Issuer = parse(document)?;
                let name = value.name.clone();
                view.issuers
                    .insert(document.id, name, Stored { version, value });
            }
            Kind::Bundle => {
                let bundle: Bundle = parse(document)?;
                let key = bundle.version.clone();
                view.bundles
                    .insert(key, Arc::new(StoredBundle { version, bundle }));
            }
            Kind::Revocation => {
                let value: Revocation = parse(document)?;
                if !view.revocations.contains_key(&document.id) {
                    view.anchors.add(value.anchor, document.id);
                }
                view.revocations
                    .insert(document.id, Arc::new(Stored { version, value }));
            }
            Kind::Idempotency => {
                let value: Remembered = parse(document)?;
                view.remembered
                    .insert(document.id, Stored { version, value });
            }
            Kind::SecretUse => {
                let value: SecretUse = parse(document)?;
                view.secret_uses
                    .insert(document.id, Arc::new(Stored { version, value }));
            }
            Kind::Session => {
                let value = parse(document)?;
                view.sessions.insert(Stored { version, value });
            }
            Kind::Delegation => {
                let value = parse(document)?;
                view.delegations.insert(Stored { version, value });
            }
            Kind::Approval => {
                let value = parse(document)?;
                view.approvals.insert(Stored { version, value });
            }
            Kind::Sink => {
                let value: caracal_core::Sink = parse(document)?;
                let name = value.name.clone();
                view.sinks
                    .insert(document.id, name, Stored { version, value });
            }
            Kind::Delivery => {
                let value = parse(document)?;
                view.deliveries.insert(Stored { version, value });
            }
            Kind::Budget => {
                let value = parse(document)?;
                view.budgets
                    .insert(document.id, Arc::new(Stored { version, value }));
            }
        }
        Ok(())
    }

    /// A bundle is activated only if it compiles, and nothing that it names can go while it
    /// is active. If it does not compile all the same, every request is denied.
    fn compile(&self, view: &mut ZoneView) {
        view.policy = view.zone.value.policy.as_ref().and_then(|version| {
            let stored = view.bundles.get(version)?;
            match self.policies.compile(version, &stored.bundle.policies, &view.vocabulary()) {
                Ok(compiled) => Some(compiled),
                Err(errors) => {
                    tracing::error!(zone = %view.zone.value.name, %errors, "the active policy does not compile; every request is denied");
                    None
                }
            }
        });
    }
}

/// False for what changes nothing about policies that compile: one more application takes no name
/// away, and to look at all of them would cost more than the rest of the commit.
fn touches_policy(view: &ZoneView, write: &Write) -> bool {
    match write {
        Write::Put(document) => match document.kind {
            Kind::Application => view.applications.find_by_id(document.id).is_some(),
            kind => matches!(kind, Kind::Zone | Kind::Resource | Kind::Bundle),
        },
        Write::Delete { kind, .. } => matches!(
            kind,
            Kind::Zone | Kind::Application | Kind::Resource | Kind::Bundle
        ),
    }
}

fn remove(view: &mut ZoneView, kind: Kind, id: Uuid) {
    match kind {
        // Zones are frozen, never deleted: their logs must stay verifiable.
        Kind::Zone => {}
        Kind::Application => view.applications.remove(id),
        Kind::Resource => {
            if let Some(name) = view.resources.find_by_id(id).map(|r| r.value.name.clone()) {
                view.prepared.remove::<Name>(&name);
            }
            view.resources.remove(id);
        }
        Kind::Provider => view.providers.remove(id),
        Kind::Token => view.tokens.remove(id),
        Kind::Issuer => view.issuers.remove(id),
        Kind::Bundle => {
            let version = view
                .bundles
                .values()
                .find(|b| b.bundle.id.uuid() == id)
                .map(|b| b.bundle.version.clone());
            if let Some(version) = version {
                view.bundles.remove(&version);
            }
        }
        Kind::Revocation => {
            if let Some(stored) = view.revocations.remove(&id) {
                view.anchors.remove(stored.value.anchor, id);
            }
        }
        Kind::Idempotency => {
            view.remembered.remove(id);
        }
        Kind::SecretUse => {
            view.secret_uses.remove(&id);
        }
        Kind::Session => view.sessions.remove(id),
        Kind::Delegation => view.delegations.remove(id),
        Kind::Approval => view.approvals.remove(id),
        Kind::Sink => view.sinks.remove(id),
        Kind::Delivery => view.deliveries.remove(id),
        Kind::Budget => {
            view.budgets.remove(&id);
        }
    }
}

fn parse<T: DeserializeOwned>(document: &Document) -> Result<T, StartError> {
    serde_json::from_str(&document.body).map_err(|error| {
        StartError::Damaged(format!(
            "{} `{}`: {error}",
            document.kind.as_str(),
            document.id
        ))
    })
}

/// The document of an object.
pub(crate) fn document<T: serde::Serialize>(
    zone: caracal_core::ZoneId,
    kind: Kind,
    id: Uuid,
    name: Option<&Name>,
    version: Version,
    value: &T,
) -> Result<Document, crate::AdminError> {
    let body = serde_json::to_string(value).map_err(|error| crate::AdminError::Unavailable {
        why: format!("cannot write the object: {error}"),
        done: false,
    })?;
    Ok(Document {
        zone,
        kind,
        id,
        name: name.cloned(),
        version,
        body: body.into(),
    })
}
