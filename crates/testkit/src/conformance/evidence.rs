//! Checks of the evidence store.

pub(super) mod append;
pub(super) mod concurrency;
pub(super) mod reopening;
pub(super) mod search;
pub(super) mod tiles;

use caracal_ledger::{LeafHash, TreeState, leaf_hash, open_checkpoint};
use caracal_store::EvidenceStore;

use super::sample::TestLog;

/// Holds everything that the store says of a log against its leaves.
async fn check_log<S: EvidenceStore>(store: &S, log: &TestLog, size: u64) -> Vec<LeafHash> {
    let head = store.head(log.id).await.unwrap();
    let leaves = store.read(log.id, 0, usize::MAX).await.unwrap();
    assert_eq!((head.size, head.damaged), (size, false));
    assert!(
        leaves.iter().map(|(index, _)| *index).eq(0..size),
        "every index once, in order"
    );
    let mut tree = TreeState::new();
    let mut hashes = Vec::new();
    for (index, leaf) in &leaves {
        let event: caracal_core::Event = serde_json::from_slice(leaf).unwrap();
        assert_eq!((event.log, event.index), (Some(log.id), Some(*index)));
        hashes.push(leaf_hash(leaf));
        tree.append(leaf_hash(leaf));
    }
    assert_eq!(head.edge, tree.edge);
    match head.checkpoint {
        None => assert_eq!(size, 0),
        Some(note) => {
            let checkpoint = open_checkpoint(&note, &log.verifier()).unwrap();
            assert_eq!((checkpoint.size, checkpoint.root), (size, tree.root()));
        }
    }
    hashes
}
