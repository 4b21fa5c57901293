//! What a restored store becomes before anybody serves it: a history of its own, in which
//! nothing counts that was issued before.

use caracal_core::{
    Anchor, ApiToken, BackupId, CommitId, Document, Event, EventId, EventType, Kind, LogId, Name,
    NodeId, Position, Revocation, RevocationId, Version, Zone, ZoneId,
};
use caracal_crypto::{Keyring, LogSigner};
use caracal_ledger::LeafDraft;
use caracal_store::{Commit, Snapshot, StateStore, Write};
use jiff::Timestamp;
use serde::de::DeserializeOwned;

use crate::log::host_of;
use crate::view::{ZoneKeys, document};
use crate::{AdminError, StartError, new_keys};

/// A store that was just restored and that nobody serves.
pub struct Restore<'a> {
    /// Its state. It has a new epoch already, so that old positions are none of its own.
    pub state: &'a dyn StateStore,
    /// The master key.
    pub keyring: &'a Keyring,
    /// The process that restores.
    pub node: NodeId,
    /// The time, in whole milliseconds.
    pub now: Timestamp,
    /// The backup.
    pub backup: BackupId,
    /// When it was taken.
    pub taken_at: Timestamp,
    /// True: every zone stays frozen until somebody thaws it.
    pub freeze: bool,
}

/// What became of a zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoredZone {
    /// The zone; the instance's partition too.
    pub id: ZoneId,
    /// Its name.
    pub name: Name,
    /// Where it stood in the backup, but with the new epoch.
    pub position: Position,
    /// The log that goes on in place of the one in the backup.
    pub log: LogId,
    /// The API tokens that ended, by name.
    pub ended_tokens: Vec<Name>,
    /// True when it is frozen now.
    pub frozen: bool,
}

