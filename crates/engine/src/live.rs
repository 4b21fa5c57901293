//! The calls that are going on, so that a revocation finds them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use caracal_core::{Anchor, KeyId, Revision};
use tokio_util::sync::CancellationToken;

use crate::view::ZoneView;

/// The calls of a zone from before they are authorised until their answer has ended.
#[derive(Default)]
pub(crate) struct LiveCalls {
    calls: papaya::HashMap<u64, Arc<LiveCall>>,
    next: AtomicU64,
}

pub(crate) struct LiveCall {
    /// Everything whose end ends the call: zone, application, session, mandate, resource, provider.
    pub(crate) chain: Vec<Anchor>,
    /// What its mandate was decided on.
    pub(crate) revision: Revision,
    /// The key that signed its mandate.
    key: KeyId,
    pub(crate) cut: CancellationToken,
}

impl LiveCall {
    /// The link of the chain that is dead in this view.
    pub(crate) fn find_dead(&self, view: &ZoneView) -> Option<Anchor> {
        self.chain
            .iter()
            .copied()
            .find(|anchor| view.ends(*anchor, self.revision))
    }
}

/// Keeps a call in the register for as long as it lives.
pub(crate) struct LiveGuard {
    register: Arc<LiveCalls>,
    key: u64,
    pub(crate) call: Arc<LiveCall>,
}

impl Drop for LiveGuard {
    fn drop(&mut self) {
        self.register.calls.pin().remove(&self.key);
    }
}

impl LiveCalls {
    pub(crate) fn enter(
        self: &Arc<Self>,
        chain: Vec<Anchor>,
        revision: Revision,
        signed_by: KeyId,
    ) -> LiveGuard {
        let key = self.next.fetch_add(1, Ordering::Relaxed);
        let call = Arc::new(LiveCall {
            chain,
            revision,
            key: signed_by,
            cut: CancellationToken::new(),
        });
        self.calls.pin().insert(key, Arc::clone(&call));
        LiveGuard {
            register: Arc::clone(self),
            key,
            call,
        }
    }

    /// Cuts the calls that this anchor ends and returns how many were cut.
    pub(crate) fn cut(&self, anchor: Anchor, view: &ZoneView) -> u64 {
        let mut count = 0;
        for call in self.calls.pin().values() {
            let ended = call.chain.contains(&anchor) && view.ends(anchor, call.revision);
            if ended && !call.cut.is_cancelled() {
                call.cut.cancel();
                count += 1;
            }
        }
        count
    }

    /// Cuts the calls whose mandate this key signed and returns how many were cut.
    pub(crate) fn cut_signed_by(&self, key: KeyId) -> u64 {
        let mut count = 0;
        for call in self.calls.pin().values() {
            if call.key == key && !call.cut.is_cancelled() {
                call.cut.cancel();
                count += 1;
            }
        }
        count
    }

    /// Cuts every call.
    pub(crate) fn cut_all(&self) {
        for call in self.calls.pin().values() {
            call.cut.cancel();
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.calls.len()
    }
}
