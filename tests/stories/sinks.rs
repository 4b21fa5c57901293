//! Who is told that something waits for a person.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::harness::{KEY, Stack, Upstream, python};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NEXT_SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const CANARY: &str = "transfer-canary-7d1e";

/// A message that arrived.
#[derive(Clone)]
struct Message {
    path: String,
    headers: HeaderMap,
    body: String,
}

impl Message {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    /// What the reference library says of the signature.
    fn verify(&self, secret: &str) -> crate::harness::Output {
        let names = ["webhook-id", "webhook-timestamp", "webhook-signature"];
        let headers: serde_json::Map<_, _> = names
            .into_iter()
            .map(|name| (name.to_owned(), self.header(name).into()))
            .collect();
        let seen = json!({"headers": headers, "body": self.body}).to_string();
        python("verify_webhook.py", &[secret], &[], &seen)
    }
}

/// A receiver that answers as it is told, 204 where nothing is said.
#[derive(Clone)]
struct Receiver {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Message>>>,
    answers: Arc<Mutex<VecDeque<(u16, &'static str)>>>,
}

impl Receiver {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let receiver = Self {
            address: listener.local_addr().unwrap(),
            seen: Arc::default(),
            answers: Arc::default(),
        };
        let router = Router::new().fallback(take).with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        receiver
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn answer(&self, status: u16, retry_after: &'static str) {
        self.answers
            .lock()
            .unwrap()
            .push_back((status, retry_after));
    }

    /// The messages at a path, once there are so many.
    async fn wait(&self, path: &str, count: usize) -> Vec<Message> {
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            let seen = self.at(path);
            if seen.len() >= count {
                return seen;
            }
            assert!(Instant::now() < end, "{} messages at {path}", seen.len());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn at(&self, path: &str) -> Vec<Message> {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|m| m.path == path).cloned().collect()
    }
}

async fn take(
    State(receiver): State<Receiver>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let path = uri.path().to_owned();
    if path == "/hang" {
        std::future::pending::<()>().await;
    }
    let is_webhook = path == "/webhook";
    receiver.seen.lock().unwrap().push(Message {
        path,
        headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
    });
    let told = match is_webhook {
        true => receiver.answers.lock().unwrap().pop_front(),
        false => None,
    };
    match told {
        Some((status, after)) => {
            let status = StatusCode::from_u16(status).unwrap();
            let place = receiver.url("/elsewhere");
            (
                status,
                [("retry-after", after.to_owned()), ("location", place)],
            )
                .into_response()
        }
        None => StatusCode::NO_CONTENT.into_response(),
    }
}

fn zone_file(upstream: &Upstream, receiver: &Receiver) -> String {
    format!(
        r#"
zone: acme
applications:
  - name: anton
providers:
  - name: key
    kind: bearer
    secret: {{ from_env: STORY_KEY }}
resources:
  - name: items
    upstream: {}
    provider: key
    allow_private: true
    scopes: [items:write]
    operations:
      - {{ method: POST, path: "/items/{{id}}", scope: items:write }}
sinks:
  - name: hook
    kind: webhook
    url: {}
    secret: {{ from_env: STORY_HOOK }}
    events: [approval.requested, approval.decided]
    allow_private: true
  - name: hanging
    kind: webhook
    url: {}
    secret: {{ from_env: STORY_HOOK }}
    allow_private: true
  - name: team
    kind: slack
    secret: {{ from_env: STORY_SLACK }}
    include_request: true
    allow_private: true
policies:
  - name: write
    cedar: |
      @approval("operator")
      permit (principal, action == Action::"items:write", resource) when {{ context.request.method == "POST" }};
"#,
        upstream.url(),
        receiver.url("/webhook"),
        receiver.url("/hang"),
    )
}

struct World {
    stack: Stack,
    receiver: Receiver,
    file: String,
    client: crate::harness::Client,
    mandate: String,
}

impl World {
    async fn start() -> Self {
        let upstream = Upstream::start().await;
        let receiver = Receiver::start().await;
        let mut stack = Stack::start();
        stack.set("STORY_KEY", KEY);
        stack.set("STORY_HOOK", SECRET);
        stack.set("STORY_SLACK", &receiver.url("/slack/T0-canary-91aa"));
        let file = zone_file(&upstream, &receiver);
        let applied = stack.apply(&file);
        assert_eq!(applied["sinks"].as_array().unwrap().len(), 3);
        let client = stack.client(&applied, "anton");
        let mandate = client.mint("resource://items", "items:write").await;
        Self {
            stack,
            receiver,
            file,
            client,
            mandate,
        }
    }

