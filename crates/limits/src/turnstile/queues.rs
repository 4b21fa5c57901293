//! Who waits, and whose turn it is.

use std::collections::{HashMap, VecDeque};

use tokio::sync::oneshot;

use super::{Claimant, TurnedAway};

/// Somebody whose turn has come.
pub(super) struct Called {
    pub(super) claimant: Claimant,
    pub(super) call: oneshot::Sender<()>,
}

/// A queue per application, and the order in which they are served. Only what waits is kept.
#[derive(Default)]
pub(super) struct Queues {
    /// The zones in the order of their turns.
    turns: VecDeque<u128>,
    zones: HashMap<u128, Zone>,
    len: usize,
    next_ticket: u64,
}

#[derive(Default)]
struct Zone {
    /// The applications in the order of their turns.
    turns: VecDeque<u128>,
    applications: HashMap<u128, VecDeque<(u64, oneshot::Sender<()>)>>,
}

impl Queues {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn len_of(&self, claimant: Claimant) -> usize {
        let queue = self.zones.get(&claimant.zone);
        let queue = queue.and_then(|zone| zone.applications.get(&claimant.application));
        queue.map_or(0, VecDeque::len)
    }

    /// Puts a claimant at the end of its queue: its ticket, and what it hears of when called.
    pub(super) fn push(&mut self, claimant: Claimant) -> (u64, oneshot::Receiver<()>) {
        let (call, called) = oneshot::channel();
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        let Claimant { zone, application } = claimant;
        let held = self.zones.entry(zone).or_default();
        if held.turns.is_empty() {
            self.turns.push_back(zone);
        }
        let queue = held.applications.entry(application).or_default();
        if queue.is_empty() {
            held.turns.push_back(application);
        }
        queue.push_back((ticket, call));
        self.len += 1;
        (ticket, called)
    }

    /// Calls the next claimant for whom `take` gets a place. A zone or an application that has
    /// its share lets the others pass.
    pub(super) fn next(
        &mut self,
        take: impl Fn(Claimant) -> Result<(), TurnedAway>,
    ) -> Option<Called> {
        for _ in 0..self.turns.len() {
            let id = self.turns.pop_front()?;
            let Some(zone) = self.zones.get_mut(&id) else {
                continue;
            };
            let called = zone.next(id, &take);
            if zone.turns.is_empty() {
                self.zones.remove(&id);
            } else {
                self.turns.push_back(id);
            }
            if let Some(called) = called {
                self.len -= 1;
                return Some(called);
            }
        }
        None
    }

    /// Takes a claimant out of its queue. False when it is not in it any more.
    pub(super) fn remove(&mut self, claimant: Claimant, ticket: u64) -> bool {
        let Some(zone) = self.zones.get_mut(&claimant.zone) else {
            return false;
        };
        let Some(queue) = zone.applications.get_mut(&claimant.application) else {
            return false;
        };
        // Tickets go up along a queue.
        let Ok(place) = queue.binary_search_by_key(&ticket, |(held, _)| *held) else {
            return false;
        };
        queue.remove(place);
        self.len -= 1;
        self.forget_if_empty(claimant);
        true
    }

    /// Turns out the last of the longest queue, if that is longer than the claimant's would be.
    pub(super) fn drop_from_longer(&mut self, claimant: Claimant) -> bool {
        let queues = self.zones.iter().flat_map(|(zone, held)| {
            held.applications.iter().map(|(application, queue)| {
                let claimant = Claimant {
                    zone: *zone,
                    application: *application,
                };
                (queue.len(), claimant)
            })
        });
        let Some((length, longest)) = queues.max_by_key(|(length, _)| *length) else {
            return false;
        };
        if length <= self.len_of(claimant) + 1 {
            return false;
        }
        let zone = self.zones.get_mut(&longest.zone);
        let queue = zone.and_then(|zone| zone.applications.get_mut(&longest.application));
        let dropped = queue.and_then(VecDeque::pop_back).is_some();
        if dropped {
            self.len -= 1;
            self.forget_if_empty(longest);
        }
        dropped
    }

    fn forget_if_empty(&mut self, claimant: Claimant) {
        let Some(zone) = self.zones.get_mut(&claimant.zone) else {
            return;
        };
        let is_empty = |queue: &VecDeque<_>| queue.is_empty();
        if zone
            .applications
            .get(&claimant.application)
            .is_some_and(is_empty)
        {
            zone.applications.remove(&claimant.application);
            zone.turns.retain(|held| *held != claimant.application);
        }
        if zone.turns.is_empty() {
            self.zones.remove(&claimant.zone);
            self.turns.retain(|held| *held != claimant.zone);
        }
    }
}

impl Zone {
    fn next(
        &mut self,
        id: u128,
        take: &impl Fn(Claimant) -> Result<(), TurnedAway>,
    ) -> Option<Called> {
        for _ in 0..self.turns.len() {
            let application = self.turns.pop_front()?;
            let claimant = Claimant {
                zone: id,
                application,
            };
            let Some(queue) = self.applications.get_mut(&application) else {
                continue;
            };
            let called = if take(claimant).is_ok() {
                queue.pop_front()
            } else {
                None
            };
            if queue.is_empty() {
                self.applications.remove(&application);
            } else {
                self.turns.push_back(application);
            }
            if let Some((_, call)) = called {
                return Some(Called { claimant, call });
            }
        }
        None
    }
}
