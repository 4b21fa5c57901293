//! How each position covers the one before.

use caracal_core::{CommitId, Position, ZoneId};

/// The position after a commit, from the one before it and the commit's own bytes. `writes`
/// and `events` are the JSON texts as they are stored. Every back end uses this.
pub fn next_position(
    previous: &Position,
    zone: ZoneId,
    id: CommitId,
    writes: &str,
    events: &str,
) -> Position {
    let revision = previous.revision.next();
    let mut bytes = Vec::with_capacity(96 + writes.len() + events.len());
    bytes.extend_from_slice(previous.epoch.0.as_bytes());
    bytes.extend_from_slice(zone.uuid().as_bytes());
    bytes.extend_from_slice(&revision.0.to_be_bytes());
    bytes.extend_from_slice(id.uuid().as_bytes());
    for text in [writes, events] {
        // A length before each text: no two commits share their bytes.
        bytes.extend_from_slice(&u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
        bytes.extend_from_slice(text.as_bytes());
    }
    Position {
        epoch: previous.epoch,
        revision,
        hash: caracal_ledger::chain_hash(&previous.hash, &bytes),
    }
}

#[cfg(test)]
mod tests {
    use caracal_core::Epoch;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn everything_of_a_commit_changes_the_hash() {
        let start = Position::start(Epoch(Uuid::from_bytes([1; 16])));
        let other = Position::start(Epoch(Uuid::from_bytes([2; 16])));
        let zone = ZoneId::from_uuid(Uuid::from_bytes([3; 16]));
        let id = CommitId::from_uuid(Uuid::from_bytes([4; 16]));
        let first = next_position(&start, zone, id, "[1]", "[2]");
        assert_eq!(first.revision.0, 1);
        let variants = [
            next_position(&other, zone, id, "[1]", "[2]"),
            next_position(&first, zone, id, "[1]", "[2]"),
            next_position(&start, ZoneId::INSTANCE, id, "[1]", "[2]"),
            next_position(&start, zone, CommitId::from_uuid(Uuid::nil()), "[1]", "[2]"),
            next_position(&start, zone, id, "[1][", "2]"),
            next_position(&start, zone, id, "[1]", "[3]"),
        ];
        for variant in variants {
            assert_ne!(variant.hash, first.hash);
        }
        assert_eq!(next_position(&start, zone, id, "[1]", "[2]"), first);
    }
}
