//! What services that verify mandates themselves hear of what ends, and how soon.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{Answer, Client, Stack, http};

const ZONE: &str = r#"
zone: heard
applications:
  - { name: agent }
  - { name: service }
resources:
  - name: store
    upstream: http://127.0.0.1:9
    allow_private: true
    scopes: [store:read]
    operations:
      - { method: GET, path: "/**", scope: store:read }
policies:
  - name: agent
    cedar: permit (principal in Application::"agent", action, resource);
"#;

/// Longer than anything here may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(10);

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}

struct Told {
    event: String,
    id: Option<String>,
    data: Value,
}

struct Feed {
    response: reqwest::Response,
    read: String,
}

impl Feed {
    async fn request(stack: &Stack, client: &Client, after: Option<&str>) -> reqwest::Response {
        let url = format!("{}/v1/revocations/stream", stack.sts);
        let mut request = http()
            .get(url)
            .basic_auth(&client.id, Some(&client.secret))
            .timeout(Duration::from_secs(120));
        if let Some(after) = after {
            request = request.header("last-event-id", after);
        }
        request.send().await.unwrap()
    }

    async fn open(stack: &Stack, client: &Client, after: Option<&str>) -> Self {
        let response = Self::request(stack, client, after).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-store");
        Self {
            response,
            read: String::new(),
        }
    }

