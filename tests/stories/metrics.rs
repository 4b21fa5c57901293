//! Metrics: what was done is counted, and only those who may look are shown it.

use std::collections::BTreeMap;

use crate::harness::{Answer, Protected, Raw, Scrape, Stack, http, until};

fn pages(stack: &Stack) -> [String; 3] {
    [
        format!("{}/metrics", stack.sts),
        format!("{}/.caracal/metrics", stack.gateway),
        format!("{}/metrics", stack.console),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_is_counted() {
    let story = Protected::start().await;
    let page = format!("{}/.caracal/metrics", story.stack.gateway);
    let mandate = story.mint().await;
    for _ in 0..3 {
        story.call(&mandate).await;
    }
    for _ in 0..2 {
        let denied = story.client.call("DELETE", "/r/items/x", &mandate).await;
        assert_eq!(denied.refusal(), "scope_missing");
    }
    let refused = story.client.try_mint("resource://nothing", "").await;
    assert_eq!(refused.status, 400);
    // The end of a call is counted when its answer has been read.
    let mut scrape = Scrape::of(&page).await;
    let completed = "caracal_gateway_calls_total{outcome=\"completed\"}";
    until("the calls are counted", async || {
        scrape = Scrape::of(&page).await;
        scrape.get(completed) >= 3.0
    })
    .await;
    for (sample, wanted) in [
        (completed, 3.0),
        ("caracal_gateway_upstream_answers_total{class=\"2xx\"}", 3.0),
        (
            "caracal_gateway_refusals_total{code=\"scope_missing\"}",
            2.0,
        ),
        ("caracal_gateway_added_seconds_count", 3.0),
        ("caracal_gateway_upstream_first_byte_seconds_count", 3.0),
        ("caracal_gateway_call_seconds_count", 3.0),
        ("caracal_sts_mints_total{outcome=\"issued\"}", 1.0),
        ("caracal_sts_mints_total{outcome=\"invalid_target\"}", 1.0),
        ("caracal_sts_mint_seconds_count", 2.0),
        ("caracal_mandate_cache_total{result=\"miss\"}", 1.0),
        ("caracal_mandate_cache_total{result=\"hit\"}", 4.0),
        ("caracal_policy_decision_seconds_count{phase=\"call\"}", 3.0),
        ("caracal_policy_decision_seconds_count{phase=\"mint\"}", 1.0),
        ("caracal_ready", 1.0),
        ("caracal_zones", 1.0),
        ("caracal_applications", 1.0),
        ("caracal_resources", 1.0),
        ("caracal_gateway_live_calls", 0.0),
        ("caracal_ledger_failures_total", 0.0),
    ] {
        assert_eq!(scrape.get(sample), wanted, "{sample}");
    }
    assert!(scrape.get("caracal_gateway_requests_total") >= 5.0);
    assert_bounded(&scrape);
    for positive in [
        "caracal_ledger_leaves",
        "caracal_store_batch_leaves_count",
        "caracal_store_sync_seconds_count{file=\"ledger\"}",
        "caracal_store_sync_seconds_count{file=\"state\"}",
        "caracal_ledger_wait_seconds_count",
        "caracal_state_commits_total{outcome=\"made\"}",
        "caracal_store_file_bytes{file=\"ledger\"}",
        "caracal_disk_available_bytes",
    ] {
        assert!(scrape.get(positive) > 0.0, "{positive}");
    }
    assert!(scrape.get("process_resident_memory_bytes") > 1e6);
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        scrape.get(&format!("caracal_build_info{{version=\"{version}\"}}")),
        1.0
    );
}

/// Labels are words out of our own sources: never an id, a path, a host, or what a client sent.
#[track_caller]
fn assert_bounded(scrape: &Scrape) {
    let mut series: BTreeMap<&str, usize> = BTreeMap::new();
    for sample in scrape.samples() {
        let (name, labels) = sample.split_once('{').unwrap_or((sample, ""));
        if !name.ends_with("_bucket") {
            *series.entry(name).or_default() += 1;
        }
        for label in labels
            .trim_end_matches('}')
            .split(',')
            .filter(|l| !l.is_empty())
        {
            let (key, value) = label.split_once('=').unwrap();
            let value = value.trim_matches('"');
            let is_word = value.len() <= 40
                && value
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
            let is_number = key == "le" && (value == "+Inf" || value.parse::<f64>().is_ok());
            assert!(is_word || is_number || key == "version", "{sample}");
        }
    }
    for (name, count) in series {
        assert!(count <= 64, "{name} has {count} series");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_door_shows_them_on_loopback_and_to_tokens() {
    let stack = Stack::start();
    let token = stack
        .cli(&[
            "token",
            "create",
            "eye",
            "--role",
            "viewer",
            "--all-zones",
            "--json",
        ])
        .ok()
        .json();
    let token = token["token"].as_str().unwrap().to_owned();
    for page in pages(&stack) {
        let get = |name: &'static str, value: &str| {
            let request = http().get(&page).header(name, value);
            async move { Answer::of(request.send().await.unwrap()).await }
        };
        let shown = Answer::of(http().get(&page).send().await.unwrap()).await;
        assert_eq!(shown.status, 200, "{page}");
        assert_eq!(
            shown.header("content-type"),
            Some("text/plain; version=0.0.4; charset=utf-8")
        );
        assert!(shown.header("caracal-request-id").is_some());
        Scrape::parse(&shown.body);
        let with = get("authorization", &format!("Bearer {token}")).await;
        assert_eq!(with.status, 200, "{page}");
        for (name, value) in [
            ("authorization", "Bearer caracal_token_x"),
            ("authorization", "Basic YTpi"),
            ("x-forwarded-for", "127.0.0.1"),
            ("forwarded", "for=127.0.0.1"),
            ("via", "1.1 proxy"),
        ] {
            let refused = get(name, value).await;
            assert_eq!(refused.status, 401, "{page} {name}: {value}");
            assert!(refused.header("www-authenticate").is_some(), "{page}");
            assert!(!refused.body.contains("caracal_build_info"));
        }
        let head = Answer::of(http().head(&page).send().await.unwrap()).await;
        assert_eq!((head.status, &*head.body), (200, ""), "{page}");
        let post = Answer::of(http().post(&page).send().await.unwrap()).await;
        assert_eq!(post.status, 405, "{page}");
    }
    // A page in a browser that made its own name resolve to this machine.
    for (page, status) in pages(&stack).iter().zip([401, 401, 421]) {
        let (_, path) = page.rsplit_once("localhost").unwrap();
        let path = &path[path.find('/').unwrap()..];
        let mut raw = Raw::connect(page.strip_suffix(path).unwrap());
        raw.send(format!("GET {path} HTTP/1.1\r\nhost: evil.example\r\n\r\n"));
        assert_eq!(raw.head().status(), status, "{page}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_proxy_loopback_says_nothing() {
    let mut stack = Stack::new();
    stack.set("CARACAL_BEHIND_TLS_PROXY", "true");
    stack.up();
    let token = stack
        .cli(&[
            "token",
            "create",
            "eye",
            "--role",
            "viewer",
            "--all-zones",
            "--json",
        ])
        .ok()
        .json();
    let token = format!("Bearer {}", token["token"].as_str().unwrap());
    for page in pages(&stack) {
        let refused = Answer::of(http().get(&page).send().await.unwrap()).await;
        assert_eq!(refused.status, 401, "{page}");
        let shown = http().get(&page).header("authorization", &token);
        let shown = Answer::of(shown.send().await.unwrap()).await;
        assert_eq!(shown.status, 200, "{page}");
    }
}
