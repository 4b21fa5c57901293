//! What the system tells a server.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::failure::{Context, Outcome};

/// Ends the token at the first SIGTERM or SIGINT. A second one ends the process at once:
/// whoever sends it does not want to wait.
pub(crate) fn listen(shutdown: &CancellationToken) -> Outcome<impl Future<Output = ()> + use<>> {
    let mut term = signal(SignalKind::terminate()).context("SIGTERM cannot be listened for")?;
    let mut int = signal(SignalKind::interrupt()).context("SIGINT cannot be listened for")?;
    let shutdown = shutdown.clone();
    Ok(async move {
        for patient in [true, false] {
            tokio::select! {
                _ = term.recv() => {}
                _ = int.recv() => {}
            }
            if !patient {
                tracing::warn!("stopping at once");
                std::process::exit(1);
            }
            tracing::info!("stopping: no new calls, those under way may finish");
            shutdown.cancel();
        }
    })
}
