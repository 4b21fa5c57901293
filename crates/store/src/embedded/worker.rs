//! A thread with a bounded queue, for work that blocks.

use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::mpsc;

use super::failure;
use crate::StoreError;

enum Message<J> {
    Job(J),
    Close,
}

/// The callers' side. Dropping it finishes what is queued and waits for the thread.
pub(super) struct Worker<J> {
    queue: Option<mpsc::Sender<Message<J>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// The thread's side.
pub(super) struct Inbox<J> {
    receiver: mpsc::Receiver<Message<J>>,
    /// The last batch was of several jobs, so that the next one may be.
    is_busy: bool,
}

impl<J: Send + 'static> Worker<J> {
    pub(super) fn start(
        name: &str,
        capacity: usize,
        run: impl FnOnce(Inbox<J>) + Send + 'static,
    ) -> Result<Self, StoreError> {
        let (queue, receiver) = mpsc::channel(capacity);
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || run(Inbox::of(receiver)))
            .map_err(|error| StoreError::Unavailable(format!("cannot start a thread: {error}")))?;
        Ok(Self {
            queue: Some(queue),
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Waits while the queue is full.
    pub(super) async fn send(&self, job: J) -> Result<(), StoreError> {
        let queue = self.queue.as_ref().ok_or_else(failure::closed)?;
        queue
            .send(Message::Job(job))
            .await
            .map_err(|_| failure::closed())
    }

    /// Finishes what is queued and waits for the thread.
    pub(super) async fn close(&self) {
        if let Some(queue) = &self.queue {
            // It fails only when somebody else closed.
            let _ = queue.send(Message::Close).await;
            queue.closed().await;
        }
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            // The outcome of the thread was told to whoever had queued something.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}

impl<J> Drop for Worker<J> {
    fn drop(&mut self) {
        self.queue = None;
        let thread = self
            .thread
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}

impl<J> Inbox<J> {
    fn of(receiver: mpsc::Receiver<Message<J>>) -> Self {
        Self {
            receiver,
            is_busy: false,
        }
    }

    /// Waits for a job, then adds whatever else is queued, at most `limit` in all. There may
    /// be none. False at the end.
    pub(super) fn take(&mut self, jobs: &mut Vec<J>, limit: usize) -> bool {
        match self.receiver.blocking_recv() {
            Some(Message::Job(job)) => jobs.push(job),
            Some(Message::Close) => self.receiver.close(),
            None => return false,
        }
        self.add_queued(jobs, limit);
        true
    }

    /// As [`Self::take`]; and while there are several jobs, or were the last time, and their
    /// number grows, it lets those who make them go first. Where processors are scarce, a writer
    /// that is woken by every job stands in the way of the next ones, and makes a batch of each
    /// few.
    pub(super) fn gather(&mut self, jobs: &mut Vec<J>, limit: usize) -> bool {
        if !self.take(jobs, limit) {
            return false;
        }
        let mut known = usize::from(!self.is_busy);
        while jobs.len() > known && jobs.len() < limit {
            known = jobs.len();
            std::thread::yield_now();
            self.add_queued(jobs, limit);
        }
        self.is_busy = jobs.len() > 1;
        true
    }

    fn add_queued(&mut self, jobs: &mut Vec<J>, limit: usize) {
        while jobs.len() < limit {
            match self.receiver.try_recv() {
                Ok(Message::Job(job)) => jobs.push(job),
                Ok(Message::Close) => self.receiver.close(),
                Err(_) => break,
            }
        }
    }
}
