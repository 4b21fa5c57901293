//! Bad secrets by the thousand, from the address and in the name of a good client: it goes on
//! undisturbed, and neither ledger nor log grow with them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::RequestBuilder;
use serde_json::Value;

use crate::harness::{Client, Protected, Stack, http};

/// How many attackers there are at a time, and what each sends at most in which time.
const ATTACKERS: u64 = 16;
const REFUSED: [&str; 5] = ["token", "unknown", "introspect", "mandate", "api"];

fn bounds() -> (u64, Duration) {
    match std::env::var_os("CARACAL_TEST_LONG") {
        Some(_) => (20_000, Duration::from_secs(60)),
        None => (600, Duration::from_secs(4)),
    }
}

/// What a flood was answered: by target and status.
type Answers = BTreeMap<(&'static str, u16), u64>;

#[derive(Clone)]
struct Attacker {
    http: reqwest::Client,
    stack: [String; 3],
    victim: String,
    forged: String,
}

impl Attacker {
    fn request(&self, target: &'static str) -> RequestBuilder {
        let [sts, gateway, console] = &self.stack;
        let form = |path: &str, client: &str, body: &'static str| {
            let basic = STANDARD.encode(format!("{client}:guess"));
            self.http
                .post(format!("{sts}{path}"))
                .header("authorization", format!("Basic {basic}"))
                .header("content-type", "application/x-www-form-urlencoded")
                .body(body)
        };
        let mint = "grant_type=client_credentials&resource=resource://items";
        match target {
            "token" => form("/oauth/2/token", &self.victim, mint),
            "unknown" => form(
                "/oauth/2/token",
                "app_00000000-0000-7000-8000-000000000001",
                mint,
            ),
            "introspect" => form("/oauth/2/introspect", &self.victim, "token=x"),
            "mandate" => self
                .http
                .get(format!("{gateway}/r/items/items/1"))
                .bearer_auth(&self.forged),
            _ => self
                .http
                .get(format!("{console}/v1/zones"))
                .bearer_auth("caracal_token_guess"),
        }
    }

    async fn attack(self, from: u64, end: Instant, most: u64) -> Answers {
        let mut answers = Answers::new();
        for n in (from..).take(usize::try_from(most).unwrap()) {
            if Instant::now() >= end {
                break;
            }
            let target = REFUSED[usize::try_from(n).unwrap() % REFUSED.len()];
            let response = self.request(target).send().await.unwrap();
            let status = response.status().as_u16();
            let waits = response.headers().contains_key("retry-after");
            assert_eq!(status == 429, waits, "{target}: {status}");
            response.bytes().await.unwrap();
            *answers.entry((target, status)).or_default() += 1;
        }
        answers
    }
}

/// Mints and calls until it is told to stop, at least so often; every failure is a panic.
async fn go_on(client: Client, rounds: usize, stop: Arc<AtomicBool>) -> Vec<Duration> {
    let mut times = Vec::new();
    while times.len() < rounds || !stop.load(Ordering::Relaxed) {
        let begin = Instant::now();
        let mandate = client.mint("resource://items", "items:read").await;
        let answer = client.call("GET", "/r/items/items/1", &mandate).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        times.push(begin.elapsed());
    }
    times.sort();
    times
}

fn shown(times: &[Duration]) -> String {
    let at = |percent: usize| times[(times.len() - 1) * percent / 100];
    format!(
        "{} rounds, p50 {:.1?}, p99 {:.1?}",
        times.len(),
        at(50),
        at(99)
    )
}

fn log_lines(stack: &Stack) -> usize {
    let log = std::fs::read_to_string(stack.file("log/caracal.log")).unwrap();
    log.lines().count()
}

