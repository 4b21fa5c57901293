//! Threads that do something after each write, and end with the writer.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::StoreError;

#[derive(Default)]
struct Signal {
    news: Mutex<News>,
    /// For who waits for a write.
    begun: Condvar,
    /// For who pauses: writes do not wake it.
    hurried: Condvar,
}

#[derive(Default)]
struct News {
    written: bool,
    wanted: bool,
    over: bool,
}

impl Signal {
    fn news(&self) -> MutexGuard<'_, News> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The writer's side: tells a follower that something was written. Many at once count as one.
pub(in crate::embedded) struct Nudge(Arc<Signal>);

/// The follower's side.
pub(in crate::embedded) struct Nudged(Arc<Signal>);

/// The side of those who cannot wait for the end of the follower's pause.
pub(in crate::embedded) struct Hurry(Arc<Signal>);

pub(super) fn nudge() -> (Nudge, Nudged) {
    let signal = Arc::<Signal>::default();
    (Nudge(Arc::clone(&signal)), Nudged(signal))
}

impl Nudge {
    pub(super) fn now(&self) {
        let known = std::mem::replace(&mut self.0.news().written, true);
        if !known {
            self.0.begun.notify_one();
        }
    }
}

impl Drop for Nudge {
    fn drop(&mut self) {
        self.0.news().over = true;
        self.0.begun.notify_one();
        self.0.hurried.notify_one();
    }
}

impl Hurry {
    pub(in crate::embedded) fn now(&self) {
        self.0.news().wanted = true;
        self.0.hurried.notify_one();
    }

    /// Also wakes a follower that has nothing to follow.
    pub(in crate::embedded) fn anew(&self) {
        {
            let mut news = self.0.news();
            news.written = true;
            news.wanted = true;
        }
        self.0.begun.notify_one();
        self.0.hurried.notify_one();
    }
}

impl Nudged {
    pub(in crate::embedded) fn hurry(&self) -> Hurry {
        Hurry(Arc::clone(&self.0))
    }

    /// Waits for a write. False when there will be none.
    pub(in crate::embedded) fn wait(&self) -> bool {
        let news = self
            .0
            .begun
            .wait_while(self.0.news(), |news| !news.written && !news.over);
        let mut news = news.unwrap_or_else(PoisonError::into_inner);
        !news.over && std::mem::take(&mut news.written)
    }

    /// Waits so long, or until somebody is in a hurry. False when nothing will be written any
    /// more.
    pub(in crate::embedded) fn pause(&self, pause: Duration) -> bool {
        let news = self
            .0
            .hurried
            .wait_timeout_while(self.0.news(), pause, |news| !news.wanted && !news.over);
        let (mut news, _) = news.unwrap_or_else(PoisonError::into_inner);
        news.wanted = false;
        !news.over
    }

    /// Whether the writer has ended.
    pub(in crate::embedded) fn is_over(&self) -> bool {
        self.0.news().over
    }
}

/// Waits for the threads when it is dropped; their writer must have ended before.
#[derive(Default)]
pub(in crate::embedded) struct Followers(Mutex<Vec<JoinHandle<()>>>);

impl Followers {
    pub(in crate::embedded) fn start(
        &self,
        name: &str,
        run: impl FnOnce() + Send + 'static,
    ) -> Result<(), StoreError> {
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(run)
            .map_err(|error| StoreError::Unavailable(format!("cannot start a thread: {error}")))?;
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(thread);
        Ok(())
    }

    pub(super) async fn join(&self) {
        let threads = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        // Their failures were reported where they happened.
        let _ = tokio::task::spawn_blocking(move || {
            threads.into_iter().for_each(|thread| drop(thread.join()))
        })
        .await;
    }
}

impl Drop for Followers {
    fn drop(&mut self) {
        for thread in self
            .0
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .drain(..)
        {
            let _ = thread.join();
        }
    }
}
