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
    (
        "caracal_log_lines_lost_total",
        "Lines of the server's own log that could not be written in time.",
    ),
    (
        "caracal_disk_refusals_total",
        "Mandates and calls that were refused because the disk has only its reserve left.",
    ),
    (
        "caracal_limits_waits_total",
        "Requests that had to wait for a place, by door.",
    ),
];

/// Gauges.
const GAUGES: &[(&str, &str)] = &[
    (
        "caracal_ready",
        "1 when state can be read and evidence can be written, else 0.",
    ),
    ("caracal_zones", "Zones."),
    (
        "caracal_zones_stuck",
        "Zones whose stored state cannot be followed: everything in them is denied.",
    ),
    ("caracal_applications", "Applications, of all zones."),
    ("caracal_resources", "Resources, of all zones."),
    ("caracal_providers", "Providers, of all zones."),
    (
        "caracal_revocations_held",
        "Revocations that are remembered, active and lifted ones, of all zones.",
    ),
    (
        "caracal_api_tokens",
        "API tokens of operators, expired ones included until they are deleted.",
    ),
    (
        "caracal_gateway_live_calls",
        "Governed calls that are going on, streams included.",
    ),
    (
        "caracal_mandate_cache_entries",
        "Mandates in the cache of verified ones; about, since it is cleaned up later.",
    ),
    (
        "caracal_signing_key_age_seconds",
        "The age of the oldest key that signs mandates, of all zones.",
    ),
    (
        "caracal_ledger_leaves",
        "Events in the ledger, of all logs.",
    ),
    (
        "caracal_ledger_appends_waiting",
        "Callers that wait until their evidence is durable.",
    ),
    (
        "caracal_ledger_projection_lag_leaves",
        "Events that searches do not find yet.",
    ),
    (
        "caracal_ledger_projection_lag_seconds",
        "How long ago the newest event was written that searches find, when they are behind; to about a second.",
    ),
    (
        "caracal_store_file_bytes",
        "Bytes of the store's files, by file; `_wal` is SQLite's write-ahead log of it.",
    ),
    (
        "caracal_disk_size_bytes",
        "Bytes of the file system that holds the home.",
    ),
    (
        "caracal_disk_available_bytes",
        "Bytes of that file system that this user can still write.",
    ),
    (
        "caracal_disk_room",
        "0 with enough room for evidence, 1 when the disk or the quota is nearly full, 2 when only the reserve is left.",
    ),
];

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
    (
        "caracal_limits_wait_seconds",
        "How long requests waited that found no place at once, by door.",
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
