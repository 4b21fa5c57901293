//! Budgets of calls that hold over whole trees.
//!
//! A node takes a part of a budget in a commit, and gives it out from memory, one call at a
//! time. What it has taken and not given out when it dies is lost: a budget is never exceeded.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use caracal_core::{Budget, BudgetAnchor, EventType, Kind, RefusalCode, Version};
use serde::{Deserialize, Serialize};

use crate::change::Change;
use crate::path::AuthorityPath;
use crate::view::ZoneView;
use crate::zone_handle::ZoneHandle;
use crate::{Admin, AdminError, Engine, Operator, Refusal};

/// A node takes this part of what is left, so that several nodes can share the rest…
const PART: u64 = 16;
/// …and at most so much at a time.
const MOST: u64 = 256;

/// What this node may give out of each budget.
#[derive(Default)]
pub(crate) struct Purses(papaya::HashMap<BudgetAnchor, Arc<Purse>>);

#[derive(Default)]
struct Purse {
    left: AtomicU64,
    /// Held by the one that takes more.
    turn: tokio::sync::Mutex<()>,
}

impl Purse {
    fn take_one(&self) -> bool {
        let less = |left: u64| left.checked_sub(1);
        self.left
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, less)
            .is_ok()
    }
}

impl Purses {
    fn of(&self, anchor: BudgetAnchor) -> Arc<Purse> {
        Arc::clone(self.0.pin().get_or_insert_with(anchor, Arc::default))
    }

    pub(crate) fn forget(&self, anchor: BudgetAnchor) {
        self.0.pin().remove(&anchor);
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Everything that was taken and not given out.
    fn drain(&self) -> Vec<(BudgetAnchor, u64)> {
        let purses = self.0.pin();
        let emptied = purses
            .iter()
            .map(|(anchor, purse)| (*anchor, purse.left.swap(0, Ordering::AcqRel)));
        emptied.filter(|(_, left)| *left > 0).collect()
    }
}

/// One call taken out of every budget on a path. What is dropped before it was spent goes back.
#[derive(Default)]
pub(crate) struct TakenCall(Vec<Arc<Purse>>);

impl TakenCall {
    /// The call goes out.
    pub(crate) fn spend(mut self) {
        self.0.clear();
    }
}

impl Drop for TakenCall {
    fn drop(&mut self) {
        for purse in &self.0 {
            purse.left.fetch_add(1, Ordering::AcqRel);
        }
    }
}

/// The budgets on a path with their limits.
fn budgets_of(path: &AuthorityPath) -> impl Iterator<Item = (BudgetAnchor, u64)> {
    let sessions = path.links().filter_map(|link| {
        let session = &link.stored()?.value;
        Some((BudgetAnchor::Session(session.id), session.calls?))
    });
    let delegations = path.delegations.iter().filter_map(|held| {
        let limit = held.value.calls?;
        Some((BudgetAnchor::Delegation(held.value.id), limit))
    });
    sessions.chain(delegations)
}

impl Engine {
    /// Takes one call out of every budget on a path.
    ///
    /// # Errors
    /// `budget_exhausted` when one is empty; then nothing was taken of the others.
    pub(crate) async fn take_call(
        &self,
        handle: &ZoneHandle,
        path: &AuthorityPath,
    ) -> Result<TakenCall, Refusal> {
        let mut taken = TakenCall::default();
        let mut charged = Vec::new();
        for (anchor, limit) in budgets_of(path) {
            // A session that lends within its own tree is on the path twice.
            if charged.contains(&anchor) {
                continue;
            }
            charged.push(anchor);
            let purse = handle.purses.of(anchor);
            if !purse.take_one() {
                self.refill(handle, anchor, limit, &purse).await?;
            }
            taken.0.push(purse);
        }
        Ok(taken)
    }

