//! Hashes of leaves.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The longest leaf that is accepted, in bytes.
pub const MAX_LEAF_BYTES: usize = 1024 * 1024;

/// The RFC 6962 hash of a leaf: SHA-256 of a zero byte and the leaf.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct LeafHash(pub [u8; 32]);

impl LeafHash {
    /// The hash in standard base64, as receipts carry it.
    pub fn to_base64(&self) -> String {
        STANDARD.encode(self.0)
    }

    /// Reads [`LeafHash::to_base64`]; nothing but its one spelling.
    pub fn from_base64(text: &str) -> Option<Self> {
        // 44 characters: anything longer is not even decoded.
        (text.len() == 44)
            .then(|| STANDARD.decode(text).ok())??
            .try_into()
            .ok()
            .map(Self)
    }
}

impl fmt::Debug for LeafHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_base64())
    }
}

/// The hash of a leaf.
pub fn leaf_hash(leaf: &[u8]) -> LeafHash {
    LeafHash(tlog_tiles::record_hash(leaf).0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_that_of_rfc_6962() {
        // The first leaf of the vectors of certificate-transparency: the empty string.
        assert_eq!(
            caracal_crypto::hex(&leaf_hash(b"").0),
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
        );
        assert_eq!(leaf_hash(b"x").0, caracal_crypto::sha256(b"\0x"));
    }

    #[test]
    fn base64_has_one_spelling() {
        let hash = leaf_hash(b"x");
        let text = hash.to_base64();
        assert_eq!(LeafHash::from_base64(&text), Some(hash));
        for bad in [
            text.trim_end_matches('='),
            &text[1..],
            "",
            &format!("{text} "),
            &text.replace('=', "A"),
        ] {
            assert_eq!(LeafHash::from_base64(bad), None, "{bad}");
        }
    }
}
