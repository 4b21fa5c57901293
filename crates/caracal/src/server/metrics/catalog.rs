//! What the metrics mean, in the words that the page shows.

use metrics::{describe_counter, describe_gauge, describe_histogram};

/// Counters.
const COUNTERS: &[(&str, &str)] = &[
    (
        "caracal_gateway_requests_total",
        "Requests whose head the Gateway has read.",
    ),
    (
        "caracal_gateway_calls_total",
        "Governed calls that have ended, by how: `completed`, or what ended them.",
    ),
    (
        "caracal_gateway_upstream_answers_total",
        "Answers of upstreams, by class of status.",
    ),
    (
        "caracal_gateway_refusals_total",
        "Requests that the Gateway refused, by code.",
    ),
    (
        "caracal_sts_mints_total",
        "Requests for a mandate, by outcome: `issued`, or the error's code.",
    ),
    (
        "caracal_sts_refusals_total",
        "Requests that the STS refused, by code.",
    ),
    (
        "caracal_console_refusals_total",
        "Requests that the control API refused, by code.",
    ),
];

/// Gauges.
const GAUGES: &[(&str, &str)] = &[];

/// Histograms.
const HISTOGRAMS: &[(&str, &str)] = &[
    (
        "caracal_gateway_added_seconds",
        "From the head of a request to the first byte upstream: what Caracal adds, the sync of the start event included.",
    ),
    (
        "caracal_gateway_upstream_first_byte_seconds",
        "From the first byte upstream to the head of the upstream's answer.",
    ),
    (
        "caracal_gateway_call_seconds",
        "From the head of a request to the end of its answer, for governed calls.",
    ),
    (
        "caracal_sts_mint_seconds",
        "From the head of a token request to its answer.",
    ),
];

/// Tells the recorder what the page says about each metric.
pub(super) fn describe() {
    for (name, help) in COUNTERS {
        describe_counter!(*name, *help);
    }
    for (name, help) in GAUGES {
        describe_gauge!(*name, *help);
    }
    for (name, help) in HISTOGRAMS {
        describe_histogram!(*name, *help);
    }
}