/// The counts of all summaries of a log, added up.
fn summarized(events: &[Value]) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for event in events {
        if event["type"] != "refusals.summarized" {
            continue;
        }
        for (code, count) in event["counts"].as_object().unwrap() {
            *sums.entry(code.clone()).or_default() += count.as_u64().unwrap();
        }
    }
    sums
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_client_goes_on_undisturbed() {
    let world = Protected::start().await;
    let mandate = world.mint().await;
    let signature = mandate.rfind('.').unwrap();
    let attacker = Attacker {
        http: http(),
        stack: [
            world.stack.sts.clone(),
            world.stack.gateway.clone(),
            world.stack.console.clone(),
        ],
        victim: world.client.id.clone(),
        // Of the right form and by a known key: it has to be verified to be refused.
        forged: format!("{}.{}", &mandate[..signature], "A".repeat(86)),
    };
    let alone = go_on(world.client.clone(), 30, Arc::new(AtomicBool::new(true))).await;
    let lines_before = log_lines(&world.stack);

    let (most, time) = bounds();
    let (begin, stop) = (Instant::now(), Arc::new(AtomicBool::new(false)));
    let good = tokio::spawn(go_on(world.client.clone(), 30, Arc::clone(&stop)));
    let attacks = (0..ATTACKERS).map(|n| attacker.clone().attack(n, begin + time, most));
    let attacks: Vec<_> = attacks.map(tokio::spawn).collect();
    let mut answers = Answers::new();
    for attack in attacks {
        for (answer, count) in attack.await.unwrap() {
            *answers.entry(answer).or_default() += count;
        }
    }
    let took = begin.elapsed();
    stop.store(true, Ordering::Relaxed);
    let flooded = good.await.unwrap();
    let total: u64 = answers.values().sum();
    println!(
        "good client alone: {}; under {total} bad secrets in {took:.1?}: {}",
        shown(&alone),
        shown(&flooded)
    );

    let of = |targets: &[&str], status: u16| -> u64 {
        let matching = answers.iter();
        let matching = matching.filter(|((target, s), _)| targets.contains(target) && *s == status);
        matching.map(|(_, count)| count).sum()
    };
    assert!(
        answers
            .keys()
            .all(|(_, status)| matches!(status, 401 | 429)),
        "{answers:?}"
    );
    // More than a budget came to every door, so that every door told the attackers to slow down.
    for target in [
        &["token", "unknown", "introspect"][..],
        &["mandate"],
        &["api"],
    ] {
        let (said_401, said_429) = (of(target, 401), of(target, 429));
        if said_401 + said_429 > 240 {
            assert!(said_429 > 0, "{target:?} {answers:?}");
        }
        // 120 at once and 120 more a minute.
        assert!(said_401 <= 120 + 2 * (took.as_secs() + 2), "{answers:?}");
    }
    assert!(total > 300, "{answers:?}");

    // Neither has grown with the flood, and yet every refusal is accounted for.
    let lines = log_lines(&world.stack) - lines_before;
    // Twenty for each place in the code that says so, and how many more there were.
    assert!(lines < 100, "{lines} lines were logged");
    let mut stack = world.stack;
    stack.cli(&["down"]).ok();
    stack.up();
    let (own, instance) = (stack.events("acme"), stack.events("caracal-instance"));
    let summaries = own.iter().chain(&instance);
    let summaries = summaries.filter(|e| e["type"] == "refusals.summarized");
    let windows = usize::try_from(took.as_secs() / 60).unwrap() + 3;
    assert!(summaries.count() <= 2 * windows);
    let denied = |e: &&Value| e["decision"] == "deny" && e["type"] != "refusals.summarized";
    assert_eq!(own.iter().filter(denied).count(), 0);
    let counted = |events: &[Value], code: &str| summarized(events).get(code).copied();
    let some = |count: u64| Some(count).filter(|count| *count > 0);
    let named = ["token", "introspect"];
    assert_eq!(counted(&own, "sts.invalid_client"), some(of(&named, 401)));
    assert_eq!(counted(&own, "sts.slow_down"), some(of(&named, 429)));
    let nobody = ["unknown"];
    assert_eq!(
        counted(&instance, "sts.invalid_client"),
        some(of(&nobody, 401))
    );
    assert_eq!(counted(&instance, "sts.slow_down"), some(of(&nobody, 429)));
    assert_eq!(
        counted(&instance, "gateway.mandate_invalid"),
        some(of(&["mandate"], 401))
    );
    assert_eq!(
        counted(&instance, "gateway.rate_limited"),
        some(of(&["mandate"], 429))
    );
    assert_eq!(
        counted(&instance, "console.unauthenticated"),
        some(of(&["api"], 401))
    );
    assert_eq!(
        counted(&instance, "console.rate_limited"),
        some(of(&["api"], 429))
    );
}

