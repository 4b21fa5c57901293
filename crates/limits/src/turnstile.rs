//! Places that are handed out fairly when there are too few.

mod limits;
mod place;
mod queues;
mod shares;
mod turned_away;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;
use tokio::time::Instant;

pub use limits::TurnstileLimits;
pub use place::Place;
pub use turned_away::TurnedAway;

use queues::Queues;
use shares::Shares;

/// On whose behalf a place is asked for. The numbers are those of ids whose low bits are random.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Claimant {
    /// The zone.
    pub zone: u128,
    /// The application.
    pub application: u128,
}

/// A bounded number of places. While there are some, taking one is a few atomic steps. Once they
/// are taken, claimants wait in a queue per application, and what becomes free goes round: to
/// one zone after the other, and in a zone to one application after the other. Cloning is cheap;
/// clones share the places.
#[derive(Clone)]
pub struct Turnstile(Arc<Inner>);

pub(crate) struct Inner {
    door: &'static str,
    limits: TurnstileLimits,
    shares: Shares,
    /// How many wait or are about to. Who sees none may take a place without looking at queues.
    waiting: AtomicUsize,
    queues: Mutex<Queues>,
}

impl Turnstile {
    /// Places of a door, by whose name waiting is measured, under these limits.
    pub fn new(door: &'static str, limits: TurnstileLimits) -> Self {
        let shares = Shares::new(limits.places, limits.per_application, limits.per_zone);
        Self(Arc::new(Inner {
            door,
            limits,
            shares,
            waiting: AtomicUsize::new(0),
            queues: Mutex::default(),
        }))
    }

    /// A place, at once or after its turn in the queue. Dropping the future gives up the turn.
    ///
    /// # Errors
    /// When the queue is full, or the turn did not come within the patience.
    pub async fn enter(&self, claimant: Claimant) -> Result<Place, TurnedAway> {
        match self.try_enter(claimant) {
            Ok(place) => Ok(place),
            // Boxed, so that those who need not wait do not carry its weight.
            Err(_) => Box::pin(self.wait(claimant)).await,
        }
    }

    /// A place if there is one now and nobody waits for it.
    ///
    /// # Errors
    /// When there is none.
    pub fn try_enter(&self, claimant: Claimant) -> Result<Place, TurnedAway> {
        let inner = &self.0;
        if inner.waiting.load(Ordering::SeqCst) > 0 {
            return Err(TurnedAway::Overloaded);
        }
        match inner.shares.take(claimant) {
            Ok(()) => Ok(Place::new(Arc::clone(inner), claimant)),
            Err(refused) => {
                // For a moment it held a part, which somebody may have missed just then.
                inner.settle();
                Err(refused)
            }
        }
    }

    /// How many places are taken.
    pub fn taken(&self) -> usize {
        self.0.shares.taken()
    }

    /// How many wait for a place.
    pub fn waiting(&self) -> usize {
        self.0.waiting.load(Ordering::Relaxed)
    }

    async fn wait(&self, claimant: Claimant) -> Result<Place, TurnedAway> {
        let mut turn = Turn::queue(&self.0, claimant)?;
        let begin = Instant::now();
        let waited = tokio::time::timeout(self.0.limits.patience, &mut turn.called).await;
        metrics::counter!("caracal_limits_waits_total", "door" => self.0.door).increment(1);
        metrics::histogram!("caracal_limits_wait_seconds", "door" => self.0.door)
            .record(begin.elapsed());
        match waited {
            Ok(Ok(())) => {
                turn.is_over = true;
                Ok(Place::new(Arc::clone(&self.0), claimant))
            }
            // Somebody with fewer calls waiting took its place in the full queue.
            Ok(Err(_)) => {
                turn.is_over = true;
                Err(TurnedAway::OwnShare)
            }
            Err(_) if turn.leave() => Err(self.0.shares.reason(claimant)),
            Err(_) => Ok(Place::new(Arc::clone(&self.0), claimant)),
        }
    }
}

impl Inner {
    fn queues(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives what is free to those who wait.
    fn settle(&self) {
        if self.waiting.load(Ordering::SeqCst) > 0 {
            self.hand_out(&mut self.queues());
        }
    }

    fn hand_out(&self, queues: &mut Queues) {
        while self.shares.has_free()
            && let Some(called) = queues.next(|claimant| self.shares.take(claimant))
        {
            self.waiting.fetch_sub(1, Ordering::SeqCst);
            if called.call.send(()).is_err() {
                // Nobody leaves without saying so, so this never happens; a place must not be lost.
                self.shares.give_back(called.claimant);
            }
        }
    }

    fn release(&self, claimant: Claimant) {
        self.shares.give_back(claimant);
        self.settle();
    }
}

/// A turn in the queue, which ends when this is dropped.
struct Turn<'a> {
    inner: &'a Arc<Inner>,
    claimant: Claimant,
    ticket: u64,
    called: oneshot::Receiver<()>,
    is_over: bool,
}

impl<'a> Turn<'a> {
    fn queue(inner: &'a Arc<Inner>, claimant: Claimant) -> Result<Self, TurnedAway> {
        let limits = &inner.limits;
        let mut queues = inner.queues();
        // Announced before the places are looked at: who gives one back afterwards sees it.
        inner.waiting.fetch_add(1, Ordering::SeqCst);
        inner.hand_out(&mut queues);
        let refused = if queues.len_of(claimant) >= limits.waiting_per_application {
            Some(TurnedAway::OwnShare)
        } else if queues.len() >= limits.waiting {
            let made_room = queues.drop_from_longer(claimant);
            if made_room {
                inner.waiting.fetch_sub(1, Ordering::SeqCst);
            }
            (!made_room).then_some(TurnedAway::Overloaded)
        } else {
            None
        };
        if let Some(refused) = refused {
            inner.waiting.fetch_sub(1, Ordering::SeqCst);
            return Err(refused);
        }
        let (ticket, called) = queues.push(claimant);
        inner.hand_out(&mut queues);
        drop(queues);
        Ok(Self {
            inner,
            claimant,
            ticket,
            called,
            is_over: false,
        })
    }

    /// Leaves the queue. False: it was called before, and has a place.
    fn leave(&mut self) -> bool {
        self.is_over = true;
        let mut queues = self.inner.queues();
        if queues.remove(self.claimant, self.ticket) {
            self.inner.waiting.fetch_sub(1, Ordering::SeqCst);
            return true;
        }
        drop(queues);
        // It was called, or turned out of a full queue.
        self.called.try_recv().is_err()
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if !self.is_over && !self.leave() {
            self.inner.release(self.claimant);
        }
    }
}

#[cfg(test)]
mod tests;
