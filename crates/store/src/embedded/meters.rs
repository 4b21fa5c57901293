//! What the embedded store measures. Handles are looked up once.

use std::sync::OnceLock;
use std::time::Duration;

use metrics::{Counter, Histogram};

pub(super) struct Meters {
    leaves: Counter,
    batch: Histogram,
    append: Histogram,
    /// The COMMIT of the ledger, which is its sync.
    pub(super) ledger_sync: Histogram,
    /// The COMMIT of the state, which is its sync.
    pub(super) state_sync: Histogram,
    /// Batches of leaves that could not be written.
    pub(super) append_failures: Counter,
}

/// The handles. The binary sets the recorder up before a store is opened.
pub(super) fn meters() -> &'static Meters {
    static METERS: OnceLock<Meters> = OnceLock::new();
    METERS.get_or_init(|| Meters {
        leaves: metrics::counter!("caracal_store_leaves_total"),
        batch: metrics::histogram!("caracal_store_batch_leaves"),
        append: metrics::histogram!("caracal_store_append_seconds"),
        ledger_sync: metrics::histogram!("caracal_store_sync_seconds", "file" => "ledger"),
        state_sync: metrics::histogram!("caracal_store_sync_seconds", "file" => "state"),
        append_failures: metrics::counter!("caracal_store_append_failures_total"),
    })
}

impl Meters {
    /// Notes a batch of leaves that was written in one transaction.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a batch has a few thousand leaves"
    )]
    pub(super) fn appended(&self, leaves: usize, took: Duration) {
        self.leaves.increment(leaves as u64);
        self.batch.record(leaves as f64);
        self.append.record(took);
    }
}
