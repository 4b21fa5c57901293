//! Which revocations end an anchor.

use caracal_core::Anchor;
use uuid::Uuid;

/// Revocations by their anchor. An anchor without any takes no room: mandates come and go.
#[derive(Clone, Default)]
pub(crate) struct Anchors(imbl::HashMap<Anchor, imbl::Vector<Uuid>>);

impl Anchors {
    pub(crate) fn add(&mut self, anchor: Anchor, revocation: Uuid) {
        self.0.entry(anchor).or_default().push_back(revocation);
    }

    pub(crate) fn remove(&mut self, anchor: Anchor, revocation: Uuid) {
        if let Some(ids) = self.0.get_mut(&anchor) {
            ids.retain(|own| *own != revocation);
            if ids.is_empty() {
                self.0.remove(&anchor);
            }
        }
    }

    pub(crate) fn of(&self, anchor: Anchor) -> impl Iterator<Item = &Uuid> {
        self.0.get(&anchor).into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use caracal_core::MandateId;

    use super::*;

    #[test]
    fn an_anchor_without_revocations_leaves_nothing() {
        let mut anchors = Anchors::default();
        let anchor = |n| Anchor::Mandate(MandateId::from_uuid(Uuid::from_u128(n)));
        for n in 0..100 {
            anchors.add(anchor(n), Uuid::from_u128(n));
            anchors.add(anchor(n), Uuid::from_u128(1000));
            anchors.remove(anchor(n), Uuid::from_u128(n));
            assert_eq!(anchors.of(anchor(n)).count(), 1);
            anchors.remove(anchor(n), Uuid::from_u128(1000));
        }
        assert!(anchors.0.is_empty());
    }
}
