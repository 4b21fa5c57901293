//! The calls that are going on, so that a revocation finds them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use std::sync::{Arc, OnceLock};

use caracal_core::{Anchor, KeyId, RefusalCode, Revision};
use tokio_util::sync::CancellationToken;

use crate::authorize_call::AskedCall;
use crate::chain::Chain;
use crate::ended::Ended;
use crate::view::ZoneView;

/// The calls of a zone from before they are authorised until their answer has ended.
#[derive(Default)]
pub(crate) struct LiveCalls {
    calls: papaya::HashMap<u64, Arc<LiveCall>>,
    next: AtomicU64,
    /// True while policy is to be asked again about all of them.
    to_ask: AtomicBool,
    /// True while somebody does so.
    asking: AtomicBool,
}

pub(crate) struct LiveCall {
    /// Everything whose end ends the call.
    pub(crate) chain: Chain,
    /// What its mandate was decided on.
    pub(crate) revision: Revision,
    /// The key that signed its mandate.
    key: KeyId,
    pub(crate) cut: CancellationToken,
    /// What was asked about it, once it may go out.
    asked: OnceLock<Box<AskedCall>>,
    /// Why it was cut, when nothing that it stands on has ended.
    refused: OnceLock<RefusalCode>,
}

impl LiveCall {
    /// The link of the chain that is dead in this view.
    pub(crate) fn find_dead(&self, view: &ZoneView) -> Option<Anchor> {
        self.chain.find_dead(view, self.revision)
    }

    /// Has it decided again from now on, whenever policy changes. Whoever calls this looks at
    /// the newest view afterwards.
    pub(crate) fn decide_again_later(&self, asked: impl FnOnce() -> AskedCall) {
        self.asked.get_or_init(|| Box::new(asked()));
        // Either this call is found by those who publish a view, or it finds their view.
        fence(Ordering::SeqCst);
    }

    /// What to decide again, unless it is over or was not decided yet.
    pub(crate) fn asked(&self) -> Option<&AskedCall> {
        self.asked
            .get()
            .filter(|_| !self.cut.is_cancelled())
            .map(|asked| &**asked)
    }

    /// Cuts it because it may not go on.
    pub(crate) fn refuse(&self, code: RefusalCode) {
        let _ = self.refused.set(code);
        self.cut.cancel();
    }

    /// Why it was cut.
    pub(crate) fn cut_code(&self) -> RefusalCode {
        self.refused
            .get()
            .copied()
            .unwrap_or(RefusalCode::MandateRevoked)
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
            asked: OnceLock::new(),
            refused: OnceLock::new(),
        });
        self.calls.pin().insert(key, Arc::clone(&call));
        LiveGuard {
            register: Arc::clone(self),
            key,
            call,
        }
    }

    /// Cuts the calls that a commit ends, and returns how many of them each anchor has ended.
    /// Every call is looked at once, whatever the commit ends.
    pub(crate) fn cut_ended(&self, ended: &Ended, view: &ZoneView) -> HashMap<Anchor, u64> {
        let mut counts = HashMap::new();
        if ended.is_empty() {
            return counts;
        }
        for call in self.calls.pin().values() {
            if call.cut.is_cancelled() {
                continue;
            }
            let dead = call.chain.find_ended(ended, view, call.revision);
            if dead.is_some() || ended.keys.contains(&call.key) {
                call.cut.cancel();
            }
            if let Some(anchor) = dead {
                *counts.entry(anchor).or_default() += 1;
            }
        }
        counts
    }

    /// Says that policy is to be asked again about every call; true for whoever has to do it.
    pub(crate) fn ask_again(&self) -> bool {
        self.to_ask.store(true, Ordering::SeqCst);
        !self.asking.swap(true, Ordering::SeqCst)
    }

    /// The calls to ask about next; none when there is nothing more to ask, so that the next
    /// [`Self::ask_again`] is for somebody else.
    pub(crate) fn take_asked(&self) -> Option<Vec<Arc<LiveCall>>> {
        loop {
            if self.to_ask.swap(false, Ordering::SeqCst) {
                fence(Ordering::SeqCst);
                return Some(self.calls.pin().values().cloned().collect());
            }
            self.asking.store(false, Ordering::SeqCst);
            // Somebody may have said so between the two.
            if !self.to_ask.load(Ordering::SeqCst) || self.asking.swap(true, Ordering::SeqCst) {
                return None;
            }
        }
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
