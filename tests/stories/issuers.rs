//! Workloads and people that somebody outside vouches for: a real issuer, found by its metadata.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};

use serde_json::{Value, json};

use crate::harness::{
    Answer, Client, KEY, Protected, Stack, Upstream, claims, http, python, python_command,
};

const AUDIENCE: &str = "the-client-people-sign-in-to";

/// An issuer in a process of its own; it ends when its input does.
struct Issuer {
    process: Child,
    url: String,
}

impl Issuer {
    fn start() -> Self {
        let mut command = python_command("issuer.py");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let mut url = String::new();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        output.read_line(&mut url).unwrap();
        let url = url.trim().to_owned();
        assert!(url.starts_with("http://127.0.0.1:"), "{url}");
        Self { process, url }
    }

    async fn post(&self, path: &str, body: &Value) -> String {
        let request = http()
            .post(format!("{}{path}", self.url))
            .body(body.to_string());
        request.send().await.unwrap().text().await.unwrap()
    }

    /// A token with these claims.
    async fn sign(&self, claims: &Value) -> String {
        self.post("/sign", claims).await
    }

    /// The ID token of a person.
    async fn person(&self, sub: &str) -> String {
        self.sign(&json!({ "sub": sub, "aud": AUDIENCE })).await
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

struct World {
    issuer: Issuer,
    stack: Stack,
    zone: String,
    bot: String,
    _upstream: Upstream,
}

impl World {
    async fn start() -> Self {
        let issuer = Issuer::start();
        let upstream = Upstream::start().await;
        let mut stack = Stack::start();
        stack.set("STORY_KEY", KEY);
        let url = &issuer.url;
        let outside = format!(
            r#"
issuers:
  - name: ci
    issuer: {url}
    proves: [applications, subjects]
    algorithms: [RS256]
    audiences: [story, {AUDIENCE}]
    allow_private: true
applications:
  - name: bot
    auth:
      issuer: ci
      subject: "repo:acme/x:*"
      claims: {{ repository: acme/x }}
"#
        );
        let held = r#"
  - name: bot
    cedar: |
      permit (principal in Application::"bot", action == Action::"items:read", resource);
      @approval("subject")
      permit (principal in Application::"bot", action == Action::"items:write", resource);
"#;
        let file =
            Protected::zone_file("acme", &upstream).replacen("applications:\n", &outside, 1) + held;
        let applied = stack.apply(&file);
        let applications = applied["applications"].as_array().unwrap();
        let bot = applications.iter().find(|a| a["name"] == "bot").unwrap();
        assert_eq!(bot.get("client_secret"), None, "{bot}");
        // What was exported changes nothing.
        let exported = stack.cli(&["export", "--zone", "acme"]).ok().stdout;
        assert!(exported.contains("repo:acme/x:*"), "{exported}");
        assert_eq!(stack.apply(&exported)["changes"], 0, "{exported}");
        Self {
            bot: bot["id"].as_str().unwrap().to_owned(),
            zone: applied["zone"]["id"].as_str().unwrap().to_owned(),
            issuer,
            stack,
            _upstream: upstream,
        }
    }

    /// The token of a job of the repository `acme/x`.
    async fn job(&self) -> String {
        let claims = json!({
            "sub": "repo:acme/x:ref:refs/heads/main", "repository": "acme/x", "aud": "story",
        });
        self.issuer.sign(&claims).await
    }

    async fn open(&self, job: &str, body: &Value) -> Answer {
        let request = http()
            .post(format!("{}/v1/sessions", self.stack.sts))
            .basic_auth(&self.bot, Some(job))
            .header("content-type", "application/json")
            .body(body.to_string());
        Answer::of(request.send().await.unwrap()).await
    }

    async fn token(&self, form: &[(&str, &str)]) -> Answer {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish();
        let request = http()
            .post(format!("{}/oauth/2/token", self.stack.sts))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body);
        Answer::of(request.send().await.unwrap()).await
    }

    async fn decide(&self, approval: &str, verdict: &str, token: &str) -> Answer {
        let url = format!("{}/v1/approvals/{approval}/{verdict}", self.stack.sts);
        let request = http()
            .post(url)
            .bearer_auth(token)
            .header("content-type", "application/json")
            .body(json!({ "reason": "it is mine" }).to_string());
        Answer::of(request.send().await.unwrap()).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unmodified_client_gets_mandates_with_tokens_of_an_outside_issuer() {
    let world = World::start().await;
    let tokens = json!({
        "workload": world.job().await, "person": world.issuer.person("alice").await,
    });
    let issuer = format!("{}/zones/{}", world.stack.sts, world.zone);
    let arguments = [&issuer, &world.bot, "resource://items", "items:read"];
    let seen = python("issuer_client.py", &arguments, &[], &tokens.to_string());
    let seen = seen.ok().json();
    let shown = world
        .stack
        .cli(&["issuer", "subject", "ci", "alice", "--zone", "acme"]);
    let alice = shown.ok().stdout.trim().to_owned();
    assert!(alice.starts_with("sub_"), "{alice}");
    let client = Client::new(&world.stack, &world.bot, "");
    for (name, sub) in [
        ("own", &world.bot),
        ("exchanged", &alice),
        ("granted", &world.bot),
    ] {
        let mandate = seen[name].as_str().unwrap();
        let said = claims(mandate);
        assert_eq!(
            (&said["sub"], &said["client_id"]),
            (&json!(sub), &json!(world.bot))
        );
        let answer = client.call("GET", "/r/items/items/1", mandate).await;
        assert_eq!(answer.status, 200, "{name}: {answer:?}");
    }
    // The issuer has another key now, and nobody had to say so. A key that is not known is looked for
    // at most once in 10 s, so the first that needs it may have to ask again.
    world.issuer.post("/rotate", &json!({})).await;
    let job = world.job().await;
    let begin = std::time::Instant::now();
    loop {
        let opened = world.open(&job, &json!({})).await;
        if opened.status == 201 {
            break;
        }
        assert_eq!(opened.json()["error"], "invalid_client", "{opened:?}");
        assert!(begin.elapsed().as_secs() < 30, "{opened:?}");
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    }
    // Revoking the person ends what was issued for her, and only that.
    world.stack.cli(&["revoke", &alice, "--zone", "acme"]).ok();
    for (name, status) in [("own", 200), ("exchanged", 401)] {
        let mandate = seen[name].as_str().unwrap();
        let answer = client.call("GET", "/r/items/items/1", mandate).await;
        assert_eq!(answer.status, status, "{name}: {answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_proof_is_refused_in_words_and_in_the_ledger() {
    let world = World::start().await;
    let job = world.job().await;
    for (claims, words) in [
        (
            json!({ "sub": "repo:acme/y:x", "repository": "acme/y", "aud": "story" }),
            "no application",
        ),
        (
            json!({ "sub": "repo:acme/x:x", "repository": "acme/x", "aud": "elsewhere" }),
            "`aud`",
        ),
        (
            json!({ "sub": "repo:acme/x:x", "repository": "acme/x", "aud": "story", "exp": 1 }),
            "expired",
        ),
    ] {
        let refused = world
            .open(&world.issuer.sign(&claims).await, &json!({}))
            .await;
        assert_eq!(refused.status, 401, "{refused:?}");
        let why = refused.json()["error_description"]
            .as_str()
            .unwrap()
            .to_owned();
        assert!(why.contains(words), "{why}");
    }
    for (claims, words, reason) in [
        (
            json!({ "sub": "alice", "aud": "another-client" }),
            "`aud`",
            "wrong_audience",
        ),
        (
            json!({ "sub": "\u{202e}ecila", "aud": AUDIENCE }),
            "direction",
            "subject_characters",
        ),
        (
            json!({ "sub": "x".repeat(256), "aud": AUDIENCE }),
            "255 bytes",
            "subject_too_long",
        ),
        (
            json!({ "sub": "alice", "aud": AUDIENCE, "iss": "https://unknown.example" }),
            "registered",
            "unknown_issuer",
        ),
    ] {
        let token = world.issuer.sign(&claims).await;
        let refused = world.open(&job, &json!({ "subject_token": token })).await;
        assert_eq!(refused.status, 400, "{refused:?}");
        assert_eq!(refused.json()["error"], "invalid_grant");
        let why = refused.json()["error_description"]
            .as_str()
            .unwrap()
            .to_owned();
        assert!(why.contains(words), "{why}");
        let events = world.stack.cli(&[
            "audit",
            "list",
            "--zone",
            "acme",
            "--type",
            "session.denied",
            "--limit",
            "1",
            "--json",
        ]);
        let event = events.ok().stdout;
        assert!(event.contains(reason), "{event}");
    }
    let events = world
        .stack
        .cli(&["audit", "list", "--zone", "acme", "--json"]);
    assert!(
        !events.ok().stdout.contains("alice"),
        "a name is in the log"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_person_that_an_agent_works_for_decides_over_http() {
    let world = World::start().await;
    let job = world.job().await;
    let given = world.issuer.person("alice").await;
    let opened = world.open(&job, &json!({ "subject_token": given })).await;
    assert_eq!(opened.status, 201, "{opened:?}");
    let session = opened.json();
    assert!(
        session["subject"].as_str().unwrap().starts_with("sub_"),
        "{session}"
    );
    let id = session["id"].as_str().unwrap();
    let assertion_type = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", world.bot.as_str()),
        ("client_assertion_type", assertion_type),
        ("client_assertion", job.as_str()),
        ("session_id", id),
        ("resource", "resource://items"),
        ("scope", "items:write"),
    ];
    let held = world.token(&form).await;
    assert_eq!(held.json()["error"], "interaction_required", "{held:?}");
    let approval = held.json()["approval_id"].as_str().unwrap().to_owned();

    // The agent has an ID token of hers, and cannot decide with it.
    let refused = world.decide(&approval, "approve", &given).await;
    assert_eq!(
        (refused.status, &refused.json()["error"]),
        (400, &json!("invalid_grant"))
    );
    let nonce = |sub: &str| json!({ "sub": sub, "aud": AUDIENCE, "nonce": approval });
    let bobs = world.issuer.sign(&nonce("bob")).await;
    let refused = world.decide(&approval, "approve", &bobs).await;
    assert_eq!(
        (refused.status, &refused.json()["gate"]),
        (403, &json!("approval"))
    );
    let alices = world.issuer.sign(&nonce("alice")).await;
    let decided = world.decide(&approval, "approve", &alices).await;
    assert_eq!(decided.status, 200, "{decided:?}");
    assert_eq!(decided.json()["status"], "approved");
    let again = world.decide(&approval, "reject", &alices).await;
    assert_eq!(
        (again.status, &again.json()["error"]),
        (409, &json!("already_decided"))
    );

    let mut form = form.to_vec();
    form.push(("approval_id", &approval));
    let minted = world.token(&form).await;
    assert_eq!(minted.status, 200, "{minted:?}");
    let mandate = minted.json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(claims(&mandate)["sub"], session["subject"]);
    let events = world.stack.cli(&[
        "audit",
        "list",
        "--zone",
        "acme",
        "--type",
        "approval.approved",
        "--json",
    ]);
    let events = events.ok().stdout;
    assert!(
        events.contains(session["subject"].as_str().unwrap()),
        "{events}"
    );

    let listed = world
        .stack
        .cli(&["issuer", "list", "--zone", "acme", "--json"])
        .ok()
        .json();
    assert_eq!(
        listed["items"][0]["proves"],
        json!(["applications", "subjects"])
    );
    let kept = world
        .stack
        .cli(&["issuer", "delete", "ci", "--zone", "acme"]);
    assert!(kept.stderr.contains("no issuer `ci`"), "{}", kept.stderr);
}
