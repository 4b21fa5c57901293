use proptest::prelude::*;

use super::*;
use crate::fixture::{MemoryTiles, hashes, naive_root};
use crate::{
    InclusionProof, prove_consistency, prove_inclusion, verify_consistency, verify_inclusion,
};

fn state_of(hashes: &[LeafHash]) -> TreeState {
    let mut state = TreeState::new();
    for hash in hashes {
        state.append(*hash);
    }
    state
}

#[test]
fn the_tiles_are_those_that_the_library_names() {
    for (before, after) in [
        (0, 1),
        (0, 256),
        (1, 255),
        (255, 256),
        (256, 257),
        (250, 800),
        (0, 66_000),
        (65_000, 65_536),
    ] {
        let hashes = hashes(after);
        let mut builder = TileBuilder::new();
        builder.append(&hashes[..usize::try_from(before).unwrap()]);
        let tiles = builder.append(&hashes[usize::try_from(before).unwrap()..]);
        let mut ours: Vec<_> = tiles
            .iter()
            .map(|tile| (tile.level, tile.n, tile.width()))
            .collect();
        ours.sort_unstable();
        let theirs = Tile::new_tiles(TILE_HEIGHT, before, after);
        let mut theirs: Vec<_> = theirs
            .iter()
            .map(|tile| (tile.level(), tile.level_index(), tile.width() as usize))
            .collect();
        theirs.sort_unstable();
        assert_eq!(ours, theirs, "{before} {after}");
    }
}

#[test]
fn nothing_new_changes_nothing() {
    let mut builder = TileBuilder::new();
    builder.append(&hashes(3));
    assert_eq!(builder.append(&[]), []);
}

#[test]
fn proofs_cross_three_levels_of_tiles() {
    let hashes = hashes(66_000);
    let tiles = MemoryTiles::of(&hashes);
    assert_eq!(tiles.len(), 258 + 2 + 1);
    let root = naive_root(&hashes);
    for index in [0, 255, 256, 65_535, 65_536, 65_999] {
        let proof = prove_inclusion(&tiles, index, 66_000).unwrap();
        assert_eq!(proof.leaf, hashes[usize::try_from(index).unwrap()]);
        verify_inclusion(&proof, &root).unwrap();
    }
    for old in [0, 1, 256, 65_535, 65_536, 65_537, 66_000] {
        let proof = prove_consistency(&tiles, old, 66_000).unwrap();
        let old_root = naive_root(&hashes[..usize::try_from(old).unwrap()]);
        verify_consistency(&proof, &old_root, &root).unwrap();
    }
}

#[test]
fn a_damaged_tile_gives_no_valid_proof() {
    let hashes = hashes(600);
    let root = naive_root(&hashes);
    let tiles = MemoryTiles::of(&hashes);
    tiles.flip(0, 1, 40);
    let proof = prove_inclusion(&tiles, 256, 600).unwrap();
    assert_eq!(verify_inclusion(&proof, &root), Err(LedgerError::BadProof));
    let opened = TileBuilder::open(600, &tiles).unwrap();
    assert_eq!(
        opened.state(),
        state_of(&hashes),
        "full tiles are not read again"
    );
    tiles.flip(0, 2, 0);
    assert_ne!(
        TileBuilder::open(600, &tiles).unwrap().state(),
        state_of(&hashes)
    );
}

#[test]
fn a_missing_or_short_tile_is_an_error() {
    struct Short;
    impl TileSource for Short {
        fn tile(&self, _: u8, _: u64, _: u16) -> Result<Vec<u8>, LedgerError> {
            Ok(vec![0; 31])
        }
    }
    let missing = MemoryTiles::default();
    assert!(matches!(
        prove_inclusion(&missing, 0, 1),
        Err(LedgerError::Source(_))
    ));
    assert!(matches!(
        prove_inclusion(&missing, 3, 9),
        Err(LedgerError::Source(_))
    ));
    assert!(matches!(
        prove_consistency(&missing, 3, 9),
        Err(LedgerError::Source(_))
    ));
    assert!(matches!(
        prove_consistency(&Short, 3, 9),
        Err(LedgerError::BadTile { level: 0, n: 0 })
    ));
    assert!(matches!(
        prove_inclusion(&Short, 0, 300),
        Err(LedgerError::BadTile { .. })
    ));
    assert!(matches!(
        TileBuilder::open(3, &Short),
        Err(LedgerError::BadTile { level: 0, n: 0 })
    ));
    assert!(matches!(
        TileBuilder::open(MAX_LOG_SIZE + 1, &Short),
        Err(LedgerError::Full)
    ));
}

