//! Threads that do something after each write, and end with the writer.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::StoreError;

/// Tells a follower that something was written. Many at once count as one.
pub(in crate::embedded) struct Nudge(SyncSender<()>);

/// The follower's side.
pub(in crate::embedded) struct Nudged(Receiver<()>);

pub(super) fn nudge() -> (Nudge, Nudged) {
    let (sender, receiver) = sync_channel(1);
    (Nudge(sender), Nudged(receiver))
}

impl Nudge {
    pub(super) fn now(&self) {
        // Full: it is nudged already. Gone: it failed, and said so.
        let _ = self.0.try_send(());
    }
}

impl Nudged {
    /// Waits for a write. False when there will be none.
    pub(in crate::embedded) fn wait(&self) -> bool {
        self.0.recv().is_ok()
    }

    /// Waits so long, whatever is written. False when nothing will be written any more.
    pub(in crate::embedded) fn pause(&self, pause: Duration) -> bool {
        let end = Instant::now() + pause;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.0.recv_timeout(left) {
                Ok(()) => {}
                Err(RecvTimeoutError::Timeout) => return true,
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
    }

    /// Whether the writer has ended.
    pub(in crate::embedded) fn is_over(&self) -> bool {
        matches!(self.0.try_recv(), Err(TryRecvError::Disconnected))
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
