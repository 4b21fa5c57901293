//! What the metrics mean, in the words that the page shows. `docs/observability.md` lists the same.

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
        "caracal_gateway_upstream_failures_total",
        "Calls that an upstream failed, by what went wrong.",
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
        "caracal_sts_feeds_ended_total",
        "Feeds of revocations that have ended, by why: `left`, `refused`, `slow`, `stopped`, `stuck`.",
    ),
    (
        "caracal_console_refusals_total",
        "Requests that the control API refused, by code.",
    ),
    (
        "caracal_mandate_cache_total",
        "Mandates that were shown to the Gateway, by whether they had been verified before: `hit` or `miss`.",
    ),
    (
        "caracal_dpop_proofs_total",
        "Proofs of a client's key, by door and result: `accepted`, `nonce` (a fresh one was asked for), `invalid`, `replayed`, `no_room`.",
    ),
    (
        "caracal_claims_total",
        "Calls on resources with `single_use`, by result: `claimed`, `replayed`, `failed` (it could not be written; the call was refused).",
    ),
    (
        "caracal_client_assertions_total",
        "Assertions of clients (`private_key_jwt`, outside issuers), by result: `accepted`, or what was wrong with them.",
    ),
    (
        "caracal_subject_tokens_total",
        "ID tokens of people, by result: `accepted`, or what was wrong with them.",
    ),
    (
        "caracal_issuer_key_fetches_total",
        "Fetches of the keys of outside issuers and clients, by outcome: `fetched`, or why not.",
    ),
    (
        "caracal_policy_questions_total",
        "Questions to policy for mandates, sessions and delegations: of one request, one for each scope and session of a path.",
    ),
    (
        "caracal_policy_faults_total",
        "Policies that could not be evaluated; each denied its request.",
    ),
    (
        "caracal_revocations_total",
        "Revocations that were made or confirmed.",
    ),
    (
        "caracal_approvals_holds_total",
        "Mints and calls that found themselves waiting for a person, each time they were tried.",
    ),
    (
        "caracal_approvals_total",
        "Approvals, by what became of them: `approved`, `rejected`, `expired`, `consumed`.",
    ),
    (
        "caracal_sink_attempts_total",
        "Messages sent to sinks, by what came of them: `delivered`, `retrying`, `failed`.",
    ),
    ("caracal_calls_cut_total", "Calls that revocations cut."),
    (
        "caracal_calls_decided_again_total",
        "Calls that were decided again while they went on, because policy or a resource was changed.",
    ),
    (
        "caracal_calls_cut_by_policy_total",
        "Calls that were cut because they would not be let through any more when they were decided again.",
    ),
    (
        "caracal_state_commits_total",
        "Changes of state, by outcome: `made`, `conflict` (decided again on newer state), `failed`.",
    ),
    (
        "caracal_ledger_failures_total",
        "Appends of evidence that failed; what depended on them was denied.",
    ),
    (
        "caracal_ledger_lost_ends_total",
        "Ends of calls that could not be recorded; the calls show as of unknown outcome.",
    ),
    (
        "caracal_checkpoint_file_failures_total",
        "Times that the checkpoint file outside the home could not be written.",
    ),
    (
        "caracal_store_leaves_total",
        "Events written to the ledger since the process started.",
    ),
    (
        "caracal_store_append_failures_total",
        "Batches of events that could not be written.",
    ),
    (
        "caracal_engine_pruned_events_total",
        "Events that retention removed.",
    ),
    (
        "caracal_engine_prune_failures_total",
        "Runs of retention that failed.",
    ),
    (
        "caracal_engine_seals_renewed_total",
        "Secrets that were sealed anew with a newer master key.",
    ),
    (
        "caracal_disk_refusals_total",
        "Mandates and calls that were refused because the disk has only its reserve left.",
    ),
    (
        "caracal_connections_refused_total",
        "Connections that a door closed at once.",
    ),
    (
        "caracal_connections_cut_total",
        "Connections that a door ended, by why.",
    ),
    (
        "caracal_tls_handshakes_total",
        "TLS handshakes of clients, by outcome.",
    ),
    (
        "caracal_tls_reloads_total",
        "Times that the certificate was read anew, by outcome.",
    ),
    (
        "caracal_limits_waits_total",
        "Requests that had to wait for a place.",
    ),
    (
        "caracal_egress_connections_opened_total",
        "Connections opened to upstreams.",
    ),
    (
        "caracal_egress_connections_retired_total",
        "Shared connections to upstreams that take no new calls.",
    ),
    (
        "caracal_egress_failures_total",
        "Requests to upstreams that got no answer.",
    ),
    (
        "caracal_egress_second_sends_total",
        "Requests that were sent to an upstream once more, since it had not seen them.",
    ),
    (
        "caracal_log_lines_total",
        "Lines of the log, by level: `error`, `warn` or `other`.",
    ),
    (
        "caracal_log_lines_lost_total",
        "Lines of the server's own log that could not be written in time.",
    ),
    (
        "caracal_panics_total",
        "Faults of this program that ended what it was doing; each has a line in the log.",
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
        "caracal_sessions",
        "Sessions that are alive, or that have just ended, of all zones.",
    ),
    (
        "caracal_delegations",
        "Delegations that are offered or in use, or that have just ended, of all zones.",
    ),
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
    (
        "caracal_checkpoint_file_current",
        "1 when the checkpoint file outside the home says what the ledger says, else 0; only with `CARACAL_CHECKPOINT_FILE`.",
    ),
    (
        "caracal_engine_seals_pending",
        "Secrets that are still sealed with an older master key.",
    ),
    ("caracal_connections_open", "Open connections of clients."),
    (
        "caracal_tls_certificate_expires_seconds",
        "When the certificate ends, in seconds since the epoch.",
    ),
    (
        "caracal_egress_connections",
        "Open connections to upstreams.",
    ),
    (
        "caracal_egress_requests_waiting",
        "Requests to upstreams whose answer has not begun.",
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
        "caracal_policy_decision_seconds",
        "One question to policy, by phase: `mint` or `call`.",
    ),
    (
        "caracal_ledger_wait_seconds",
        "How long a caller waited until its evidence was durable, queueing included.",
    ),
    (
        "caracal_store_append_seconds",
        "One transaction of the ledger, its sync included.",
    ),
    (
        "caracal_store_batch_leaves",
        "Events that shared one transaction of the ledger.",
    ),
    (
        "caracal_store_sync_seconds",
        "The commit of a transaction, which is its sync, by file: `ledger` or `state`.",
    ),
    (
        "caracal_revocation_seconds",
        "From a request to revoke until every node has confirmed that it denies.",
    ),
    (
        "caracal_limits_wait_seconds",
        "How long requests waited that found no place at once.",
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

#[cfg(test)]
mod tests;
