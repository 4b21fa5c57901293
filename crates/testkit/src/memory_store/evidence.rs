//! The evidence store in memory.

use async_trait::async_trait;
use caracal_core::{LogId, Revision};
use caracal_ledger::{LedgerError, Log, Receipt, TileBuilder, TileSource, TreeState, leaf_hash};
use caracal_store::{Appended, Entry, EvidenceStore, LogHead, Page, Query, StoreError};
use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::watch;

use super::{AppendFault, Disk, Leaf, MemoryStore, Process, lock, unavailable};

fn empty() -> LogHead {
    LogHead {
        size: 0,
        edge: Vec::new(),
        revision: Revision(0),
        checkpoint: None,
        damaged: false,
    }
}

#[async_trait]
impl EvidenceStore for MemoryStore {
    async fn head(&self, log: LogId) -> Result<LogHead, StoreError> {
        Ok(self
            .evidence()?
            .heads
            .get(&log)
            .cloned()
            .unwrap_or_else(empty))
    }

    async fn open_log(&self, log: Log) -> Result<(), StoreError> {
        let disk = self.evidence()?;
        let head = disk.heads.get(&log.id()).cloned().unwrap_or_else(empty);
        if head.damaged
            || *log.state()
                != (TreeState {
                    size: head.size,
                    edge: head.edge,
                })
        {
            return Err(StoreError::Damaged(format!(
                "`{}` is not at this state",
                log.id()
            )));
        }
        let tiles = Tiles {
            disk: &disk,
            log: log.id(),
        };
        let builder = TileBuilder::open(head.size, &tiles)
            .map_err(|error| StoreError::Damaged(error.to_string()))?;
        lock(&self.process).logs.insert(log.id(), (log, builder));
        Ok(())
    }

    async fn append(&self, entries: Vec<Entry>) -> Result<Vec<Appended>, StoreError> {
        let fault = lock(&self.faults).appends.pop_front();
        match &fault {
            Some(AppendFault::Before) => return Err(unavailable("failed on demand, before")),
            Some(AppendFault::Full) => return Err(StoreError::Full),
            Some(AppendFault::Stall(stalled)) => stalled.hold().await,
            Some(AppendFault::After) | None => {}
        }
        let mut disk = self.evidence()?;
        let mut process = lock(&self.process);
        let receipts = process.append(&mut disk, entries)?;
        match fault {
            Some(AppendFault::After) => Err(unavailable("failed on demand, after")),
            _ => Ok(receipts),
        }
    }

    async fn read(
        &self,
        log: LogId,
        first: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        let disk = self.evidence()?;
        let found = disk
            .leaves
            .iter()
            .filter(|leaf| leaf.log == log && leaf.index >= first);
        Ok(found
            .take(limit)
            .map(|leaf| (leaf.index, leaf.bytes.clone()))
            .collect())
    }

    async fn search(&self, query: Query) -> Result<Page, StoreError> {
        let disk = self.evidence()?;
        let mut found: Vec<_> = (1..)
            .zip(&disk.leaves)
            .filter(|(_, leaf)| fits(&query, leaf))
            .collect();
        if !query.ascending {
            found.reverse();
        }
        if let Some(cursor) = query.cursor {
            found.retain(|(seq, _)| {
                if query.ascending {
                    *seq > cursor
                } else {
                    *seq < cursor
                }
            });
        }
        let more = found.len() > query.limit.max(1);
        found.truncate(query.limit.max(1));
        let next = found.last().map(|(seq, _)| *seq).filter(|_| more);
        Ok(Page {
            leaves: found
                .into_iter()
                .map(|(seq, leaf)| (seq, leaf.bytes.clone()))
                .collect(),
            next,
        })
    }

    async fn tile(&self, log: LogId, level: u8, n: u64, width: u16) -> Result<Vec<u8>, StoreError> {
        let disk = self.evidence()?;
        Tiles { disk: &disk, log }
            .tile(level, n, width)
            .map_err(|_| {
                StoreError::Damaged(format!("`{log}` has no tile {level}/{n} of width {width}"))
            })
    }

