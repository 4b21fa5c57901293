//! The state store in memory.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use caracal_core::{CommitId, Kind, Position, Revision, Version, ZoneId};
use caracal_store::{
    ClaimId, Claimed, Commit, CommitError, CommitRecord, Snapshot, StateStore, StoreError, Write,
    next_position,
};
use jiff::Timestamp;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::{ClaimFault, CommitFault, Disk, MemoryStore, Zone, lock, unavailable};

#[async_trait]
impl StateStore for MemoryStore {
    async fn commit(&self, commit: Commit) -> Result<Position, CommitError> {
        let fault = lock(&self.faults).commits.pop_front();
        match &fault {
            Some(CommitFault::Before) => return Err(unavailable("failed on demand, before").into()),
            Some(CommitFault::Full) => return Err(StoreError::Full.into()),
            Some(CommitFault::Conflict) => return Err(conflict_of(&commit)),
            Some(CommitFault::Stall(stalled)) => stalled.hold().await,
            Some(CommitFault::After) | None => {}
        }
        let mut disk = lock(&self.disk);
        let mut process = lock(&self.process);
        if process.state_closed {
            return Err(unavailable("it was closed").into());
        }
        let (position, record) = disk.apply(commit)?;
        if let Some(record) = record {
            process
                .watchers
                .retain(|watcher| watcher.send(record.clone()).is_ok());
        }
        match fault {
            Some(CommitFault::After) => Err(unavailable("failed on demand, after").into()),
            _ => Ok(position),
        }
    }

    async fn find_commit(
        &self,
        zone: ZoneId,
        id: CommitId,
    ) -> Result<Option<Position>, StoreError> {
        let disk = self.state()?;
        Ok(disk
            .commits
            .get(&id)
            .filter(|(of, _)| *of == zone)
            .map(|(_, position)| *position))
    }

    async fn list_zones(&self) -> Result<Vec<ZoneId>, StoreError> {
        let disk = self.state()?;
        Ok(disk
            .zones
            .iter()
            .filter(|(_, zone)| !zone.documents.is_empty())
            .map(|(id, _)| *id)
            .collect())
    }

    async fn load(&self, zone: ZoneId) -> Result<Snapshot, StoreError> {
        let disk = self.state()?;
        Ok(match disk.zones.get(&zone) {
            Some(zone) => Snapshot {
                position: zone.position,
                documents: zone.documents.values().cloned().collect(),
            },
            None => Snapshot {
                position: Position::start(disk.epoch),
                documents: Vec::new(),
            },
        })
    }

    async fn list_commits(
        &self,
        zone: ZoneId,
        after: Revision,
        limit: usize,
    ) -> Result<Vec<CommitRecord>, StoreError> {
        let disk = self.state()?;
        let commits = disk
            .zones
            .get(&zone)
            .map(|zone| zone.commits.as_slice())
            .unwrap_or_default();
        Ok(commits
            .iter()
            .filter(|record| record.position.revision > after)
            .take(limit)
            .cloned()
            .collect())
    }

    async fn claim(
        &self,
        zone: ZoneId,
        id: ClaimId,
        expires_at: Timestamp,
    ) -> Result<Claimed, StoreError> {
        let fault = lock(&self.faults).claims.pop_front();
        match &fault {
            Some(ClaimFault::Before) => return Err(unavailable("failed on demand, before")),
            Some(ClaimFault::Full) => return Err(StoreError::Full),
            Some(ClaimFault::Stall(stalled)) => stalled.hold().await,
            Some(ClaimFault::After) | None => {}
        }
        let claimed = match self.state()?.claims.entry((zone, id)) {
            Entry::Occupied(_) => Claimed::Before,
            Entry::Vacant(free) => {
                free.insert(expires_at);
                Claimed::Now
            }
        };
        match fault {
            Some(ClaimFault::After) => Err(unavailable("failed on demand, after")),
            _ => Ok(claimed),
        }
    }

    async fn forget_claims(&self, before: Timestamp, limit: usize) -> Result<usize, StoreError> {
        let mut disk = self.state()?;
        let mut ended: Vec<_> = disk
            .claims
            .iter()
            .filter(|(_, expires_at)| **expires_at < before)
            .map(|(claim, expires_at)| (*expires_at, *claim))
            .collect();
        ended.sort_by_key(|(expires_at, _)| *expires_at);
        ended.truncate(limit);
        for (_, claim) in &ended {
            disk.claims.remove(claim);
        }
        Ok(ended.len())
    }

    fn watch(&self) -> mpsc::UnboundedReceiver<CommitRecord> {
        let (watcher, commits) = mpsc::unbounded_channel();
        lock(&self.process).watchers.push(watcher);
        commits
    }

    async fn close(&self) {
        let mut process = lock(&self.process);
        process.state_closed = true;
        process.watchers.clear();
    }
}