#[test]
fn ranges_are_checked() {
    let tiles = MemoryTiles::of(&hashes(10));
    for (index, size) in [(10, 10), (0, 0), (u64::MAX, 10), (0, u64::MAX)] {
        assert!(matches!(
            prove_inclusion(&tiles, index, size),
            Err(LedgerError::OutOfRange { .. })
        ));
    }
    for (old, new) in [(11, 10), (u64::MAX, 10), (0, u64::MAX)] {
        assert!(matches!(
            prove_consistency(&tiles, old, new),
            Err(LedgerError::OutOfRange { .. })
        ));
    }
    let mut proof = prove_inclusion(&tiles, 9, 10).unwrap();
    proof.index = u64::MAX;
    assert!(verify_inclusion(&proof, &[0; 32]).is_err());
    proof = prove_inclusion(&tiles, 9, 10).unwrap();
    proof.hashes = vec![[0; 32]; 100_000];
    assert_eq!(
        verify_inclusion(&proof, &[0; 32]),
        Err(LedgerError::BadProof)
    );
}

proptest! {
    #[test]
    fn batches_do_not_matter(batches in proptest::collection::vec(0..700u64, 1..5)) {
        let all = hashes(batches.iter().sum());
        let mut rest = all.as_slice();
        let mut builder = TileBuilder::new();
        let tiles = MemoryTiles::default();
        let mut done = 0;
        for batch in batches {
            let (now, later) = rest.split_at(usize::try_from(batch).unwrap());
            // Every batch goes on from what is stored, as after a restart.
            builder = TileBuilder::open(builder.size(), &tiles).unwrap();
            tiles.put(builder.append(now));
            rest = later;
            done += now.len();
            prop_assert_eq!(builder.state(), state_of(&all[..done]));
        }
        let whole = MemoryTiles::of(&all);
        for level in 0..2 {
            for n in 0..10 {
                prop_assert_eq!(tiles.tile(level, n, 1).ok(), whole.tile(level, n, 1).ok());
                prop_assert_eq!(tiles.tile(level, n, 256).ok(), whole.tile(level, n, 256).ok());
            }
        }
    }

    #[test]
    fn every_leaf_has_a_proof_that_fits_nothing_else(size in 1..700u64, at: prop::sample::Index, other: prop::sample::Index, bit in 0..256usize) {
        let hashes = hashes(size);
        let tiles = MemoryTiles::of(&hashes);
        let root = naive_root(&hashes);
        let index = at.index(hashes.len()) as u64;
        let proof = prove_inclusion(&tiles, index, size).unwrap();
        prop_assert_eq!(verify_inclusion(&proof, &root), Ok(()));

        let mut wrong = proof.clone();
        wrong.leaf.0[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(verify_inclusion(&wrong, &root).is_err());
        let mut wrong_root = root;
        wrong_root[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(verify_inclusion(&proof, &wrong_root).is_err());
        let other = other.index(hashes.len()) as u64;
        if other != index {
            let moved = InclusionProof { index: other, ..proof.clone() };
            prop_assert!(verify_inclusion(&moved, &root).is_err());
        }
        let mut longer = proof.clone();
        longer.hashes.push([0; 32]);
        prop_assert!(verify_inclusion(&longer, &root).is_err());
        let mut shorter = proof;
        if shorter.hashes.pop().is_some() {
            prop_assert!(verify_inclusion(&shorter, &root).is_err());
        }
    }

    #[test]
    fn every_older_tree_is_proved_consistent(new in 1..700u64, at: prop::sample::Index, bit in 0..256usize) {
        let hashes = hashes(new);
        let tiles = MemoryTiles::of(&hashes);
        let old = at.index(hashes.len() + 1) as u64;
        let old_root = naive_root(&hashes[..usize::try_from(old).unwrap()]);
        let new_root = naive_root(&hashes);
        let proof = prove_consistency(&tiles, old, new).unwrap();
        prop_assert_eq!(verify_consistency(&proof, &old_root, &new_root), Ok(()));

        let mut forged = old_root;
        forged[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(verify_consistency(&proof, &forged, &new_root).is_err());
        let mut forged = new_root;
        forged[bit / 8] ^= 1 << (bit % 8);
        if old > 0 {
            prop_assert!(verify_consistency(&proof, &old_root, &forged).is_err());
        }
        let mut longer = proof;
        longer.hashes.push([0; 32]);
        prop_assert!(verify_consistency(&longer, &old_root, &new_root).is_err());
    }
}