impl Restore<'_> {
    /// Opens every zone's keys, so that a wrong master key shows before anything is changed.
    ///
    /// # Errors
    /// [`StartError::Keys`] when it is another one.
    pub async fn check_keys(&self) -> Result<(), StartError> {
        for id in self.state.list_zones().await? {
            let zone = zone_of(&self.state.load(id).await?)?.1;
            ZoneKeys::open(&zone, self.keyring)?;
            for log in &zone.logs {
                let seed = self
                    .keyring
                    .open(&log.private, &ZoneKeys::context(id, "log-key"));
                let opened = seed.map_err(|e| e.to_string()).and_then(|seed| {
                    LogSigner::from_seed(&seed)
                        .map(drop)
                        .map_err(|e| e.to_string())
                });
                opened.map_err(|why| StartError::Keys {
                    zone: zone.name.clone(),
                    why,
                })?;
            }
        }
        Ok(())
    }

    /// Ends all authority that the backup holds: every zone gets a new key in place of the old
    /// ones and a new log, and its API tokens go. One event in each zone names what was restored.
    ///
    /// The old logs stay as they are. They are not continued: the leaves that they had after the
    /// backup are signed elsewhere, and others in their place would be a second history under
    /// the same key.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub async fn end_all_authority(&self) -> Result<Vec<RestoredZone>, StartError> {
        let mut restored = Vec::new();
        for id in self.state.list_zones().await? {
            restored.push(self.end_zone(id).await?);
        }
        Ok(restored)
    }

    async fn end_zone(&self, id: ZoneId) -> Result<RestoredZone, StartError> {
        let snapshot = self.state.load(id).await?;
        let (version, mut zone) = zone_of(&snapshot)?;
        let failed = |why: String| StartError::Setup(AdminError::Unavailable { why, done: false });
        let host = host_of(&zone.issuer);
        zone.mandate_keys =
            vec![new_keys::mandate_key(self.keyring, id, self.now, self.now).map_err(failed)?];
        let log = new_keys::log_key(self.keyring, id, self.now, &host).map_err(failed)?;
        let log_id = log.id;
        let continued = zone.logs.last().map(|log| log.id);
        zone.logs.push(log);
        let mut writes = vec![Write::Put(document(
            id,
            Kind::Zone,
            id.uuid(),
            Some(&zone.name),
            version.next(),
            &zone,
        )?)];
        let mut ended_tokens = Vec::new();
        for held in of_kind(&snapshot, Kind::Token) {
            writes.push(Write::Delete {
                kind: Kind::Token,
                id: held.id,
                version: held.version,
            });
            ended_tokens.push(parse::<ApiToken>(held)?.name);
        }
        ended_tokens.sort();
        let ended = [
            Kind::Session,
            Kind::Delegation,
            Kind::Budget,
            Kind::Approval,
            Kind::Delivery,
        ];
        let ended = ended.into_iter().flat_map(|kind| of_kind(&snapshot, kind));
        for held in ended {
            writes.push(Write::Delete {
                kind: held.kind,
                id: held.id,
                version: held.version,
            });
        }
        let is_instance = id == ZoneId::INSTANCE;
        let mut event = self.event(
            id,
            if is_instance {
                EventType::StoreRestored
            } else {
                EventType::ZoneRestored
            },
        );
        event.target = Some(self.backup.to_string());
        event.reason = Some(format!(
            "from a backup of {} at revision {}; the log {} ends there, all keys are new, {} API tokens ended",
            self.taken_at,
            snapshot.position.revision,
            continued.map_or_else(|| "-".to_owned(), |log| log.to_string()),
            ended_tokens.len(),
        ));
        let mut events = vec![event];
        let freezes = self.freeze && !is_instance && !is_frozen(&snapshot, id)?;
        if freezes {
            self.freeze(id, &mut writes, &mut events)?;
        }
        for event in &events {
            LeafDraft::new(event, log_id).map_err(|e| failed(e.to_string()))?;
        }
        let commit = Commit {
            id: CommitId::new(self.now, &caracal_crypto::random_bytes()),
            zone: id,
            reads: Vec::new(),
            writes,
            events,
        };
        self.state
            .commit(commit)
            .await
            .map_err(|e| failed(e.to_string()))?;
        Ok(RestoredZone {
            id,
            name: zone.name,
            position: snapshot.position,
            log: log_id,
            ended_tokens,
            frozen: self.freeze && !is_instance,
        })
    }

    fn freeze(
        &self,
        zone: ZoneId,
        writes: &mut Vec<Write>,
        events: &mut Vec<Event>,
    ) -> Result<(), StartError> {
        let anchor = Anchor::Zone(zone);
        let reason = Some(format!("restored from {}", self.backup));
        let revocation = Revocation {
            id: RevocationId::new(self.now, &caracal_crypto::random_bytes()),
            anchor,
            created_at: self.now,
            reason: reason.clone(),
            lifted_at: None,
            lifted_after: None,
        };
        writes.push(Write::Put(document(
            zone,
            Kind::Revocation,
            revocation.id.uuid(),
            None,
            Version::ABSENT.next(),
            &revocation,
        )?));
        let mut event = self.event(zone, EventType::AuthorityRevoked);
        event.target = Some(anchor.to_string());
        event.reason = reason;
        events.push(event);
        Ok(())
    }

    fn event(&self, zone: ZoneId, event_type: EventType) -> Event {
        let id = EventId::new(self.now, &caracal_crypto::random_bytes());
        let request = format!("req_{}", id.uuid());
        let mut event = Event::new(id, self.now, zone, self.node, event_type, request);
        event.operator = Some("local".to_owned());
        event
    }
}

fn is_frozen(snapshot: &Snapshot, zone: ZoneId) -> Result<bool, StartError> {
    for held in of_kind(snapshot, Kind::Revocation) {
        let revocation: Revocation = parse(held)?;
        if revocation.anchor == Anchor::Zone(zone) && revocation.lifted_after.is_none() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn of_kind(snapshot: &Snapshot, kind: Kind) -> impl Iterator<Item = &Document> {
    snapshot
        .documents
        .iter()
        .filter(move |document| document.kind == kind)
}

fn zone_of(snapshot: &Snapshot) -> Result<(Version, Zone), StartError> {
    let held = of_kind(snapshot, Kind::Zone)
        .next()
        .ok_or_else(|| StartError::Damaged("a zone has no document".to_owned()))?;
    Ok((held.version, parse(held)?))
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