    fn tail(&self) -> watch::Receiver<u64> {
        lock(&self.process).tail.subscribe()
    }

    async fn close(&self) {
        let mut process = lock(&self.process);
        process.evidence_closed = true;
        process.logs.clear();
    }
}

impl MemoryStore {
    fn evidence(&self) -> Result<std::sync::MutexGuard<'_, Disk>, StoreError> {
        let disk = lock(&self.disk);
        if lock(&self.process).evidence_closed {
            Err(unavailable("it was closed"))
        } else {
            Ok(disk)
        }
    }
}

impl Process {
    fn append(&mut self, disk: &mut Disk, entries: Vec<Entry>) -> Result<Vec<Receipt>, StoreError> {
        if let Some(entry) = entries
            .iter()
            .find(|entry| !self.logs.contains_key(&entry.draft.log()))
        {
            return Err(unavailable(&format!(
                "`{}` is not open for appending",
                entry.draft.log()
            )));
        }
        let mut receipts = Vec::new();
        for Entry { draft, revision } in entries {
            let id = draft.log();
            let Some((log, builder)) = self.logs.get_mut(&id) else {
                continue;
            };
            let bytes = draft.finish(log.size());
            let leaf = leaf_hash(&bytes);
            let index = log.append(&leaf);
            for tile in builder.append(&[leaf]) {
                disk.tiles.insert((id, tile.level, tile.n), tile.bytes);
            }
            let fields = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
            disk.leaves.push(Leaf {
                log: id,
                index,
                bytes,
                fields,
            });
            let head = disk.heads.entry(id).or_insert_with(empty);
            head.size = log.size();
            head.edge.clone_from(&log.state().edge);
            head.revision = head.revision.max(revision.unwrap_or_default());
            let checkpoint = log.checkpoint();
            head.checkpoint = Some(checkpoint.map_err(|error| unavailable(&error.to_string()))?);
            receipts.push(Receipt {
                log: id,
                index,
                leaf,
            });
        }
        if !receipts.is_empty() {
            self.tail
                .send_replace(u64::try_from(disk.leaves.len()).unwrap_or(u64::MAX));
        }
        Ok(receipts)
    }
}

fn fits(query: &Query, leaf: &Leaf) -> bool {
    let text = |name: &str| leaf.fields.get(name).and_then(Value::as_str);
    let is =
        |name: &str, wanted: Option<&str>| wanted.is_none_or(|wanted| text(name) == Some(wanted));
    let time = || text("time").and_then(|time| time.parse::<Timestamp>().ok());
    is("zone", query.zone.map(|zone| zone.to_string()).as_deref())
        && is("id", query.id.as_deref())
        && is("request_id", query.request_id.as_deref())
        && is("type", query.event_type.as_deref())
        && is(
            "decision",
            query.decision.map(caracal_core::Decision::as_str),
        )
        && is("application", query.application.as_deref())
        && is("session", query.session.as_deref())
        && is("mandate", query.mandate.as_deref())
        && is("resource", query.resource.as_deref())
        && query
            .from
            .is_none_or(|from| time().is_some_and(|time| time >= from))
        && query
            .until
            .is_none_or(|until| time().is_some_and(|time| time < until))
}

struct Tiles<'a> {
    disk: &'a Disk,
    log: LogId,
}

impl TileSource for Tiles<'_> {
    fn tile(&self, level: u8, n: u64, width: u16) -> Result<Vec<u8>, LedgerError> {
        let tile = self.disk.tiles.get(&(self.log, level, n));
        let part = tile.and_then(|bytes| bytes.get(..usize::from(width) * 32));
        part.map(<[u8]>::to_vec)
            .ok_or(LedgerError::BadTile { level, n })
    }
}
