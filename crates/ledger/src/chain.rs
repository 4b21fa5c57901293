//! The hash chain of a zone's commits.

/// SHA-256 over the predecessor's hash and the commit's own bytes.
pub fn chain_hash(previous: &[u8; 32], bytes: &[u8]) -> [u8; 32] {
    caracal_crypto::sha256_parts(&[previous, bytes])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_covers_the_predecessor_and_the_bytes() {
        let first = chain_hash(&[0; 32], b"commit");
        assert_ne!(chain_hash(&[1; 32], b"commit"), first);
        assert_ne!(chain_hash(&[0; 32], b"commi"), first);
        assert_eq!(chain_hash(&[0; 32], b"commit"), first);
    }
}
