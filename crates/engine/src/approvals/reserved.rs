//! An approval between its use and what it is used for.

use std::sync::Arc;

use caracal_core::ApprovalId;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::Unusable;
use crate::zone_handle::ZoneHandle;
use crate::{AdminError, Engine};

/// An approval that was used up, and of which nothing has come yet. Dropping it gives it back:
/// whoever asked may go away at any moment.
pub(crate) struct Reserved {
    engine: Engine,
    handle: Arc<ZoneHandle>,
    /// None once it is given back, or used for good.
    id: Option<ApprovalId>,
    request_id: String,
}

impl Reserved {
    /// It is used for good.
    pub(crate) fn keep(mut self) {
        self.id = None;
    }

    /// Gives it back, and waits until that is so.
    pub(crate) async fn release(mut self) {
        if let Some(done) = self.give_back() {
            // Who waits no longer changes nothing.
            let _ = done.await;
        }
    }

    fn give_back(&mut self) -> Option<JoinHandle<()>> {
        let id = self.id.take()?;
        Some(
            self.engine
                .spawn_release(&self.handle, id, &self.request_id),
        )
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        drop(self.give_back());
    }
}

impl Engine {
    /// Uses an approval, unless whoever asked goes away meanwhile: a commit that is on its way is
    /// not called back, so it comes to its end and is undone.
    pub(crate) async fn reserve_approval(
        &self,
        handle: &Arc<ZoneHandle>,
        id: ApprovalId,
        digest: &str,
        request_id: &str,
    ) -> Result<Reserved, Unusable> {
        let (answer, answered) = oneshot::channel();
        let (engine, handle) = (self.clone(), Arc::clone(handle));
        let (digest, request_id) = (digest.to_owned(), request_id.to_owned());
        self.0.tasks.spawn(async move {
            let used = engine
                .consume_approval(&handle, id, &digest, &request_id)
                .await;
            let reserved = used.map(|()| Reserved {
                engine,
                handle,
                id: Some(id),
                request_id,
            });
            // What nobody takes is dropped, and so given back.
            drop(answer.send(reserved));
        });
        answered.await.unwrap_or_else(|_| {
            let why = "the server is stopping".to_owned();
            Err(Unusable::Failed(AdminError::Unavailable {
                why,
                done: false,
            }))
        })
    }

    /// Gives an approval back, also when nobody waits for that.
    pub(crate) fn spawn_release(
        &self,
        handle: &Arc<ZoneHandle>,
        id: ApprovalId,
        request_id: &str,
    ) -> JoinHandle<()> {
        let (engine, handle) = (self.clone(), Arc::clone(handle));
        let request_id = request_id.to_owned();
        self.0.tasks.spawn(async move {
            engine.release_approval(&handle, id, &request_id).await;
        })
    }
}
