//! A person between an agent and what it wants to do.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{Answer, Client, KEY, Stack, Upstream, claims, http};

fn zone_file(upstream: &Upstream) -> String {
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
    scopes: [items:read, items:write, items:admin]
    operations:
      - {{ method: GET, path: "/**", scope: items:read }}
      - {{ method: POST, path: "/items/{{id}}", scope: items:write }}
      - {{ method: DELETE, path: "/**", scope: items:admin }}
policies:
  - name: read
    cedar: |
      permit (principal, action == Action::"items:read", resource);
  - name: write
    cedar: |
      @approval("operator")
      permit (principal, action == Action::"items:write", resource) when {{ context.request.method == "POST" }};
  - name: admin
    cedar: |
      @approval("operator")
      permit (principal, action == Action::"items:admin", resource);
"#,
        upstream.url()
    )
}

struct World {
    stack: Stack,
    upstream: Upstream,
    client: Client,
    id: String,
    secret: String,
    /// The token of a person who approves.
    eve: String,
}

impl World {
    async fn start() -> Self {
        let upstream = Upstream::start().await;
        let mut stack = Stack::start();
        stack.set("STORY_KEY", KEY);
        let applied = stack.apply(&zone_file(&upstream));
        let anton = &applied["applications"][0];
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let (id, secret) = (text(&anton["id"]), text(&anton["client_secret"]));
        let arguments = [
            "token", "create", "--json", "eve", "--role", "approver", "--zone", "acme",
        ];
        let eve = text(&stack.cli(&arguments).ok().json()["token"]);
        let client = stack.client(&applied, "anton");
        Self {
            stack,
            upstream,
            client,
            id,
            secret,
            eve,
        }
    }

    /// Runs a command as the person who approves.
    fn as_eve(&mut self, arguments: &[&str]) -> crate::harness::Output {
        let mut command = self.stack.command(arguments);
        command
            .env("CARACAL_API_URL", &self.stack.console)
            .env("CARACAL_API_TOKEN", &self.eve);
        crate::harness::run(command, b"")
    }

    /// Waits for a decision, as an agent does.
    async fn wait(&self, approval: &str) -> Value {
        let url = format!("{}/v1/approvals/{approval}?wait=25", self.stack.sts);
        let request = http().get(url).basic_auth(&self.id, Some(&self.secret));
        let answer = Answer::of(request.send().await.unwrap()).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()
    }

    async fn post(&self, mandate: &str, body: &str) -> Answer {
        let request = self.client.request("POST", "/r/items/items/1", mandate);
        let request = request
            .header("content-type", "text/plain")
            .body(body.to_owned());
        Answer::of(request.send().await.unwrap()).await
    }
}

fn text(answer: &Answer, field: &str) -> String {
    answer.json()[field].as_str().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_call_passes_once_after_a_person_saw_it() {
    let mut world = World::start().await;
    let mandate = world
        .client
        .mint("resource://items", "items:read items:write")
        .await;
    let held = world.post(&mandate, "pay 10").await;
    assert_eq!(
        (held.status, held.refusal()),
        (403, "approval_required".to_owned())
    );
    let id = text(&held, "approval_id");
    assert!(world.upstream.seen().is_empty(), "nothing has left");

    let local = world.stack.cli(&["approval", "approve", &id]).fails(1);
    assert!(local.stderr.contains("local socket"), "{}", local.stderr);
    let shown = world
        .as_eve(&["approval", "show", &id, "--zone", "acme"])
        .ok()
        .stdout;
    assert!(
        shown.contains("POST ") && shown.contains("pay 10"),
        "{shown}"
    );
    let listed = world
        .as_eve(&["approval", "list", "--json", "--zone", "acme"])
        .ok()
        .json();
    assert_eq!(listed["items"][0]["status"], "pending");

    let began = Instant::now();
    let (waited, decided) = tokio::join!(world.wait(&id), async {
        let url = format!(
            "{}/v1/zones/acme/approvals/{id}/approve",
            world.stack.console
        );
        let request = http().post(url).bearer_auth(&world.eve);
        // The other one waits already, or finds it decided; either way it is told at once.
        tokio::time::sleep(Duration::from_millis(200)).await;
        let answer = Answer::of(request.send().await.unwrap()).await;
        (answer.status, Instant::now())
    });
    assert_eq!(decided.0, 200);
    assert_eq!(waited["status"], "approved");
    let late = Instant::now().duration_since(decided.1);
    assert!(
        late < Duration::from_secs(1),
        "woken {late:?} later, {:?} in all",
        began.elapsed()
    );

    let changed = world.post(&mandate, "pay 11").await;
    assert_eq!(changed.refusal(), "approval_required");
    assert_ne!(text(&changed, "approval_id"), id);
    assert_eq!(world.post(&mandate, "pay 10").await.status, 200);
    assert_eq!(
        world.post(&mandate, "pay 10").await.refusal(),
        "approval_required"
    );
    let seen = world.upstream.seen();
    assert_eq!(seen.len(), 1);
    let again = world
        .as_eve(&["approval", "reject", &id, "--zone", "acme"])
        .fails(1);
    assert!(
        again.stderr.contains("consumed already"),
        "{}",
        again.stderr
    );
    let verified = world.stack.cli(&["audit", "verify", "--json"]).ok().json();
    assert_eq!(verified["ok"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_mandate_is_issued_once_a_person_approves() {
    let mut world = World::start().await;
    let held = world
        .client
        .try_mint("resource://items", "items:admin")
        .await;
    assert_eq!(held.status, 401);
    assert_eq!(held.json()["error"], "interaction_required");
    assert!(held.json()["approval_expires_at"].is_string());
    let id = text(&held, "approval_id");
    let reason = ["--reason", "for the release"];
    let approve = [&["approval", "approve", &id, "--zone", "acme"], &reason[..]].concat();
    world.as_eve(&approve).ok();
    let waited = world.wait(&id).await;
    assert_eq!(
        (&waited["status"], &waited["reason"]),
        (&"approved".into(), &"for the release".into())
    );
    let form = [
        ("grant_type", "client_credentials"),
        ("resource", "resource://items"),
        ("scope", "items:admin"),
        ("approval_id", &id),
    ];
    let issued = world.client.token(&form).await;
    assert_eq!(issued.status, 200, "{}", issued.body);
    let mandate = text(&issued, "access_token");
    assert_eq!(claims(&mandate)["apr"], id.as_str());
    let called = world
        .client
        .call("DELETE", "/r/items/items/1", &mandate)
        .await;
    assert_eq!(called.status, 200);
    assert_eq!(
        world.client.token(&form).await.json()["error"],
        "invalid_grant"
    );
}
