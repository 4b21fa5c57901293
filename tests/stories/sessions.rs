//! Sessions and delegation over HTTP: what a run of agents does, what is refused, and what ends
//! what.

use serde_json::{Value, json};

use crate::harness::{Answer, Client, Raw, RawUpstream, Stack, claims, http};

const JSON: &str = "application/json";
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const MANDATE_TYPE: &str = "urn:ietf:params:oauth:token-type:access_token";

fn zone_file(upstream: &RawUpstream) -> String {
    format!(
        r#"
zone: runs
applications:
  - {{ name: anton, labels: [support] }}
  - {{ name: berta }}
resources:
  - name: feed
    upstream: {}
    allow_private: true
    scopes: [feed:read, feed:write]
    operations:
      - {{ method: GET, path: "/**", scope: feed:read }}
      - {{ method: POST, path: "/**", scope: feed:write }}
policies:
  - name: anton
    cedar: permit (principal in Application::"anton", action, resource);
"#,
        upstream.url()
    )
}

/// An upstream that answers `/stream` with a stream that goes on, and all else at once.
fn upstream() -> RawUpstream {
    RawUpstream::start(|mut peer| {
        while let Some(head) = peer.find_head() {
            if !head.first.contains("/stream") {
                peer.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
                continue;
            }
            peer.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
            peer.send_chunk("begun");
            // Until the other side hangs up.
            let _ = peer.find_head();
            return;
        }
    })
}

struct World {
    stack: Stack,
    anton: Client,
    berta: Client,
    upstream: RawUpstream,
}

impl World {
    fn start() -> Self {
        let upstream = upstream();
        let stack = Stack::start();
        let applied = stack.apply(&zone_file(&upstream));
        Self {
            anton: stack.client(&applied, "anton"),
            berta: stack.client(&applied, "berta"),
            stack,
            upstream,
        }
    }

    fn request(&self, method: &str, path: &str, who: &Who<'_>) -> reqwest::RequestBuilder {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let request = http().request(method, format!("{}{path}", self.stack.sts));
        match who {
            Who::Client(client) => request.basic_auth(&client.id, Some(&client.secret)),
            Who::Session(mandate) => request.bearer_auth(mandate),
        }
    }

    async fn send(&self, method: &str, path: &str, who: Who<'_>, body: Option<Value>) -> Answer {
        let mut request = self.request(method, path, &who);
        if let Some(body) = body {
            request = request.header("content-type", JSON).body(body.to_string());
        }
        Answer::of(request.send().await.unwrap()).await
    }

    /// Sends what must succeed.
    async fn ok(&self, method: &str, path: &str, who: Who<'_>, body: Option<Value>) -> Value {
        let answer = self.send(method, path, who, body).await;
        assert!(answer.status < 300, "{method} {path}: {}", answer.body);
        if answer.body.is_empty() {
            Value::Null
        } else {
            answer.json()
        }
    }

    async fn token(&self, who: Who<'_>, form: &[(&str, &str)]) -> Answer {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish();
        let request = self
            .request("POST", "/oauth/2/token", &who)
            .header("content-type", "application/x-www-form-urlencoded");
        Answer::of(request.body(body).send().await.unwrap()).await
    }

    async fn mint(&self, who: Who<'_>, more: &[(&str, &str)]) -> String {
        let mut form = vec![
            ("grant_type", "client_credentials"),
            ("resource", "resource://feed"),
        ];
        form.extend(more);
        let answer = self.token(who, &form).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        text(&answer.json(), "access_token")
    }

    async fn call(&self, method: &str, mandate: &str) -> (u16, String) {
        let answer = self.anton.call(method, "/r/feed/x", mandate).await;
        let code = if answer.status == 200 {
            String::new()
        } else {
            answer.refusal()
        };
        (answer.status, code)
    }

    /// A stream under a mandate that has begun.
    fn stream(&self, mandate: &str) -> Raw {
        let mut raw = Raw::connect(&self.stack.gateway);
        raw.send(format!(
            "GET /r/feed/stream HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {mandate}\r\n\r\n"
        ));
        assert_eq!(raw.head().status(), 200);
        assert_eq!(raw.chunk().unwrap().as_deref(), Some("begun"));
        raw
    }

    fn types(&self) -> Vec<String> {
        let events = self.stack.events("runs");
        events.iter().map(|event| text(event, "type")).collect()
    }
}