    /// Takes a part of a budget, and one call of it.
    async fn refill(
        &self,
        handle: &ZoneHandle,
        anchor: BudgetAnchor,
        limit: u64,
        purse: &Purse,
    ) -> Result<(), Refusal> {
        let _turn = purse.turn.lock().await;
        if purse.take_one() {
            return Ok(());
        }
        let part = self.take_part(handle, anchor, limit).await.map_err(|e| {
            Refusal::new(
                RefusalCode::LedgerUnavailable,
                format!("the budget of `{anchor}` cannot be written: {e}"),
            )
        })?;
        let Some(part) = part else {
            // Whoever looks for it from now on sees that it is gone, and makes no purse.
            handle.purses.forget(anchor);
            let why = format!("`{anchor}` has ended");
            return Err(Refusal::new(RefusalCode::MandateRevoked, why));
        };
        if part == 0 {
            let why = format!("the budget of `{anchor}` is used up: {limit} calls");
            return Err(Refusal::new(RefusalCode::BudgetExhausted, why));
        }
        purse.left.fetch_add(part - 1, Ordering::AcqRel);
        Ok(())
    }

    async fn take_part(
        &self,
        handle: &ZoneHandle,
        anchor: BudgetAnchor,
        limit: u64,
    ) -> Result<Option<u64>, AdminError> {
        let part = |left: u64| (left / PART).clamp(1, MOST).min(left);
        self.change_budget(handle, anchor, |taken| {
            let left = limit.saturating_sub(taken);
            (taken + part(left), part(left))
        })
        .await
    }

    /// Gives back what was taken of budgets and not given out, before the node ends.
    pub(crate) async fn return_budgets(&self) {
        let handles: Vec<_> = self.0.zones.pin().values().cloned().collect();
        for handle in handles {
            for (anchor, left) in handle.purses.drain() {
                let back = |taken: u64| (taken.saturating_sub(left), left);
                if let Err(error) = self.change_budget(&handle, anchor, back).await {
                    tracing::warn!(%anchor, left, %error, "a part of a budget could not be given back");
                }
            }
        }
    }

    /// Writes how much of a budget is taken. `change` makes of what was taken what is taken now,
    /// and the difference. None: what it is the budget of has ended.
    async fn change_budget(
        &self,
        handle: &ZoneHandle,
        anchor: BudgetAnchor,
        change: impl Fn(u64) -> (u64, u64),
    ) -> Result<Option<u64>, AdminError> {
        let admin = Admin::new(Operator::sweeper(), self.new_request_id());
        let zone = handle.id;
        let moved: Moved = self
            .write(zone, &admin, |view| {
                let mut written = Change::standalone(zone);
                // It is written only while what it belongs to is as it was: nothing is left of it
                // when that ends.
                let Some((kind, owner)) = owner_of(view, anchor) else {
                    return Ok((written, Moved { calls: None }));
                };
                written.read(kind, anchor.uuid(), owner);
                let held = view.budgets.get(&anchor.uuid());
                let version = held.map_or(Version::ABSENT, |held| held.version);
                let before = held.map_or(0, |held| held.value.taken);
                let (taken, moved) = change(before);
                if taken != before {
                    let value = Budget { anchor, taken };
                    written.put(Kind::Budget, anchor.uuid(), None, version, &value)?;
                    let mut event = self.admin_event(zone, &admin, EventType::BudgetReserved);
                    event.target = Some(anchor.to_string());
                    event.reason = Some(format!("{taken} calls are given to nodes"));
                    written.events.push(event);
                }
                let calls = Some(moved);
                Ok((written, Moved { calls }))
            })
            .await?;
        Ok(moved.calls)
    }
}

#[derive(Serialize, Deserialize)]
struct Moved {
    calls: Option<u64>,
}

/// The object that a budget belongs to, and its version.
fn owner_of(view: &ZoneView, anchor: BudgetAnchor) -> Option<(Kind, Version)> {
    match anchor {
        BudgetAnchor::Session(id) => {
            let held = view.sessions.find(id)?;
            Some((Kind::Session, held.version))
        }
        BudgetAnchor::Delegation(id) => {
            let held = view.delegations.find(id)?;
            Some((Kind::Delegation, held.version))
        }
        BudgetAnchor::Application(id) => {
            let held = view.applications.find_by_id(id.uuid())?;
            Some((Kind::Application, held.version))
        }
    }
}
