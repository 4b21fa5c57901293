//! Entry bundles: each leaf after its length in two bytes, big endian.

/// The bundle of these leaves; none when one is longer than its length can say.
pub(crate) fn entries_bundle(leaves: &[(u64, Vec<u8>)]) -> Option<Vec<u8>> {
    let mut bundle = Vec::new();
    for (_, leaf) in leaves {
        let length = u16::try_from(leaf.len()).ok()?;
        bundle.extend_from_slice(&length.to_be_bytes());
        bundle.extend_from_slice(leaf);
    }
    Some(bundle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_follow_their_lengths() {
        let leaves = [(0, b"ab".to_vec()), (1, vec![b'x'; 300])];
        let bundle = entries_bundle(&leaves).unwrap();
        assert_eq!(bundle.get(..6), Some(&b"\x00\x02ab\x01\x2c"[..]));
        assert_eq!(bundle.len(), 2 + 2 + 2 + 300);
        assert_eq!(entries_bundle(&[(0, vec![0; 65536])]), None);
    }
}
