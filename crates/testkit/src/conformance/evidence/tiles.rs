//! Tiles of hashes.

use caracal_ledger::{
    LedgerError, TileBuilder, TileSource, leaf_hash, prove_inclusion, verify_inclusion,
};
use caracal_store::EvidenceStore;

use super::check_log;
use crate::conformance::sample::{Ids, TestLog};

pub(crate) async fn run<S: EvidenceStore>(make: &impl AsyncFn(&str) -> S) {
    let store = make("tiles").await;
    let log = TestLog::new(Ids::zone());
    log.open(&store).await;
    let mut builder = TileBuilder::new();
    // Sizes around a full tile, and beyond the second one.
    for size in [1_u64, 2, 255, 256, 257, 300, 600] {
        let more = usize::try_from(size - builder.size()).unwrap();
        store
            .append((0..more).map(|_| log.entry()).collect())
            .await
            .unwrap();
        let leaves = store.read(log.id, builder.size(), more).await.unwrap();
        assert_eq!(leaves.len(), more);
        let hashes: Vec<_> = leaves.iter().map(|(_, leaf)| leaf_hash(leaf)).collect();
        for tile in builder.append(&hashes) {
            let width = u16::try_from(tile.width()).unwrap();
            let stored = store.tile(log.id, tile.level, tile.n, width).await.unwrap();
            assert_eq!(
                stored, tile.bytes,
                "tile {}/{} at size {size}",
                tile.level, tile.n
            );
        }
    }
    check_log(&store, &log, 600).await;
    let narrow = store.tile(log.id, 0, 0, 3).await.unwrap();
    assert_eq!(narrow, store.tile(log.id, 0, 0, 256).await.unwrap()[..96]);
    for (level, n, width) in [
        (0, 2, 89),
        (0, 3, 1),
        (1, 0, 3),
        (2, 0, 1),
        (0, u64::MAX, 1),
    ] {
        assert!(
            store.tile(log.id, level, n, width).await.is_err(),
            "{level}/{n} is not {width} wide"
        );
    }
    leaves_can_be_proved(&store, &log).await;
    store.close().await;
}

async fn leaves_can_be_proved<S: EvidenceStore>(store: &S, log: &TestLog) {
    let mut tiles = Tiles(Vec::new());
    for (level, n, width) in [(0, 0, 256), (0, 1, 256), (0, 2, 88), (1, 0, 2)] {
        tiles
            .0
            .push((level, n, store.tile(log.id, level, n, width).await.unwrap()));
    }
    let note = store.head(log.id).await.unwrap().checkpoint.unwrap();
    let checkpoint = caracal_ledger::open_checkpoint(&note, &log.verifier()).unwrap();
    for index in [0, 255, 256, 511, 512, 599] {
        let (_, leaf) = store.read(log.id, index, 1).await.unwrap().remove(0);
        let proof = prove_inclusion(&tiles, index, 600).unwrap();
        assert_eq!(proof.leaf, leaf_hash(&leaf));
        verify_inclusion(&proof, &checkpoint.root).unwrap();
    }
}

struct Tiles(Vec<(u8, u64, Vec<u8>)>);

impl TileSource for Tiles {
    fn tile(&self, level: u8, n: u64, width: u16) -> Result<Vec<u8>, LedgerError> {
        let length = usize::from(width) * 32;
        let found = self
            .0
            .iter()
            .find(|(l, m, bytes)| (*l, *m) == (level, n) && bytes.len() >= length);
        found
            .map(|(_, _, bytes)| bytes[..length].to_vec())
            .ok_or(LedgerError::BadTile { level, n })
    }
}
