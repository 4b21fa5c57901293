//! One place.

use std::sync::Arc;

use super::{Claimant, Inner};

/// A place; dropping it gives it to whoever is next.
#[must_use = "dropping it gives the place back"]
pub struct Place {
    inner: Arc<Inner>,
    claimant: Claimant,
}

impl Place {
    pub(super) fn new(inner: Arc<Inner>, claimant: Claimant) -> Self {
        Self { inner, claimant }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.inner.release(self.claimant);
    }
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Place")
            .field("claimant", &self.claimant)
            .finish_non_exhaustive()
    }
}
