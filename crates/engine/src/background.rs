//! What goes on beside the calls for as long as the engine is open.

use std::time::Duration;

use crate::Engine;

impl Engine {
    /// Runs work that ends by itself when the engine closes. It is not on the tracker, since it
    /// goes on until everything tracked is done.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        #[expect(
            clippy::disallowed_methods,
            reason = "lives exactly as long as the engine"
        )]
        tokio::spawn(work);
    }

    /// Does something unless the engine closes before it is done: then it is given up.
    pub(crate) async fn while_open<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        self.0.closing.run_until_cancelled(work).await
    }

    /// Waits; false when the engine closes meanwhile.
    pub(crate) async fn pause(&self, pause: Duration) -> bool {
        self.while_open(tokio::time::sleep(pause)).await.is_some()
    }
}
