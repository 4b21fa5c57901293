//! What is not counted but looked up when somebody asks: how much there is, and how full the
//! disk is.

use std::path::Path;
use std::time::Duration;

use caracal_engine::Figures;
use metrics::gauge;

/// The store's files, by the word that labels them.
const FILES: [(&str, &str); 6] = [
    ("state", "state.db"),
    ("state_wal", "state.db-wal"),
    ("ledger", "ledger.db"),
    ("ledger_wal", "ledger.db-wal"),
    ("index", "index.db"),
    ("index_wal", "index.db-wal"),
];

/// Sets the gauges of everything there is.
pub(super) fn set(figures: &Figures, lag: Duration) {
    gauge!("caracal_ready").set(f64::from(u8::from(figures.is_ready)));
    gauge!("caracal_zones").set(number(figures.zones));
    gauge!("caracal_zones_stuck").set(number(figures.stuck_zones));
    gauge!("caracal_applications").set(number(figures.applications));
    gauge!("caracal_resources").set(number(figures.resources));
    gauge!("caracal_providers").set(number(figures.providers));
    gauge!("caracal_revocations_held").set(number(figures.revocations));
    gauge!("caracal_sessions").set(number(figures.sessions));
    gauge!("caracal_delegations").set(number(figures.delegations));
    gauge!("caracal_api_tokens").set(number(figures.api_tokens));
    gauge!("caracal_gateway_live_calls").set(number(figures.live_calls));
    gauge!("caracal_mandate_cache_entries").set(wide(figures.cached_mandates));
    gauge!("caracal_signing_key_age_seconds").set(figures.oldest_signing_key.as_secs_f64());
    gauge!("caracal_ledger_leaves").set(wide(figures.leaves));
    gauge!("caracal_ledger_projection_lag_leaves").set(wide(figures.projection_lag));
    gauge!("caracal_ledger_projection_lag_seconds").set(lag.as_secs_f64());
}

/// Sets the gauges of the files in the home and of the disk below it.
pub(super) fn set_disk(home: &Path) {
    for (label, name) in FILES {
        let bytes = std::fs::metadata(home.join(name)).map_or(0, |file| file.len());
        gauge!("caracal_store_file_bytes", "file" => label).set(wide(bytes));
    }
    if let Ok(disk) = rustix::fs::statvfs(home) {
        let block = disk.f_frsize;
        gauge!("caracal_disk_size_bytes").set(wide(disk.f_blocks.saturating_mul(block)));
        gauge!("caracal_disk_available_bytes").set(wide(disk.f_bavail.saturating_mul(block)));
    }
}

#[expect(clippy::cast_precision_loss, reason = "nobody counts so far")]
fn number(count: usize) -> f64 {
    count as f64
}

#[expect(clippy::cast_precision_loss, reason = "nobody counts so far")]
fn wide(count: u64) -> f64 {
    count as f64
}
