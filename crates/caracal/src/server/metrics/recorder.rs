//! Setting the recorder up.

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::failure::{Context, Outcome};

/// From a fast disk's sync to a long stream.
const SECONDS: &[f64] = &[
    0.000_05, 0.000_1, 0.000_2, 0.000_35, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1,
    0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
];

/// What stays in memory: from a microsecond on.
const MOMENTS: &[f64] = &[
    0.000_001,
    0.000_002_5,
    0.000_005,
    0.000_01,
    0.000_025,
    0.000_05,
    0.000_1,
    0.000_25,
    0.000_5,
    0.001,
    0.005,
    0.01,
    0.1,
];

/// How many things go together.
const COUNTS: &[f64] = &[
    1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 4096.0,
];

/// Histograms that are not of seconds, or of very few.
const OTHERS: &[(&str, &[f64])] = &[
    ("caracal_policy_decision_seconds", MOMENTS),
    ("caracal_store_batch_leaves", COUNTS),
];

/// Installs the recorder of the process.
pub(super) fn install() -> Outcome<PrometheusHandle> {
    let mut builder = PrometheusBuilder::new()
        .set_buckets(SECONDS)
        .context("metrics cannot be set up")?;
    for (name, buckets) in OTHERS {
        builder = builder
            .set_buckets_for_metric(Matcher::Full((*name).to_owned()), buckets)
            .context("metrics cannot be set up")?;
    }
    builder
        .install_recorder()
        .context("metrics cannot be set up")
}
