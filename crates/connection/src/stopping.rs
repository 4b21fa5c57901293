//! The end of the doors.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// Tells every connection that the doors are closing. Clones tell the same.
#[derive(Debug, Clone, Default)]
pub struct Stopping {
    token: CancellationToken,
    lame_duck: Arc<OnceLock<Duration>>,
}

impl Stopping {
    /// Begins to close: no more connections are accepted, running requests may finish, and idle
    /// connections end. For the time of `lame_duck` an idle one still answers one request, so
    /// that a client which sends just now gets an answer and learns that it is the last.
    pub fn begin(&self, lame_duck: Duration) {
        // The first one counts.
        let _ = self.lame_duck.set(lame_duck);
        self.token.cancel();
    }

    /// The token that is cancelled when it begins.
    pub fn token(&self) -> &CancellationToken {
        &self.token
    }

    /// How long idle connections still answer, once it has begun.
    pub fn lame_duck(&self) -> Duration {
        self.lame_duck.get().copied().unwrap_or_default()
    }
}

impl From<CancellationToken> for Stopping {
    /// Idle connections end at once.
    fn from(token: CancellationToken) -> Self {
        Self {
            token,
            lame_duck: Arc::default(),
        }
    }
}