impl MemoryStore {
    fn state(&self) -> Result<std::sync::MutexGuard<'_, Disk>, StoreError> {
        let disk = lock(&self.disk);
        if lock(&self.process).state_closed {
            Err(unavailable("it was closed"))
        } else {
            Ok(disk)
        }
    }
}

fn object_of(write: &Write) -> (Kind, Uuid) {
    match write {
        Write::Put(document) => (document.kind, document.id),
        Write::Delete { kind, id, .. } => (*kind, *id),
    }
}

fn conflict_of(commit: &Commit) -> CommitError {
    let read = commit.reads.first().map(|read| (read.kind, read.id));
    match read.or_else(|| commit.writes.first().map(object_of)) {
        Some((kind, id)) => CommitError::Conflict { kind, id },
        None => CommitError::Conflict {
            kind: Kind::Zone,
            id: commit.zone.uuid(),
        },
    }
}

impl Disk {
    fn apply(&mut self, commit: Commit) -> Result<(Position, Option<CommitRecord>), CommitError> {
        if let Some((zone, position)) = self.commits.get(&commit.id) {
            return if *zone == commit.zone {
                Ok((*position, None))
            } else {
                Err(CommitError::Malformed(
                    "its id belongs to a commit of another zone",
                ))
            };
        }
        self.check(&commit)?;
        let Commit {
            id,
            zone,
            writes,
            mut events,
            ..
        } = commit;
        let epoch = self.epoch;
        let stored = self.zones.entry(zone).or_insert_with(|| Zone {
            position: Position::start(epoch),
            documents: HashMap::new(),
            commits: Vec::new(),
        });
        for event in &mut events {
            event.revision = Some(stored.position.revision.next().0);
        }
        let text =
            |error: serde_json::Error| CommitError::Store(StoreError::Damaged(error.to_string()));
        let writes_text = serde_json::to_string(&writes).map_err(text)?;
        let events_text = serde_json::to_string(&events).map_err(text)?;
        for write in &writes {
            stored.documents.remove(&object_of(write));
            if let Write::Put(document) = write {
                stored.documents.insert(object_of(write), document.clone());
            }
        }
        stored.position = next_position(&stored.position, zone, id, &writes_text, &events_text);
        let record = CommitRecord {
            id,
            zone,
            position: stored.position,
            writes,
            events,
        };
        stored.commits.push(record.clone());
        self.commits.insert(id, (zone, record.position));
        Ok((record.position, Some(record)))
    }

    fn check(&self, commit: &Commit) -> Result<(), CommitError> {
        if commit.events.is_empty() {
            return Err(CommitError::Malformed("it has no event"));
        }
        let mut objects = HashSet::new();
        for write in &commit.writes {
            if matches!(write, Write::Put(document) if document.zone != commit.zone) {
                return Err(CommitError::Malformed("a document belongs to another zone"));
            }
            if !objects.insert(object_of(write)) {
                return Err(CommitError::Malformed("an object is written twice"));
            }
        }
        let stored = |kind, id| {
            let document = self
                .zones
                .get(&commit.zone)
                .and_then(|zone| zone.documents.get(&(kind, id)));
            document.map_or(Version::ABSENT, |document| document.version)
        };
        let reads = commit
            .reads
            .iter()
            .map(|read| (read.kind, read.id, Some(read.version)));
        let writes = commit.writes.iter().map(|write| {
            let (kind, id) = object_of(write);
            let expected = match write {
                Write::Put(document) => document.version.0.checked_sub(1).map(Version),
                Write::Delete { version, .. } => {
                    Some(*version).filter(|version| *version != Version::ABSENT)
                }
            };
            (kind, id, expected)
        });
        for (kind, id, expected) in reads.chain(writes) {
            if Some(stored(kind, id)) != expected {
                return Err(CommitError::Conflict { kind, id });
            }
        }
        self.check_names(commit, &objects)
    }

    fn check_names(
        &self,
        commit: &Commit,
        written: &HashSet<(Kind, Uuid)>,
    ) -> Result<(), CommitError> {
        let mut taken = HashSet::new();
        for (zone, stored) in &self.zones {
            for (object, document) in &stored.documents {
                let replaced = *zone == commit.zone && written.contains(object);
                let in_the_way = *zone == commit.zone || document.kind == Kind::Zone;
                if let (Some(name), true, false) = (&document.name, in_the_way, replaced) {
                    taken.insert((document.kind, name.clone()));
                }
            }
        }
        for write in &commit.writes {
            if let Write::Put(document) = write
                && let Some(name) = &document.name
                && !taken.insert((document.kind, name.clone()))
            {
                return Err(CommitError::NameTaken {
                    kind: document.kind,
                    name: name.clone(),
                });
            }
        }
        Ok(())
    }
}
