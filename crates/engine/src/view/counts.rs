//! How many objects each application has.

use caracal_core::ApplicationId;
use uuid::Uuid;

/// Counts by application. One that has none takes no room.
#[derive(Clone, Default)]
pub(crate) struct Counts(imbl::HashMap<Uuid, usize>);

impl Counts {
    pub(crate) fn of(&self, application: ApplicationId) -> usize {
        self.0.get(&application.uuid()).copied().unwrap_or(0)
    }

    pub(crate) fn add(&mut self, application: ApplicationId) {
        *self.0.entry(application.uuid()).or_insert(0) += 1;
    }

    pub(crate) fn remove(&mut self, application: ApplicationId) {
        let left = self.of(application).saturating_sub(1);
        if left == 0 {
            self.0.remove(&application.uuid());
        } else {
            self.0.insert(application.uuid(), left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_and_goes_leaves_nothing() {
        let mut counts = Counts::default();
        let id = ApplicationId::from_uuid(Uuid::from_u128(1));
        counts.add(id);
        counts.add(id);
        assert_eq!(counts.of(id), 2);
        counts.remove(id);
        counts.remove(id);
        assert_eq!(counts.of(id), 0);
        assert!(counts.0.is_empty());
    }
}
