//! Checkpoints outside the home, where whoever can rewrite the ledger may not reach them.

pub(super) mod notes;

use std::path::Path;
use std::time::Duration;

use caracal_engine::Engine;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::home::replace;
use notes::Notes;

const INTERVAL: Duration = Duration::from_secs(1);

/// Writes the newest signed checkpoint of every log to a file, each second when one changed,
/// and once more at the end. What the file says of a log that fell behind it stays there.
pub(crate) async fn write_outside(engine: Engine, path: &Path, shutdown: CancellationToken) {
    let mut tick = tokio::time::interval(INTERVAL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut written = std::fs::read_to_string(path).unwrap_or_default();
    let mut notes = Notes::read(&written);
    let mut failing = false;
    loop {
        let last = tokio::select! {
            () = shutdown.cancelled() => true,
            _ = tick.tick() => false,
        };
        for log in notes.renew(&engine.checkpoints().await) {
            tracing::error!(
                "the log `{log}` is not the one that `{}` has a checkpoint of; that checkpoint is kept",
                path.display()
            );
        }
        let text = notes.text();
        if text != written {
            let target = path.to_owned();
            let bytes = text.clone().into_bytes();
            let result = tokio::task::spawn_blocking(move || replace(&target, &bytes)).await;
            let result = result.map_err(std::io::Error::other).flatten();
            if result.is_err() {
                metrics::counter!("caracal_checkpoint_file_failures_total").increment(1);
            }
            match result {
                Ok(()) => {
                    written = text;
                    failing = false;
                }
                // Said once: the next attempt comes in a second.
                Err(error) if !failing => {
                    failing = true;
                    tracing::error!(
                        "the checkpoint file `{}` cannot be written: {error}",
                        path.display()
                    );
                }
                Err(_) => {}
            }
        }
        let is_current = f64::from(u8::from(!failing));
        metrics::gauge!("caracal_checkpoint_file_current").set(is_current);
        if last {
            return;
        }
    }
}
