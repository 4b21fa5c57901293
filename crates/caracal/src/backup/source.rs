//! Backups that a running server gives over its control API.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use caracal_api::{BackupChunks, BackupSource};
use caracal_core::BackupId;
use tokio::sync::mpsc;

use crate::backup::snapshot::Snapshot;
use crate::clock;
use crate::home::Home;
use crate::server::DiskRules;

/// How large a chunk is, in bytes.
const CHUNK: usize = 256 * 1024;
/// How many chunks wait for the client.
const QUEUE: usize = 4;

/// Takes backups of a home, one at a time.
pub(crate) fn source(home: Home, rules: DiskRules) -> BackupSource {
    let busy = Arc::new(AtomicBool::new(false));
    Arc::new(move || -> Result<(BackupId, BackupChunks), String> {
        Snapshot::check_room(&home, rules).map_err(|failure| failure.message)?;
        let turn = Turn::take(&busy).ok_or("another backup is being taken; try again later")?;
        let now = clock::now();
        let id = BackupId::new(now, &caracal_crypto::random_bytes());
        let (sender, chunks) = mpsc::channel(QUEUE);
        let home = home.clone();
        let work = move || {
            let _turn = turn;
            let mut out = Chunks {
                sender,
                held: Vec::with_capacity(CHUNK),
            };
            let made = Snapshot::make(&home, id, now, &mut |_, _| {});
            let made = made.map_err(|failure| io::Error::other(failure.message));
            if let Err(error) = made.and_then(|snapshot| snapshot.write_to(&mut out)) {
                tracing::warn!(backup = %id, %error, "a backup could not be given");
                // The answer breaks off, so that nobody takes it for a whole one.
                let _ = out.sender.blocking_send(Err(error));
            }
        };
        std::thread::Builder::new()
            .name("caracal-backup".to_owned())
            .spawn(work)
            .map_err(|error| format!("a thread cannot be started: {error}"))?;
        Ok((id, chunks))
    })
}

/// Whose turn it is; given back when dropped.
struct Turn(Arc<AtomicBool>);

impl Turn {
    fn take(busy: &Arc<AtomicBool>) -> Option<Self> {
        let was_busy = busy.swap(true, Ordering::AcqRel);
        (!was_busy).then(|| Self(Arc::clone(busy)))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// Sends what is written in chunks, as fast as the client takes them.
struct Chunks {
    sender: mpsc::Sender<io::Result<Bytes>>,
    held: Vec<u8>,
}

impl Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.held.extend_from_slice(bytes);
        if self.held.len() >= CHUNK {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.held.is_empty() {
            return Ok(());
        }
        let chunk = std::mem::replace(&mut self.held, Vec::with_capacity(CHUNK));
        self.sender
            .blocking_send(Ok(chunk.into()))
            .map_err(|_| io::Error::new(io::ErrorKind::BrokenPipe, "the client went away"))
    }
}