/// Who asks.
#[derive(Clone, Copy)]
enum Who<'a> {
    Client(&'a Client),
    Session(&'a str),
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}

fn only_read() -> Value {
    json!([{"resource": "resource://feed", "scopes": ["feed:read"]}])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_agents_from_the_first_session_to_the_last_cut() {
    let world = World::start();
    let anton = Who::Client(&world.anton);
    let wanted = json!({"labels": ["support"], "ttl_seconds": 600});
    let root = world.ok("POST", "/v1/sessions", anton, Some(wanted)).await;
    let root_mandate = text(&root, "session_mandate");
    let held = Who::Session(&root_mandate);
    assert_eq!(
        (&root["status"], &root["depth"]),
        (&json!("active"), &json!(0))
    );

    // The mandate of a session is for the STS alone.
    assert_eq!(
        world.call("GET", &root_mandate).await,
        (403, "resource_mismatch".to_owned())
    );
    let mandate = world.mint(held, &[]).await;
    assert_eq!(claims(&mandate)["sid"], root["id"]);
    assert_eq!(world.call("POST", &mandate).await.0, 200);

    // A child with less, by the parent's mandate and without any secret.
    let child = json!({"authority": only_read()});
    let child = world.ok("POST", "/v1/sessions", held, Some(child)).await;
    assert_eq!(
        (&child["parent_id"], &child["labels"]),
        (&root["id"], &json!(["support"]))
    );
    let child_mandate = text(&child, "session_mandate");
    let narrow = world.mint(Who::Session(&child_mandate), &[]).await;
    assert_eq!(claims(&narrow)["scope"], "feed:read");
    assert_eq!(claims(&narrow)["anc"], json!([root["id"]]));
    let path = format!("/v1/sessions/{}/authority", text(&child, "id"));
    let may = world.ok("GET", &path, anton, None).await;
    assert_eq!(may["paths"][0]["authority"], only_read());

    // Another application gets a slice, and acts for the first.
    let other = world
        .ok(
            "POST",
            "/v1/sessions",
            Who::Client(&world.berta),
            Some(json!({})),
        )
        .await;
    let lent = json!({
        "from_session": root["id"], "to_session": other["id"],
        "authority": only_read(), "ttl_seconds": 300, "budget": {"calls": 2},
    });
    let lent = world.ok("POST", "/v1/delegations", held, Some(lent)).await;
    assert_eq!(lent["status"], "offered");
    let path = format!("/v1/delegations/{}/accept", text(&lent, "id"));
    let body = json!({"session_id": other["id"]});
    let accepted = world
        .ok("POST", &path, Who::Client(&world.berta), Some(body))
        .await;
    assert_eq!(accepted["status"], "active");
    let session = text(&other, "id");
    let borrowed = world
        .mint(Who::Client(&world.berta), &[("session_id", &session)])
        .await;
    let said = claims(&borrowed);
    assert_eq!(
        (&said["dlg"], &said["sub"]),
        (&json!([lent["id"]]), &json!(world.anton.id))
    );
    assert_eq!(said["act"]["sub"], world.berta.id);
    for expected in [200, 200, 403] {
        assert_eq!(world.call("GET", &borrowed).await.0, expected);
    }
    assert_eq!(world.call("GET", &borrowed).await.1, "budget_exhausted");

    // Operators see all of it.
    let told = |arguments: &[&str]| {
        let all = [arguments, &["--zone", "runs", "--json"]].concat();
        world.stack.cli(&all).ok().json()
    };
    let listed = told(&["session", "list"]);
    assert_eq!(listed["items"].as_array().unwrap().len(), 3);
    let id = text(&root, "id");
    assert_eq!(
        told(&["session", "show", &id])["labels"],
        json!(["support"])
    );
    let may = told(&["session", "authority", &session]);
    assert_eq!(may["paths"][1]["delegation"], lent["id"]);
    assert_eq!(may["paths"][1]["authority"], only_read());
    let radius = told(&["session", "radius", &id]);
    assert_eq!(radius["sessions"].as_array().unwrap().len(), 2);
    assert_eq!(radius["delegations"], json!([lent["id"]]));
    let shown = told(&["delegation", "show", &text(&lent, "id")]);
    assert_eq!(shown["to_session"], other["id"]);
    assert_eq!(told(&["delegation", "list"])["items"][0]["id"], lent["id"]);

    // Exchanged for less, it ends with its source.
    let exchange = [
        ("grant_type", EXCHANGE),
        ("subject_token", &mandate),
        ("subject_token_type", MANDATE_TYPE),
        ("scope", "feed:read"),
    ];
    let exchanged = world.token(held, &exchange).await;
    assert_eq!(exchanged.status, 200, "{}", exchanged.body);
    let exchanged = text(&exchanged.json(), "access_token");
    assert_eq!(world.call("POST", &exchanged).await.1, "scope_missing");
    assert_eq!(world.call("GET", &exchanged).await.0, 200);

    // Suspended, what goes on is cut and nothing begins; resumed, it can.
    let mut stream = world.stream(&narrow);
    let path = |what: &str| format!("/v1/sessions/{}/{what}", text(&root, "id"));
    world.ok("POST", &path("suspend"), anton, None).await;
    assert!(stream.chunk().is_err(), "the stream went on");
    assert_eq!(world.call("GET", &narrow).await.1, "session_suspended");
    let refused = world.token(
        Who::Session(&child_mandate),
        &[
            ("grant_type", "client_credentials"),
            ("resource", "resource://feed"),
        ],
    );
    assert_eq!(refused.await.json()["error"], "session_suspended");
    world.ok("POST", &path("resume"), anton, None).await;
    assert_eq!(world.call("GET", &narrow).await.0, 200);

    // Taken over, the holder before is fenced.
    let beat = |generation: u64| json!({ "generation": generation });
    world
        .ok("POST", &path("heartbeat"), anton, Some(beat(2)))
        .await;
    let stale = world
        .send("POST", &path("heartbeat"), anton, Some(beat(1)))
        .await;
    assert_eq!(
        (stale.status, &stale.json()["error"]),
        (409, &json!("stale_generation"))
    );
    assert_eq!(world.call("GET", &mandate).await.1, "mandate_revoked");

    // Revoked, everything below ends, idle streams too.
    let mut stream = world.stream(&narrow);
    let revoked = world
        .stack
        .cli(&["revoke", &text(&root, "id"), "--zone", "runs", "--json"])
        .ok()
        .json();
    assert!(stream.chunk().is_err(), "the stream went on");
    assert_eq!(
        revoked["revoked"],
        json!({"session": 2, "delegation": 1}),
        "{revoked}"
    );
    assert_eq!(revoked["streams_cut"], 1);
    for dead in [&narrow, &borrowed, &exchanged] {
        assert_eq!(world.call("GET", dead).await.1, "mandate_revoked");
    }
    // And what is closed by its holder is closed.
    let mut stream = {
        let own = json!({"ttl_seconds": 60});
        let own = world.ok("POST", "/v1/sessions", anton, Some(own)).await;
        let mandate = world
            .mint(Who::Session(&text(&own, "session_mandate")), &[])
            .await;
        let stream = world.stream(&mandate);
        let path = format!("/v1/sessions/{}", text(&own, "id"));
        let closed = world.send("DELETE", &path, anton, None).await;
        assert_eq!((closed.status, closed.body.as_str()), (204, ""));
        stream
    };
    assert!(stream.chunk().is_err(), "the stream went on");
    // An operator opens one in the name of an application, and ends it.
    let own = told(&[
        "session", "open", "--app", "anton", "--label", "support", "--ttl", "60",
    ]);
    assert_eq!(own["operator"], "local");
    let mandate = world
        .mint(Who::Session(&text(&own, "session_mandate")), &[])
        .await;
    let id = text(&own, "id");
    assert_eq!(told(&["session", "suspend", &id])["status"], "suspended");
    assert_eq!(world.call("GET", &mandate).await.1, "session_suspended");
    // What an operator suspended its application does not resume.
    let resume = format!("/v1/sessions/{id}/resume");
    let refused = world.send("POST", &resume, anton, None).await;
    let error = refused.json()["error"].clone();
    assert_eq!(
        (refused.status, error),
        (409, json!("suspended_by_operator"))
    );
    let path = format!("/v1/sessions/{id}");
    let shown = world.ok("GET", &path, anton, None).await;
    assert_eq!(shown["suspended_by"], "operator");
    assert_eq!(told(&["session", "resume", &id])["status"], "active");
    assert_eq!(world.call("GET", &mandate).await.0, 200);
    assert_eq!(told(&["session", "close", &id])["closed"], own["id"]);
    assert_eq!(world.call("GET", &mandate).await.1, "mandate_revoked");
    let gone = world
        .stack
        .cli(&["session", "show", &id, "--zone", "runs"])
        .fails(1);
    assert!(gone.stderr.contains("no session"), "{}", gone.stderr);
    let opened = world.stack.events("runs");
    let opened = opened.iter().find(|event| event["session"] == own["id"]);
    assert_eq!(opened.unwrap()["operator"], "local");
    let types = world.types();
    for wanted in [
        "session.opened",
        "session.suspended",
        "session.resumed",
        "session.taken",
        "session.closed",
        "session.denied",
        "delegation.created",
        "delegation.accepted",
        "budget.reserved",
        "authority.revoked",
    ] {
        assert!(types.iter().any(|held| held == wanted), "no `{wanted}`");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_policy_does_not_lend_any_more_is_not_minted() {
    let world = World::start();
    let (anton, berta) = (Who::Client(&world.anton), Who::Client(&world.berta));
    let lender = world
        .ok("POST", "/v1/sessions", anton, Some(json!({})))
        .await;
    let borrower = world
        .ok("POST", "/v1/sessions", berta, Some(json!({})))
        .await;
    let lends = json!({
        "from_session": lender["id"],
        "to_session": borrower["id"],
        "authority": only_read(),
    });
    let offer = world
        .ok("POST", "/v1/delegations", anton, Some(lends))
        .await;
    let accept = format!("/v1/delegations/{}/accept", text(&offer, "id"));
    let by = json!({"session_id": borrower["id"]});
    world.ok("POST", &accept, berta, Some(by)).await;
    let own = text(&borrower, "session_mandate");
    let before = world.mint(Who::Session(&own), &[]).await;
    let forbids = format!(
        "{}      forbid (principal, action == Action::\"caracal:lend\", resource);\n",
        zone_file(&world.upstream).replace(
            "cedar: permit (principal in Application::\"anton\", action, resource);",
            "cedar: |\n      permit (principal in Application::\"anton\", action, resource);",
        )
    );
    world.stack.apply(&forbids);
    let form = [
        ("grant_type", "client_credentials"),
        ("resource", "resource://feed"),
        ("delegation_id", &text(&offer, "id")),
    ];
    let refused = world.token(Who::Session(&own), &form).await;
    let error = refused.json()["error"].clone();
    assert_eq!((refused.status, error), (403, json!("access_denied")));
    // What was minted before is not asked about lending again.
    assert_eq!(world.call("GET", &before).await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bad_request_has_its_own_answer() {
    let world = World::start();
    let anton = Who::Client(&world.anton);
    let open = async |body: Value| world.ok("POST", "/v1/sessions", anton, Some(body)).await;
    let narrow = open(json!({"authority": only_read()})).await;
    let other = open(json!({})).await;
    let (narrow_id, other_id) = (text(&narrow, "id"), text(&other, "id"));
    let all = json!([{"resource": "resource://feed", "scopes": ["feed:read", "feed:write"]}]);
    let unknown = "ses_018bcfe5-6800-7000-8000-000000000000";
    let sessions = "/v1/sessions";
    let delegations = "/v1/delegations";
    for (path, body, status, code) in [
        (sessions, json!({"more": 1}), 400, "invalid_request"),
        (sessions, json!([]), 400, "invalid_request"),
        // A list is no object, also within one.
        (sessions, json!({"budget": [5]}), 400, "invalid_request"),
        (sessions, json!({"cnf": ["x"]}), 400, "invalid_request"),
        (
            sessions,
            json!({"authority": [["resource://feed", ["feed:read"]]]}),
            400,
            "invalid_request",
        ),
        (delegations, json!([]), 400, "invalid_request"),
        (delegations, json!({"more": 1}), 400, "invalid_request"),
        (
            delegations,
            json!({"from_session": other_id, "to_session": narrow_id, "authority": only_read(), "budget": [5]}),
            400,
            "invalid_request",
        ),
        (
            delegations,
            json!({"from_session": other_id, "to_session": narrow_id, "authority": [["resource://feed", ["feed:read"]]]}),
            400,
            "invalid_request",
        ),
        (sessions, json!({"ttl_seconds": 0}), 400, "invalid_request"),
        (
            sessions,
            json!({"heartbeat_seconds": 1}),
            400,
            "invalid_request",
        ),
        (sessions, json!({"labels": ["A b"]}), 400, "invalid_request"),
        (
            sessions,
            json!({"labels": ["admin"]}),
            409,
            "label_not_registered",
        ),
        (
            sessions,
            json!({"parent_id": unknown}),
            400,
            "invalid_grant",
        ),
        (sessions, json!({"parent_id": "x"}), 400, "invalid_grant"),
        (sessions, json!({"authority": []}), 400, "invalid_request"),
        (
            sessions,
            json!({"authority": [{"resource": "feed", "scopes": ["a"]}]}),
            400,
            "invalid_request",
        ),
        (
            sessions,
            json!({"authority": [{"resource": "resource://none", "scopes": ["a"]}]}),
            400,
            "invalid_target",
        ),
        (
            sessions,
            json!({"authority": [{"resource": "resource://feed", "scopes": ["a"]}]}),
            400,
            "invalid_scope",
        ),
        (
            sessions,
            json!({"parent_id": narrow_id, "authority": all}),
            409,
            "not_narrower",
        ),
        (
            sessions,
            json!({"cnf": {"jkt": "short"}}),
            400,
            "invalid_request",
        ),
        (
            delegations,
            json!({"from_session": narrow_id, "to_session": narrow_id, "authority": only_read()}),
            409,
            "self_delegation",
        ),
        (
            delegations,
            json!({"from_session": narrow_id, "to_session": other_id, "authority": all}),
            409,
            "not_narrower",
        ),
        (
            delegations,
            json!({"from_session": narrow_id, "to_session": unknown, "authority": only_read()}),
            400,
            "invalid_grant",
        ),
        (
            delegations,
            json!({"from_session": unknown, "to_session": other_id, "authority": only_read()}),
            400,
            "invalid_grant",
        ),
        (
            delegations,
            json!({"from_session": narrow_id, "authority": only_read()}),
            400,
            "invalid_request",
        ),
        (
            delegations,
            json!({"from_session": narrow_id, "to_session": other_id, "authority": only_read(), "max_depth": 99}),
            409,
            "depth_exceeded",
        ),
    ] {
        let answer = world.send("POST", path, anton, Some(body.clone())).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.body);
        assert_eq!(answer.json()["error"], code, "{body}");
        if code == "not_narrower" {
            let beyond = json!({"resource": "resource://feed", "scope": "feed:write"});
            assert_eq!(answer.json()["counterexample"], beyond);
        }
    }
    // The wrong kind of body, no JSON, and no credentials.
    for path in [sessions, delegations] {
        let request = world.request("POST", path, &anton).body("{}");
        let answer = Answer::of(request.send().await.unwrap()).await;
        let error = answer.json()["error"].clone();
        assert_eq!((answer.status, error), (415, json!("invalid_request")));
        for broken in [
            "{",
            "",
            "{\"a\": 1}}",
            "{\"ttl_seconds\": 1, \"ttl_seconds\": 2}",
        ] {
            let request = world.request("POST", path, &anton);
            let request = request.header("content-type", JSON).body(broken);
            let answer = Answer::of(request.send().await.unwrap()).await;
            assert_eq!(answer.status, 400, "{path} {broken}: {}", answer.body);
            assert_eq!(answer.json()["error"], "invalid_request", "{path} {broken}");
        }
        let request = http().post(format!("{}{path}", world.stack.sts));
        let request = request.header("content-type", JSON).body("{}");
        let answer = Answer::of(request.send().await.unwrap()).await;
        let error = answer.json()["error"].clone();
        assert_eq!((answer.status, error), (401, json!("invalid_client")));
    }
    // A session of another application looks like none.
    let path = format!("{sessions}/{other_id}");
    for method in ["GET", "DELETE"] {
        let answer = world
            .send(method, &path, Who::Client(&world.berta), None)
            .await;
        assert_eq!(answer.json()["error"], "invalid_grant");
    }
    // The same key with the same input is the same object; with other input it is refused.
    let lends =
        json!({"from_session": other_id, "to_session": narrow_id, "authority": only_read()});
    for (path, body) in [(sessions, json!({})), (delegations, lends)] {
        let repeated = async |ttl: u32| {
            let mut body = body.clone();
            body["ttl_seconds"] = ttl.into();
            let request = world
                .request("POST", path, &anton)
                .header("content-type", JSON)
                .header("idempotency-key", format!("one{}", path.len()))
                .body(body.to_string());
            Answer::of(request.send().await.unwrap()).await
        };
        let (first, second, third) = (repeated(60).await, repeated(60).await, repeated(61).await);
        assert_eq!(first.status, 201, "{}", first.body);
        assert_eq!(first.json()["id"], second.json()["id"]);
        assert_eq!(
            (third.status, &third.json()["error"]),
            (409, &json!("idempotency_conflict"))
        );
    }
}
