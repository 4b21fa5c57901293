//! The calls that are going on, so that a revocation finds them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use caracal_core::{Anchor, KeyId, Revision, SessionId, SessionStatus};
use tokio_util::sync::CancellationToken;

use crate::chain::Chain;
use crate::view::ZoneView;

/// The calls of a zone from before they are authorised until their answer has ended.
#[derive(Default)]
pub(crate) struct LiveCalls {
    calls: papaya::HashMap<u64, Arc<LiveCall>>,
    next: AtomicU64,
}

pub(crate) struct LiveCall {
    /// Everything whose end ends the call.
    pub(crate) chain: Chain,
    /// What its mandate was decided on.
    pub(crate) revision: Revision,
    /// The key that signed its mandate.
    key: KeyId,
    pub(crate) cut: CancellationToken,
}

impl LiveCall {
    /// The link of the chain that is dead in this view.
    pub(crate) fn find_dead(&self, view: &ZoneView) -> Option<Anchor> {
        self.chain.find_dead(view, self.revision)
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
        chain: Chain,
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
        self.cut_where(|call| call.chain.dies_of(anchor, view, call.revision))
    }

    /// Cuts the calls under a session that was suspended or has another holder now.
    pub(crate) fn cut_session(&self, session: SessionId, view: &ZoneView) -> u64 {
        let Some(held) = view.sessions.find(session) else {
            return 0;
        };
        let suspended = held.value.status == SessionStatus::Suspended;
        if !suspended && held.value.generation == 1 {
            return 0;
        }
        let anchor = Anchor::Session(session);
        self.cut_where(|call| {
            (suspended && call.chain.contains(anchor))
                || call.chain.is_fenced(session, view, call.revision)
        })
    }

    /// Cuts the calls whose mandate this key signed and returns how many were cut.
    pub(crate) fn cut_signed_by(&self, key: KeyId) -> u64 {
        self.cut_where(|call| call.key == key)
    }

    fn cut_where(&self, ends: impl Fn(&LiveCall) -> bool) -> u64 {
        let mut count = 0;
        for call in self.calls.pin().values() {
            if !call.cut.is_cancelled() && ends(call) {
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