    /// The next event; none at the end of the feed.
    async fn next(&mut self) -> Option<Told> {
        loop {
            if let Some((event, rest)) = self.read.split_once("\n\n") {
                let mut told = Told {
                    event: String::new(),
                    id: None,
                    data: Value::Null,
                };
                for line in event.lines() {
                    match line.split_once(": ").unwrap() {
                        ("event", name) => told.event = name.to_owned(),
                        ("id", id) => told.id = Some(id.to_owned()),
                        ("data", data) => told.data = serde_json::from_str(data).unwrap(),
                        _ => panic!("not a line of a feed: {line}"),
                    }
                }
                self.read = rest.to_owned();
                return Some(told);
            }
            let chunk = tokio::time::timeout(LIMIT, self.response.chunk()).await;
            let chunk = chunk.expect("the feed is silent").unwrap()?;
            self.read.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// Everything up to the next position, and the position.
    async fn batch(&mut self) -> (Vec<Told>, String) {
        let mut batch = Vec::new();
        loop {
            let told = self.next().await.expect("the feed has ended");
            match told.id {
                Some(id) => {
                    assert_eq!(
                        (told.event.as_str(), &told.data["position"]),
                        ("heartbeat", &json!(id))
                    );
                    return (batch, id);
                }
                None => batch.push(told),
            }
        }
    }

    /// The next batch that says something.
    async fn told(&mut self) -> (Vec<Told>, String) {
        let begun = Instant::now();
        loop {
            let (batch, position) = self.batch().await;
            if !batch.is_empty() {
                return (batch, position);
            }
            assert!(begun.elapsed() < LIMIT, "the feed says nothing");
        }
    }

    async fn expect(&mut self, event: &str, anchor: &str) -> (Value, String) {
        let (batch, position) = self.told().await;
        let found: Vec<_> = batch
            .iter()
            .map(|told| {
                (
                    told.event.as_str(),
                    told.data["anchor"].as_str().unwrap_or_default(),
                )
            })
            .collect();
        assert_eq!(found, [(event, anchor)]);
        (batch[0].data.clone(), position)
    }
}

struct World {
    stack: Stack,
    agent: Client,
    service: Client,
}

impl World {
    fn start() -> Self {
        let stack = Stack::start();
        let applied = stack.apply(ZONE);
        Self {
            agent: stack.client(&applied, "agent"),
            service: stack.client(&applied, "service"),
            stack,
        }
    }

    async fn feed(&self, after: Option<&str>) -> Feed {
        Feed::open(&self.stack, &self.service, after).await
    }

    fn revoke(&self, anchor: &str) -> Value {
        let cli = ["revoke", anchor, "--zone", "heard", "--json"];
        self.stack.cli(&cli).ok().json()
    }

    async fn session(&self, method: &str, path: &str, body: Value) -> Value {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let request = http()
            .request(method, format!("{}/v1/sessions{path}", self.stack.sts))
            .basic_auth(&self.agent.id, Some(&self.agent.secret))
            .header("content-type", "application/json")
            .body(body.to_string());
        let answer = Answer::of(request.send().await.unwrap()).await;
        assert!(answer.status < 300, "{}", answer.body);
        if answer.body.is_empty() {
            Value::Null
        } else {
            answer.json()
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ends_is_told_within_a_second_and_nothing_is_lost_over_a_reconnect() {
    let world = World::start();
    let mandate = "mnd_01980000-0000-7000-8000-000000000001";
    world.revoke(mandate);

    // A new subscriber hears what is dead already.
    let mut feed = world.feed(None).await;
    let (batch, _) = feed.batch().await;
    let found: Vec<_> = batch.iter().map(|told| told.event.as_str()).collect();
    assert_eq!(found, ["reset", "revoked"]);
    assert_eq!(batch[1].data["anchor"], mandate);

    // A session's life, as far as it changes what its mandates are good for.
    let session = world.session("POST", "", json!({})).await;
    let id = text(&session, "id");
    world
        .session("POST", &format!("/{id}/suspend"), json!({}))
        .await;
    feed.expect("suspended", &id).await;
    world
        .session("POST", &format!("/{id}/resume"), json!({}))
        .await;
    feed.expect("resumed", &id).await;
    world
        .session(
            "POST",
            &format!("/{id}/heartbeat"),
            json!({"generation": 2}),
        )
        .await;
    let (fenced, _) = feed.expect("fenced", &id).await;
    assert!(
        fenced["through"].as_u64() < fenced["revision"].as_u64(),
        "{fenced}"
    );
    assert_eq!(fenced["generation"], 2, "{fenced}");
    world.session("DELETE", &format!("/{id}"), json!({})).await;
    let (_, position) = feed.expect("ended", &id).await;

    // The time that counts: from the request until a service knows.
    let mut slowest = Duration::ZERO;
    for n in 2..12 {
        let mandate = format!("mnd_01980000-0000-7000-8000-{n:012}");
        let begun = Instant::now();
        world.revoke(&mandate);
        feed.expect("revoked", &mandate).await;
        slowest = slowest.max(begun.elapsed());
    }
    println!("slowest of ten, with the start of the command line tool: {slowest:?}");
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");

    // What happened while nobody listened is told, in order, without a reset.
    drop(feed);
    let mut feed = world.feed(Some(&position)).await;
    let (batch, last) = feed.batch().await;
    let found: Vec<_> = batch
        .iter()
        .map(|told| text(&told.data, "anchor"))
        .collect();
    let wanted: Vec<_> = (2..12)
        .map(|n| format!("mnd_01980000-0000-7000-8000-{n:012}"))
        .collect();
    assert_eq!(found, wanted);

    // Silence is told too: the position goes on being good.
    let begun = Instant::now();
    for _ in 0..4 {
        let (batch, position) = feed.batch().await;
        assert!(batch.is_empty());
        assert_eq!(position, last);
    }
    assert!(
        begun.elapsed() >= Duration::from_millis(1400),
        "{:?}",
        begun.elapsed()
    );

    // A position of another history, or none at all, begins with everything.
    let mut other = last.clone();
    other.replace_range(..16, "0000000000000000");
    let (epoch, _) = last.split_once('.').unwrap();
    let future = format!("{epoch}.999999.0000000000000000");
    for unknown in [other.as_str(), future.as_str(), "x", "1.2.3"] {
        let mut feed = world.feed(Some(unknown)).await;
        let (batch, position) = feed.batch().await;
        assert_eq!(batch[0].event, "reset", "{unknown}");
        assert_eq!((batch.len(), &position), (12, &last));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_is_for_those_who_may_and_ends_with_their_application() {
    let world = World::start();
    let mut stranger = world.service.clone();
    "not-it".clone_into(&mut stranger.secret);
    let refused = Feed::request(&world.stack, &stranger, None).await;
    assert_eq!(refused.status(), 401);

    // Another zone hears nothing of this one.
    let elsewhere = world
        .stack
        .apply(&ZONE.replace("zone: heard", "zone: elsewhere"));
    let elsewhere = world.stack.client(&elsewhere, "service");
    let mut other = Feed::open(&world.stack, &elsewhere, None).await;
    let (batch, before) = other.batch().await;
    assert_eq!(batch.len(), 1, "only `reset`");

    let mut feed = world.feed(None).await;
    feed.batch().await;
    world.revoke(&world.agent.id);
    feed.expect("revoked", &world.agent.id).await;

    // So many and no more, each with its own place.
    let mut held = Vec::new();
    let refused = loop {
        let response = Feed::request(&world.stack, &world.service, None).await;
        if response.status() != 200 {
            break Answer::of(response).await;
        }
        held.push(response);
        assert!(held.len() <= 16, "one application takes everything");
    };
    assert_eq!((refused.status, held.len()), (429, 15));
    assert_eq!(refused.json()["error"], "feeds_exhausted");
    drop(held);

    // Its own end is the end of its feed, and of the next one.
    world.revoke(&world.service.id);
    while let Some(told) = feed.next().await {
        assert_eq!(told.event, "heartbeat");
    }
    let begun = Instant::now();
    let refused = loop {
        let refused = Answer::of(Feed::request(&world.stack, &world.service, None).await).await;
        // Until the places of those that hung up are free.
        if refused.status != 429 || begun.elapsed() > LIMIT {
            break refused;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(refused.json()["error"], "access_denied", "{}", refused.body);

    let (batch, after) = other.batch().await;
    assert!(batch.is_empty());
    assert_eq!(after, before);
}
