//! Proving that an event stands in its log.

use std::collections::HashMap;
use std::sync::Mutex;

use caracal_core::{LogId, ZoneId};
use caracal_ledger::{InclusionProof, LedgerError, TileSource};

use super::{damaged, parse, unavailable};
use crate::{Admin, AdminError, Engine};

/// What someone needs to check that an event stands in a log.
#[derive(Debug, Clone)]
pub struct EventProof {
    /// The proof.
    pub proof: InclusionProof,
    /// The log.
    pub log: LogId,
    /// The signed checkpoint that the proof leads to.
    pub checkpoint: String,
    /// The log's note verifier key.
    pub verifier: String,
}

impl Engine {
    /// Proves that an event stands in its log.
    ///
    /// # Errors
    /// Needs the role auditor.
    pub async fn prove_event(
        &self,
        zone: ZoneId,
        admin: &Admin,
        id: &str,
    ) -> Result<EventProof, AdminError> {
        let leaf = self.get_event(zone, admin, id).await?;
        let event = parse(&leaf)?;
        let (Some(log), Some(index)) = (event.log, event.index) else {
            return Err(AdminError::not_found("event", id));
        };
        let info = self.find_log(zone, admin, log)?;
        let head = self.evidence().head(log).await.map_err(unavailable)?;
        let checkpoint = head
            .checkpoint
            .ok_or_else(|| AdminError::not_found("checkpoint", log))?;
        let opened = caracal_ledger::open_checkpoint(&checkpoint, &info.verifier)
            .map_err(|e| damaged(e.to_string()))?;
        let tiles = self.collect_tiles(log, index, opened.size).await?;
        let proof = caracal_ledger::prove_inclusion(&tiles, index, opened.size)
            .map_err(|e| damaged(e.to_string()))?;
        if proof.leaf != caracal_ledger::leaf_hash(&leaf) {
            return Err(damaged(format!(
                "leaf {index} of `{log}` is not what its tree says"
            )));
        }
        Ok(EventProof {
            proof,
            log,
            checkpoint,
            verifier: info.verifier,
        })
    }

    /// The tiles that a proof may touch, fetched one by one until it is satisfied.
    async fn collect_tiles(&self, log: LogId, index: u64, size: u64) -> Result<Tiles, AdminError> {
        let mut tiles = Tiles::default();
        loop {
            match caracal_ledger::prove_inclusion(&tiles, index, size) {
                Ok(_) => return Ok(tiles),
                Err(error) => {
                    let missing = tiles.missing.lock().ok().and_then(|mut held| held.take());
                    let Some((level, n, width)) = missing else {
                        return Err(damaged(error.to_string()));
                    };
                    let bytes = self
                        .evidence()
                        .tile(log, level, n, width)
                        .await
                        .map_err(unavailable)?;
                    tiles.held.insert((level, n, width), bytes);
                }
            }
        }
    }
}

/// Tiles by level, number and width. Remembers which one was missing.
#[derive(Default)]
struct Tiles {
    held: HashMap<(u8, u64, u16), Vec<u8>>,
    missing: Mutex<Option<(u8, u64, u16)>>,
}

impl Tiles {
    fn note(&self, key: (u8, u64, u16)) {
        if let Ok(mut missing) = self.missing.lock() {
            *missing = Some(key);
        }
    }
}

impl TileSource for Tiles {
    fn tile(&self, level: u8, n: u64, width: u16) -> Result<Vec<u8>, LedgerError> {
        let key = (level, n, width);
        self.held.get(&key).cloned().ok_or_else(|| {
            self.note(key);
            LedgerError::Source("not fetched yet".to_owned())
        })
    }
}
