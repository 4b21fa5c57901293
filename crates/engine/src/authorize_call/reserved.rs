//! An approval between its use and the first byte.

use crate::Engine;
use crate::approvals::Given;
use crate::verify::OpenedMandate;

/// An approval that a call has used up, and may give back as long as nothing was sent.
pub(super) struct Reserved<'e> {
    pub(super) engine: &'e Engine,
    pub(super) opened: &'e OpenedMandate,
    pub(super) given: Option<Given>,
    pub(super) request_id: &'e str,
}

impl Reserved<'_> {
    pub(super) async fn release(&self) {
        if let Some(given) = self.given {
            let handle = &self.opened.handle;
            self.engine
                .release_approval(handle, given.id, self.request_id)
                .await;
        }
    }
}
