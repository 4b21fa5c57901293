//! A zone that this node serves.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use caracal_core::{Anchor, BudgetAnchor, Revision, RevocationId, ZoneId};
use jiff::Timestamp;
use tokio::sync::watch;

use crate::endings::RecentEndings;
use crate::leases::Leases;
use crate::live::LiveCalls;
use crate::secrets::SecretUses;
use crate::view::ZoneView;

/// The current view of a zone and how far its commits have come.
pub(crate) struct ZoneHandle {
    pub(crate) id: ZoneId,
    view: ArcSwap<ZoneView>,
    applied: watch::Sender<Revision>,
    recorded: watch::Sender<Revision>,
    stuck: AtomicBool,
    pub(crate) live: Arc<LiveCalls>,
    /// What the latest commits ended.
    pub(crate) endings: RecentEndings,
    /// The client secrets that were used here lately.
    pub(crate) secret_uses: SecretUses,
    /// When sessions were last heard of.
    pub(crate) leases: Leases,
    /// What this node may give out of each budget.
    pub(crate) purses: crate::budgets::Purses,
    /// Held by whoever asks for an approval, so that identical requests ask once.
    pub(crate) approvals_turn: tokio::sync::Mutex<()>,
    /// How many calls each recent revocation cut, for its receipt.
    pub(crate) cuts: moka::sync::Cache<RevocationId, u64>,
}

impl ZoneHandle {
    /// A handle whose view is `view`, and whose log holds the commits up to `recorded`; heartbeats
    /// count from `now`.
    pub(crate) fn new(id: ZoneId, view: ZoneView, recorded: Revision, now: Timestamp) -> Self {
        let applied = view.position.revision;
        Self {
            id,
            view: ArcSwap::from_pointee(view),
            applied: watch::Sender::new(applied),
            recorded: watch::Sender::new(recorded),
            stuck: AtomicBool::new(false),
            live: Arc::default(),
            endings: RecentEndings::since(applied),
            secret_uses: SecretUses::default(),
            leases: Leases::new(now),
            purses: crate::budgets::Purses::default(),
            approvals_turn: tokio::sync::Mutex::default(),
            cuts: moka::sync::Cache::new(1024),
        }
    }

    pub(crate) fn view(&self) -> Arc<ZoneView> {
        self.view.load_full()
    }

    pub(crate) fn publish(&self, view: ZoneView) {
        let revision = view.position.revision;
        self.view.store(Arc::new(view));
        self.applied.send_replace(revision);
    }

    /// Notes that a commit could not be applied: the view is out of date for good, and
    /// what goes on is cut.
    pub(crate) fn mark_stuck(&self) {
        self.stuck.store(true, Ordering::Release);
        // The commit may have been the revocation of any of them.
        self.live.cut_all();
    }

    /// Forgets what was kept in memory for something that is not in the view any more.
    pub(crate) fn forget(&self, gone: Anchor) {
        match gone {
            Anchor::Session(id) => {
                self.leases.forget(id);
                self.purses.forget(BudgetAnchor::Session(id));
            }
            Anchor::Delegation(id) => self.purses.forget(BudgetAnchor::Delegation(id)),
            _ => {}
        }
    }

    /// True when the view is out of date, so that nothing may be decided on it.
    pub(crate) fn is_stuck(&self) -> bool {
        self.stuck.load(Ordering::Acquire)
    }

    /// The events of the commits up to this are in the log.
    pub(crate) fn recorded(&self) -> Revision {
        *self.recorded.borrow()
    }

    pub(crate) fn set_recorded(&self, revision: Revision) {
        self.recorded.send_if_modified(|held| {
            let newer = revision > *held;
            if newer {
                *held = revision;
            }
            newer
        });
    }

    /// Tells of every commit that the view follows from now on.
    pub(crate) fn follow(&self) -> watch::Receiver<Revision> {
        self.applied.subscribe()
    }

    /// Waits until the view is at least at `revision`.
    pub(crate) async fn wait_applied(&self, revision: Revision, limit: Duration) -> bool {
        wait(&self.applied, revision, limit).await
    }

    /// Waits until the events of the commits up to `revision` are in the log.
    pub(crate) async fn wait_recorded(&self, revision: Revision, limit: Duration) -> bool {
        wait(&self.recorded, revision, limit).await
    }
}

async fn wait(sender: &watch::Sender<Revision>, revision: Revision, limit: Duration) -> bool {
    let mut receiver = sender.subscribe();
    let reached = receiver.wait_for(|held| *held >= revision);
    matches!(tokio::time::timeout(limit, reached).await, Ok(Ok(_)))
}
