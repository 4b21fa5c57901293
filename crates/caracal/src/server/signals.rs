//! What the system tells a server.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use caracal_connection::Stopping;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::failure::{Context, Outcome};
use crate::home::{Home, StackRecord};
use crate::server::Successor;

/// How long idle connections still answer at a restart: clients learn with it that they need
/// another connection.
const LAME_DUCK: Duration = Duration::from_secs(2);

/// How a server ends, as was asked for last. A restart may still become a stop, and not the
/// other way round.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ending {
    is_restart: Arc<AtomicBool>,
    for_good: CancellationToken,
}

impl Ending {
    /// True: another program takes its place.
    pub(crate) fn is_restart(&self) -> bool {
        self.is_restart.load(Ordering::Acquire)
    }

    /// Waits until nobody is to take its place.
    pub(crate) async fn for_good(&self) {
        self.for_good.cancelled().await;
    }

    fn restart(&self) {
        self.is_restart.store(true, Ordering::Release);
    }

    /// Returns whether a restart was under way.
    fn stop(&self) -> bool {
        self.for_good.cancel();
        self.is_restart.swap(false, Ordering::AcqRel)
    }
}

/// Begins to stop at the first SIGTERM or SIGINT. A second one ends the process at once: whoever
/// sends it does not want to wait. SIGUSR2 asks for a restart, which is refused when the
/// successor could not start.
pub(crate) fn listen(
    stopping: &Stopping,
    ending: &Ending,
    successor: Successor,
    home: Home,
) -> Outcome<impl Future<Output = ()> + use<>> {
    let mut term = signal(SignalKind::terminate()).context("SIGTERM cannot be listened for")?;
    let mut int = signal(SignalKind::interrupt()).context("SIGINT cannot be listened for")?;
    // A process without TLS has nothing to read anew, and does not end of being told to.
    let _unread = signal(SignalKind::hangup()).context("SIGHUP cannot be listened for")?;
    let mut again =
        signal(SignalKind::user_defined2()).context("SIGUSR2 cannot be listened for")?;
    let (stopping, ending) = (stopping.clone(), ending.clone());
    Ok(async move {
        loop {
            let is_stop = tokio::select! {
                _ = term.recv() => true,
                _ = int.recv() => true,
                _ = again.recv() => false,
            };
            let is_closing = stopping.token().is_cancelled();
            if is_stop {
                if !ending.stop() && is_closing {
                    tracing::warn!("stopping at once");
                    std::process::exit(1);
                }
                tracing::info!("stopping: no new calls, those under way may finish");
                stopping.begin(Duration::ZERO);
            } else if !is_closing && may_restart(&successor, &home).await {
                ending.restart();
                tracing::info!("restarting: new connections wait, calls under way may finish");
                stopping.begin(LAME_DUCK);
            }
        }
    })
}

async fn may_restart(successor: &Successor, home: &Home) -> bool {
    let asked = successor.clone();
    let checked = tokio::task::spawn_blocking(move || asked.check()).await;
    let why = match checked {
        Ok(Ok(())) => return true,
        Ok(Err(failure)) => failure.message,
        Err(_) => "the successor cannot be asked".to_owned(),
    };
    tracing::error!(%why, "the restart is refused; this process goes on");
    if let Some(mut record) = StackRecord::find(home, std::process::id()) {
        record.refuse_restart(why);
        // Whoever asked finds it in the log as well.
        let _ = record.write(home);
    }
    false
}

/// Ends the token at the first SIGTERM or SIGINT, and the process at the second.
pub(crate) fn stop_signal(
    shutdown: &CancellationToken,
) -> Outcome<impl Future<Output = ()> + use<>> {
    let mut term = signal(SignalKind::terminate()).context("SIGTERM cannot be listened for")?;
    let mut int = signal(SignalKind::interrupt()).context("SIGINT cannot be listened for")?;
    let shutdown = shutdown.clone();
    Ok(async move {
        for _ in 0..2 {
            tokio::select! {
                _ = term.recv() => {}
                _ = int.recv() => {}
            }
            if shutdown.is_cancelled() {
                std::process::exit(1);
            }
            shutdown.cancel();
        }
    })
}
