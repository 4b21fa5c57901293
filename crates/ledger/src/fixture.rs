//! What the tests of this crate share: a log in memory and naive trees to compare with.

use std::cell::RefCell;
use std::collections::HashMap;

use caracal_core::{Event, EventId, EventType, LogId, NodeId, ZoneId};
use caracal_crypto::{LogSigner, sha256_parts};
use uuid::Uuid;

use crate::{
    HashTile, LeafDraft, LeafHash, LedgerError, Log, Receipt, TileBuilder, TileSource, TreeState,
    leaf_hash, verifier_key,
};

pub(crate) const LOG: LogId = LogId::from_uuid(Uuid::from_u128(1));

pub(crate) fn event(n: u64) -> Event {
    let time = jiff::Timestamp::from_millisecond(1_700_000_000_000).unwrap();
    let id = EventId::from_uuid(Uuid::from_u128(n.into()));
    let zone = ZoneId::from_uuid(Uuid::from_u128(2));
    let node = NodeId::from_uuid(Uuid::from_u128(3));
    Event::new(
        id,
        time,
        zone,
        node,
        EventType::CallStarted,
        format!("req-{n}"),
    )
}

/// The leaf of event `n` at `index`.
pub(crate) fn leaf(n: u64, index: u64) -> Vec<u8> {
    LeafDraft::new(&event(n), LOG).unwrap().finish(index)
}

pub(crate) fn leaves(count: u64) -> Vec<Vec<u8>> {
    (0..count).map(|n| leaf(n, n)).collect()
}

/// RFC 6962, section 2.1, word for word.
pub(crate) fn naive_root(hashes: &[LeafHash]) -> [u8; 32] {
    match hashes {
        [] => sha256_parts(&[]),
        [only] => only.0,
        _ => {
            let (left, right) = hashes.split_at(hashes.len().next_power_of_two() / 2);
            sha256_parts(&[&[1], &naive_root(left), &naive_root(right)])
        }
    }
}

/// Distinct hashes, quicker than leaves.
pub(crate) fn hashes(count: u64) -> Vec<LeafHash> {
    (0..count).map(|n| leaf_hash(&n.to_be_bytes())).collect()
}

/// Tiles in memory, kept as a store would.
#[derive(Default)]
pub(crate) struct MemoryTiles {
    tiles: RefCell<HashMap<(u8, u64), Vec<u8>>>,
}

impl MemoryTiles {
    pub(crate) fn of(hashes: &[LeafHash]) -> Self {
        let tiles = Self::default();
        tiles.put(TileBuilder::new().append(hashes));
        tiles
    }

    pub(crate) fn put(&self, tiles: Vec<HashTile>) {
        for tile in tiles {
            self.tiles
                .borrow_mut()
                .insert((tile.level, tile.n), tile.bytes);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.tiles.borrow().len()
    }

    pub(crate) fn flip(&self, level: u8, n: u64, byte: usize) {
        self.tiles.borrow_mut().get_mut(&(level, n)).unwrap()[byte] ^= 1;
    }
}

impl TileSource for MemoryTiles {
    fn tile(&self, level: u8, n: u64, width: u16) -> Result<Vec<u8>, LedgerError> {
        let tiles = self.tiles.borrow();
        let tile = tiles
            .get(&(level, n))
            .and_then(|tile| tile.get(..usize::from(width) * 32));
        tile.map(<[u8]>::to_vec)
            .ok_or_else(|| LedgerError::Source(format!("no tile {level}/{n}")))
    }
}

/// A log with its key and its leaves.
pub(crate) struct TestLog {
    pub(crate) origin: String,
    pub(crate) vkey: String,
    seed: caracal_core::Secret,
}

impl TestLog {
    pub(crate) fn new() -> Self {
        let (seed, signer) = LogSigner::generate().unwrap();
        let origin = crate::origin_of("localhost:8080", LOG);
        Self {
            vkey: verifier_key(&origin, &signer.public()),
            origin,
            seed,
        }
    }

    /// The checkpoint of a log with exactly these leaves, by the same key.
    pub(crate) fn checkpoint(&self, leaves: &[Vec<u8>]) -> String {
        let signer = LogSigner::from_seed(&self.seed).unwrap();
        let mut log = Log::open(LOG, &self.origin, signer, TreeState::new()).unwrap();
        for leaf in leaves {
            log.append(&leaf_hash(leaf));
        }
        log.checkpoint().unwrap()
    }
}

pub(crate) fn receipt(leaves: &[Vec<u8>], index: u64) -> Receipt {
    let leaf = leaf_hash(&leaves[usize::try_from(index).unwrap()]);
    Receipt {
        log: LOG,
        index,
        leaf,
    }
}
