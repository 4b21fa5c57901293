//! The limits of a listener.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How connections are served. Cloning shares the limits.
#[derive(Debug, Clone)]
pub struct ServeOptions {
    /// Ends the listeners, and then each connection after its running request.
    pub shutdown: CancellationToken,
    /// Every connection is a task of it: wait on it after the shutdown began.
    pub tasks: TaskTracker,
    /// How long a client may take to send the head of a request, and be idle between requests.
    pub header_timeout: Duration,
    /// How long a running request may go on after the shutdown began.
    pub drain: Duration,
    pub(super) connections: Arc<Semaphore>,
}

impl ServeOptions {
    /// Limits for at most `connections` connections at a time.
    pub fn new(shutdown: CancellationToken, tasks: TaskTracker, connections: usize) -> Self {
        Self {
            shutdown,
            tasks,
            header_timeout: Duration::from_secs(30),
            drain: Duration::from_secs(10),
            connections: Arc::new(Semaphore::new(connections)),
        }
    }
}
