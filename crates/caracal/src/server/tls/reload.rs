//! A certificate that was renewed is taken from its files.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{Tls, TlsFiles};
use crate::clock;
use crate::failure::{Context, Outcome};

/// How often the files are looked at.
const EVERY: Duration = Duration::from_secs(2);

/// What tells one state of a file from another.
type Stamp = Option<(u64, u64, i64, i64)>;

/// Takes the certificate anew when its files change and at every SIGHUP, until the token ends.
/// A pair that cannot be used changes nothing: the old one is shown on, and it is told.
pub(crate) fn keep_fresh(
    tls: Tls,
    files: TlsFiles,
    until: CancellationToken,
) -> Outcome<impl Future<Output = ()> + use<>> {
    let hangup = signal(SignalKind::hangup()).context("SIGHUP cannot be listened for")?;
    Ok(watch(tls, files, hangup, until))
}

async fn watch(tls: Tls, files: TlsFiles, mut hangup: Signal, until: CancellationToken) {
    let mut taken = stamps(&files);
    // A pair that is being written is whole a moment later: it is told only then.
    let mut doubtful = None;
    loop {
        let asked = tokio::select! {
            () = until.cancelled() => return,
            _ = hangup.recv() => true,
            () = tokio::time::sleep(EVERY) => false,
        };
        let found = stamps(&files);
        if found == taken && !asked {
            continue;
        }
        let loading = files.clone();
        let Ok(loaded) = tokio::task::spawn_blocking(move || loading.load()).await else {
            continue;
        };
        match loaded {
            Ok(certificate) => {
                (taken, doubtful) = (found, None);
                if tls.is_shown(&certificate) && !asked {
                    continue;
                }
                tls.show(&certificate);
                reloaded("ok");
                let end = certificate.not_after.map(|end| end.to_string());
                tracing::info!(not_after = end, "the certificate was taken from its files");
                if let Some(warning) = certificate.find_warning(&files, clock::now()) {
                    tracing::warn!("{warning}");
                }
            }
            Err(_) if !asked && doubtful != Some(found) => doubtful = Some(found),
            Err(failure) => {
                (taken, doubtful) = (found, None);
                reloaded("failed");
                tracing::error!(
                    why = %failure.message,
                    "the new certificate cannot be used; the old one is shown on"
                );
            }
        }
    }
}

fn reloaded(outcome: &'static str) {
    metrics::counter!("caracal_tls_reloads_total", "outcome" => outcome).increment(1);
}

fn stamps(files: &TlsFiles) -> (Stamp, Stamp) {
    (stamp(&files.certificate), stamp(&files.key))
}

fn stamp(path: &Path) -> Stamp {
    let found = std::fs::metadata(path).ok()?;
    Some((found.ino(), found.len(), found.mtime(), found.mtime_nsec()))
}