    /// Asks for an approval of a call with this body.
    async fn ask(&self, body: &str) -> String {
        let request = self
            .client
            .request("POST", "/r/items/items/1", &self.mandate);
        let request = request.header("content-type", "text/plain");
        let answer = request.body(body.to_owned()).send().await.unwrap();
        let told: Value = answer.json().await.unwrap();
        told["approval_id"].as_str().unwrap().to_owned()
    }

    fn deliveries(&self) -> Vec<Value> {
        let listed = self
            .stack
            .cli(&["sink", "deliveries", "--json"])
            .ok()
            .json();
        listed["items"].as_array().unwrap().clone()
    }

    /// The delivery of a sink about an event, once it stands so.
    async fn delivery(&self, sink: &str, event: &str, status: &str) -> Value {
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            let found = self.deliveries().into_iter().find(|told| {
                told["sink_name"] == sink && told["event"] == event && told["status"] == status
            });
            if let Some(found) = found {
                return found;
            }
            assert!(Instant::now() < end, "{:?}", self.deliveries());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_message_arrives_after_failures_and_a_restart_and_says_no_secrets() {
    let mut world = World::start().await;
    world.receiver.answer(500, "0");
    world.receiver.answer(429, "1");
    let text = format!("{CANARY} <https://evil.example|Approve> <!channel>");
    let id = world.ask(&text).await;
    let tried = world.receiver.wait("/webhook", 3).await;
    // The same message each time, signed anew.
    assert_eq!(tried[0].body, tried[2].body);
    assert_eq!(tried[0].header("webhook-id"), tried[2].header("webhook-id"));
    let waited = |a: usize, b: usize| {
        let second = |m: &Message| m.header("webhook-timestamp").parse::<i64>().unwrap();
        second(&tried[b]) - second(&tried[a])
    };
    assert!(waited(1, 2) >= 1, "`Retry-After` is honored");
    let verified = tried[2].verify(SECRET).ok().json();
    assert_eq!(verified["type"], "approval.requested");
    assert_eq!(verified["data"]["approval_id"], id.as_str());
    assert_eq!(verified["data"]["application"]["name"], "anton");
    assert_eq!(verified["data"]["request"]["method"], "POST");
    assert!(verified["data"]["command"].as_str().unwrap().contains(&id));
    assert!(!tried[2].body.contains(CANARY), "the body is not asked for");
    tried[2].verify(NEXT_SECRET).fails(1);
    let mut changed = tried[2].clone();
    changed.body = changed.body.replace("anton", "berta");
    changed.verify(SECRET).fails(1);

    // One that hangs delayed nobody, and what asks for the request gets it as plain text.
    let slack = world.receiver.wait("/slack/T0-canary-91aa", 1).await;
    let told = slack[0].json();
    assert!(slack[0].body.contains(CANARY), "{}", slack[0].body);
    for block in told["blocks"].as_array().unwrap() {
        assert_eq!(block["text"]["type"], "plain_text");
        let shown = block["text"]["text"].as_str().unwrap();
        assert!(!shown.contains('<') && !shown.contains("://"), "{shown}");
    }
    let made = world
        .delivery("hook", "approval.requested", "delivered")
        .await;
    assert_eq!(
        (&made["attempts"], &made["http_status"]),
        (&json!(3), &json!(204))
    );

    // A decision is news for those who want it; a server that was away tells it once it is back.
    let arguments = [
        "token", "create", "--json", "eve", "--role", "approver", "--zone", "acme",
    ];
    let eve = world.stack.cli(&arguments).ok().json()["token"]
        .as_str()
        .unwrap()
        .to_owned();
    for _ in 0..64 {
        world.receiver.answer(503, "0");
    }
    let mut command = world
        .stack
        .command(&["approval", "reject", &id, "--zone", "acme"]);
    command
        .env("CARACAL_API_URL", &world.stack.console)
        .env("CARACAL_API_TOKEN", &eve);
    crate::harness::run(command, b"").ok();
    world.receiver.wait("/webhook", 4).await;
    let began = Instant::now();
    world.stack.cli(&["down"]).ok();
    assert!(
        began.elapsed() < Duration::from_secs(8),
        "a sink delays no stop"
    );
    world.receiver.answers.lock().unwrap().clear();
    let before = world.receiver.at("/webhook").len();
    world.stack.up();
    let seen = world.receiver.wait("/webhook", before + 1).await;
    let last = seen.last().unwrap().verify(SECRET).ok().json();
    assert_eq!(last["type"], "approval.decided");
    assert_eq!(last["data"]["status"], "rejected");
    world
        .delivery("hook", "approval.decided", "delivered")
        .await;
    // What was delivered before is not sent again.
    let requested = seen
        .iter()
        .filter(|m| m.json()["type"] == "approval.requested");
    assert_eq!(requested.count(), 3);
    assert_eq!(world.receiver.at("/slack/T0-canary-91aa").len(), 1);

    let log = world.stack.cli(&["logs"]).ok().stdout;
    let events = serde_json::to_string(&world.stack.events("acme")).unwrap();
    let exported = world.stack.cli(&["export"]).ok().stdout;
    let listed = world.stack.cli(&["sink", "list", "--json"]).ok().stdout;
    for text in [log, events, exported, listed] {
        for secret in ["MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "T0-canary-91aa", CANARY] {
            assert!(!text.contains(secret), "{secret}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_is_tried_rotated_and_round_trips() {
    let world = World::start().await;
    let tried = world.stack.cli(&["sink", "test", "hook"]).ok().stdout;
    assert!(tried.contains("has taken a message"), "{tried}");
    world.receiver.answer(302, "0");
    let refused = world.stack.cli(&["sink", "test", "hook"]).fails(1).stderr;
    assert!(refused.contains("redirects are not followed"), "{refused}");
    assert!(world.receiver.at("/elsewhere").is_empty());
    world.receiver.answer(410, "0");
    let id = world.ask("x").await;
    let gone = world.delivery("hook", "approval.requested", "failed").await;
    assert_eq!(
        (&gone["approval"], &gone["attempts"]),
        (&json!(id), &json!(1))
    );

    // Both keys sign for a while, so that a receiver can change in its own time.
    let rotate = ["sink", "rotate-secret", "hook"];
    let told = world.stack.cli_with(&rotate, NEXT_SECRET).ok().stdout;
    assert!(told.contains("signs beside it until"), "{told}");
    let before = world.receiver.at("/webhook").len();
    world.stack.cli(&["sink", "test", "hook"]).ok();
    let message = world.receiver.wait("/webhook", before + 1).await[before].clone();
    message.verify(SECRET).ok();
    message.verify(NEXT_SECRET).ok();

    // Applied as it is exported, nothing changes and the secrets stay.
    let exported = world.stack.cli(&["export"]).ok().stdout;
    assert_eq!(world.stack.apply(&exported)["changes"], 0, "{exported}");
    let moved = world
        .file
        .replace("/webhook", "/elsewhere")
        .replace("127.0.0.1", "localhost");
    let moved = moved.replace("    secret: { from_env: STORY_HOOK }\n", "");
    std::fs::write(world.stack.file("moved.yaml"), moved).unwrap();
    let path = world.stack.file("moved.yaml");
    let refused = world
        .stack
        .cli(&["apply", "-f", path.to_str().unwrap()])
        .fails(1);
    assert!(
        refused.stderr.contains("sealed for another host"),
        "{}",
        refused.stderr
    );
    for (body, field) in [
        (
            json!({"kind": "webhook", "url": "http://a.example/", "secret": SECRET}),
            "url",
        ),
        (
            json!({"kind": "webhook", "url": "https://a.example/", "secret": "short"}),
            "secret",
        ),
        (
            json!({"kind": "slack", "url": "https://a.example/", "secret": "https://a.example/"}),
            "url",
        ),
        (
            json!({"kind": "slack", "secret": "https://a.example/", "events": ["sink.tested"]}),
            "events[0]",
        ),
    ] {
        let mut file = json!({"zone": "acme", "sinks": [body]});
        file["sinks"][0]["name"] = "bad".into();
        if let Some(secret) = file["sinks"][0]["secret"].take().as_str() {
            file["sinks"][0]["secret"] = json!({"value": secret});
        }
        let path = world.stack.file("bad.json");
        std::fs::write(&path, file.to_string()).unwrap();
        let refused = world
            .stack
            .cli(&["apply", "-f", path.to_str().unwrap()])
            .fails(1);
        assert!(
            refused.stderr.contains(field),
            "{field}: {}",
            refused.stderr
        );
    }
    world.stack.cli(&["sink", "delete", "hook"]).ok();
    let verified = world.stack.cli(&["audit", "verify", "--json"]).ok().json();
    assert_eq!(verified["ok"], true);
}