/// One application floods with slow calls; another one's calls go through all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_one_application_does_not_starve_another() {
    let mut stack = Stack::new();
    stack.set("CARACAL_GATEWAY_PLACES", "8");
    let world = Protected::on(stack).await;
    let upstream = crate::harness::RawUpstream::start(|mut raw| {
        // Reads the request, and answers nothing until the client gives up.
        let _ = raw.find_head();
        let _ = raw.find_head();
    });
    let applied = world.stack.apply(&format!(
        r#"
zone: acme
applications: [{{ name: flood }}]
resources:
  - name: slow
    upstream: {}
    allow_private: true
    scopes: [slow:use]
    operations: [{{ method: GET, path: "/**", scope: "slow:use" }}]
policies:
  - name: slow
    cedar: |
      permit (principal in Application::"flood", action == Action::"slow:use", resource == Resource::"resource://slow");
"#,
        upstream.url()
    ));
    let flood = world.stack.client(&applied, "flood");
    let mandate = flood.mint("resource://slow", "slow:use").await;
    let refused = Arc::new(AtomicU64::new(0));
    let floods: Vec<_> = (0..40)
        .map(|_| {
            let (flood, mandate, refused) = (flood.clone(), mandate.clone(), Arc::clone(&refused));
            tokio::spawn(async move {
                let answer = flood.call("GET", "/r/slow/x", &mandate).await;
                assert_eq!(answer.refusal(), "rate_limited");
                assert_eq!(answer.header("retry-after"), Some("1"));
                refused.fetch_add(1, Ordering::Relaxed);
            })
        })
        .collect();
    // All but the four that its share lets through are told to come back, at the latest when
    // their patience ends.
    crate::harness::until("the flood is told to come back", async || {
        refused.load(Ordering::Relaxed) == 36
    })
    .await;
    let own = world.mint().await;
    for _ in 0..20 {
        let answer = world.client.call("GET", "/r/items/items/1", &own).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    for flood in floods {
        flood.abort();
    }
}

/// Behind a proxy that is trusted, each client has its own budget; without one, nobody's word
/// about where a request comes from counts.
#[tokio::test(flavor = "multi_thread")]
async fn only_a_trusted_proxy_says_whose_failure_it_is() {
    for (trusted, other_client) in [("127.0.0.1,::1", 401), ("", 429)] {
        let mut stack = Stack::new();
        stack.set("CARACAL_TRUSTED_PROXIES", trusted);
        stack.set("CARACAL_BAD_SECRETS_PER_MINUTE", "5");
        stack.up();
        let url = format!("{}/v1/zones", stack.console);
        let fail = async |client: &str| {
            let request = http().get(&url).bearer_auth("caracal_token_guess");
            let answer = request.header("x-forwarded-for", client).send().await;
            answer.unwrap().status().as_u16()
        };
        let mut last = 0;
        for _ in 0..20 {
            last = fail("203.0.113.1").await;
        }
        assert_eq!(last, 429, "{trusted}");
        assert_eq!(fail("203.0.113.2").await, other_client, "{trusted}");
        stack.cli(&["down"]).ok();
    }
}
