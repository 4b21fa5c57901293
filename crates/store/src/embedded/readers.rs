//! A few read-only connections.

use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::failure;
use crate::StoreError;

/// How many reads run at a time on one file.
const READERS: u32 = 4;

type Connect = dyn Fn() -> Result<Connection, StoreError> + Send + Sync;

pub(super) struct Readers {
    connect: Arc<Connect>,
    permits: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Connection>>>,
}

impl Readers {
    pub(super) fn new(
        connect: impl Fn() -> Result<Connection, StoreError> + Send + Sync + 'static,
    ) -> Self {
        Self {
            connect: Arc::new(connect),
            permits: Arc::new(Semaphore::new(READERS as usize)),
            idle: Arc::new(Mutex::new(Vec::new())),
        }
    }

    /// Runs a read on a thread where it may block, in one read transaction.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let permit = Arc::clone(&self.permits)
            .acquire_owned()
            .await
            .map_err(|_| failure::closed())?;
        let connect = Arc::clone(&self.connect);
        let idle = Arc::clone(&self.idle);
        let task = tokio::task::spawn_blocking(move || {
            let waiting = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let mut connection = match waiting {
                Some(connection) => connection,
                None => connect()?,
            };
            let transaction = connection.transaction()?;
            let result = work(&transaction);
            // A connection that cannot end its transaction is not used again.
            let ended = transaction.rollback();
            if ended.is_ok() {
                idle.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(connection);
            }
            drop(permit);
            result
        });
        task.await.unwrap_or_else(|_| Err(failure::unanswered()))
    }

    /// Waits for running reads and refuses new ones.
    pub(super) async fn close(&self) {
        if let Ok(all) = self.permits.acquire_many(READERS).await {
            self.permits.close();
            drop(all);
        }
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }
}
