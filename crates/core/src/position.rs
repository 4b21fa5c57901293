//! Where in the history of a zone something stands.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The number of a commit in its zone; the first commit has revision 1.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Revision(pub u64);

impl Revision {
    /// The revision after this one.
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl std::fmt::Display for Revision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// A random mark of one uninterrupted history; replaced on restore or detected loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub Uuid);

impl Epoch {
    /// True when this is the epoch of a position in its short form.
    pub fn is_of(&self, position: &str) -> bool {
        let mut own = self.0.as_bytes().iter().take(SHORT_BYTES);
        let Some((epoch, _)) = position.split_once('.') else {
            return false;
        };
        let (digits, rest) = epoch.as_bytes().as_chunks::<2>();
        rest.is_empty()
            && digits.len() == SHORT_BYTES
            && digits.iter().all(|pair| {
                own.next()
                    .is_some_and(|byte| *pair == [hex_digit(byte >> 4), hex_digit(byte & 0xf)])
            })
    }
}

/// How many bytes of epoch and hash the short form of a position has.
const SHORT_BYTES: usize = 8;

/// The lower-case digit of a number below 16.
const fn hex_digit(value: u8) -> u8 {
    match value {
        0..=9 => b'0' + value,
        _ => b'a' + value - 10,
    }
}

/// (epoch, revision, hash): two nodes that hold the same position hold the same history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Position {
    /// The history this position belongs to.
    pub epoch: Epoch,
    /// The number of the last commit.
    pub revision: Revision,
    /// SHA-256 over the predecessor's hash and the commit's own bytes; zeros before the first.
    pub hash: [u8; 32],
}

impl Position {
    /// The position before the first commit of a history.
    pub const fn start(epoch: Epoch) -> Self {
        Self {
            epoch,
            revision: Revision(0),
            hash: [0; 32],
        }
    }
}

impl std::fmt::Display for Position {
    /// The short form that mandates carry as `rev`: the first 8 bytes of epoch and hash, in hex.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for byte in self.epoch.0.as_bytes().iter().take(SHORT_BYTES) {
            write!(f, "{byte:02x}")?;
        }
        write!(f, ".{}.", self.revision)?;
        for byte in self.hash.iter().take(SHORT_BYTES) {
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_knows_its_positions_and_no_others() {
        let epoch = Epoch(Uuid::from_u128(0x0123_4567_89ab_cdef_0000_0000_0000_0001));
        let position = Position::start(epoch);
        assert!(epoch.is_of(&position.to_string()));
        assert!(epoch.is_of("0123456789abcdef.7.x"));
        for other in [
            "",
            ".",
            "0123456789abcdef",
            "0123456789ABCDEF.7.x",
            "0123456789abcde.7.x",
            "0123456789abcdee.7.x",
            "1123456789abcdef.7.x",
            "0123456789abcdef0.7.x",
            "0123456789abcdef00.7.x",
            "é123456789abcdef.7.x",
        ] {
            assert!(!epoch.is_of(other), "{other}");
        }
    }
}
