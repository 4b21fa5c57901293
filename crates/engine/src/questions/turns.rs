//! Who may keep a processor busy.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::IssueError;

/// With more questions than these a request waits for its turn, and leaves its worker to others.
pub(crate) const AT_ONCE: usize = 256;
/// How long a request waits for its turn.
const PATIENCE: Duration = Duration::from_secs(5);

/// One turn at a time, in the order of asking.
pub(crate) struct Turns(Semaphore);

/// The right to keep a processor busy until the work is done; nothing where there is little to do.
pub(crate) struct Turn<'t>(Option<Mutex<Option<SemaphorePermit<'t>>>>);

impl Turns {
    pub(crate) fn new() -> Self {
        Self(Semaphore::new(1))
    }

    /// Waits until work of so many questions may begin.
    ///
    /// # Errors
    /// `slow_down` when others took too long.
    pub(crate) async fn take(&self, questions: usize) -> Result<Turn<'_>, IssueError> {
        if questions <= AT_ONCE {
            return Ok(Turn(None));
        }
        let turn = tokio::time::timeout(PATIENCE, self.0.acquire()).await;
        match turn {
            Ok(Ok(permit)) => Ok(Turn(Some(Mutex::new(Some(permit))))),
            _ => Err(IssueError::SlowDown(
                "too many large requests at once; name fewer resources and scopes, or try again"
                    .to_owned(),
            )),
        }
    }
}

impl Turn<'_> {
    /// Does the work. Where it is much, the other tasks of this worker go to another one, and
    /// whoever waits is next when it is done: also if what came of it is still to be written, or
    /// has to be done once more.
    pub(crate) fn run<T>(&self, work: impl FnOnce() -> T) -> T {
        let Some(permit) = &self.0 else {
            return work();
        };
        let moves = |handle: Handle| handle.runtime_flavor() == RuntimeFlavor::MultiThread;
        let done = if Handle::try_current().is_ok_and(moves) {
            tokio::task::block_in_place(work)
        } else {
            work()
        };
        drop(permit.lock().unwrap_or_else(PoisonError::into_inner).take());
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn large_requests_come_one_after_another_and_small_ones_pass() {
        let turns = Turns::new();
        let first = turns.take(AT_ONCE + 1).await.unwrap();
        turns.take(AT_ONCE).await.unwrap().run(|| ());
        let second = turns.take(AT_ONCE + 1).await;
        assert!(matches!(second, Err(IssueError::SlowDown(_))));
        // The next one begins when the work is done, not when its turn is given back.
        first.run(|| ());
        let second = turns.take(AT_ONCE + 1).await.unwrap();
        first.run(|| ());
        drop(second);
        // Whoever gives up before it begins holds up nobody.
        let third = turns.take(AT_ONCE + 1).await.unwrap();
        drop(third);
        turns.take(AT_ONCE + 1).await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn the_other_tasks_of_a_worker_go_on() {
        let turns = std::sync::Arc::new(Turns::new());
        let (told, hears) = std::sync::mpsc::channel();
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(async move {
            let turn = turns.take(AT_ONCE + 1).await.unwrap();
            // The only worker would wait for itself.
            let heard = || hears.recv_timeout(Duration::from_secs(10));
            turn.run(heard).unwrap();
        });
        tasks.spawn(async move { told.send(()).unwrap() });
        tasks.join_all().await;
    }
}
