//! Services that verify mandates themselves, and ask about each request.

use caracal_crypto::{DpopSigner, mandate_hash, sha256};
use serde_json::{Value, json};

use crate::harness::{Answer, Client, Stack, http};

const ZONE: &str = r#"
zone: shop
applications:
  - { name: agent }
  - { name: billing }
  - { name: other }
resources:
  - name: bills
    enforcement: service
    verified_by: [billing]
    decide: required
    scopes: [bill:read, bill:refund, bill:tool]
    operations:
      - { method: GET, path: "/open/{id}", scope: bill:read }
      - { method: GET, path: "/closed/{id}", scope: bill:read }
      - { method: POST, path: "/refunds/{id}", scope: bill:refund }
      - { method: POST, path: /mcp, scope: bill:tool }
  - name: strict
    enforcement: service
    verified_by: [billing]
    scopes: [bill:read]
    operations:
      - { method: GET, path: "/**", scope: bill:read }
  - name: foreign
    enforcement: service
    verified_by: [other]
    scopes: [bill:read]
    operations:
      - { method: GET, path: "/**", scope: bill:read }
policies:
  - name: read
    cedar: |
      permit (principal in Application::"agent", action == Action::"bill:read", resource)
      when { context.request.path like "/open/*" };
  - name: refund
    cedar: |
      @approval("operator")
      permit (principal in Application::"agent", action == Action::"bill:refund", resource)
      when { context.request.method == "POST" };
  - name: tool
    cedar: |
      permit (principal in Application::"agent", action == Action::"bill:tool", resource)
      when { context.request has tool && context.request.tool == "search" && context.request.host == "mcp.example.com" };
"#;

const BILLS: &str = "resource://bills";

struct World {
    stack: Stack,
    agent: Client,
    billing: Client,
}

impl World {
    fn start() -> Self {
        let stack = Stack::start();
        let applied = stack.apply(ZONE);
        Self {
            agent: stack.client(&applied, "agent"),
            billing: stack.client(&applied, "billing"),
            stack,
        }
    }

    async fn post(&self, client: &Client, path: &str, body: &Value) -> Answer {
        let request = http()
            .post(format!("{}{path}", self.stack.sts))
            .basic_auth(&client.id, Some(&client.secret))
            .header("content-type", "application/json")
            .body(body.to_string());
        Answer::of(request.send().await.unwrap()).await
    }

    async fn ask(&self, body: &Value) -> Answer {
        self.post(&self.billing, "/v1/decide", body).await
    }

    /// What it says to a good question.
    async fn decide(&self, body: &Value) -> Value {
        let answer = self.ask(body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        answer.json()
    }

    fn decisions(&self) -> Vec<Value> {
        let events = self.stack.events("shop").into_iter();
        events.filter(|e| e["type"] == "call.decided").collect()
    }
}

fn question(mandate: &str, method: &str, path: &str) -> Value {
    json!({
        "resource": BILLS, "mandate": mandate,
        "request": { "method": method, "path": path },
    })
}

#[track_caller]
fn is(decided: &Value, decision: &str, reason: &str) {
    let found = (
        decided["decision"].as_str().unwrap(),
        decided["reason"].as_str().unwrap_or_default(),
    );
    assert_eq!(found, (decision, reason), "{decided}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_service_that_asks_nothing_is_issued_on_what_only_the_request_can_tell() {
    let world = World::start();
    let refused = world.agent.try_mint("resource://strict", "bill:read").await;
    assert_eq!(
        (refused.status, refused.json()["error"].clone()),
        (403, "access_denied".into())
    );
    // It is, where the service asks, or where the mandate names the request.
    let mandate = world.agent.mint(BILLS, "bill:read").await;
    let details = json!([{ "type": "caracal_call", "locations": ["resource://strict"],
        "method": "GET", "path": "/open/1" }]);
    let form = [
        ("grant_type", "client_credentials"),
        ("resource", "resource://strict"),
        ("authorization_details", &details.to_string()),
    ];
    assert_eq!(world.agent.token(&form).await.status, 200);

    // Clients find the endpoints by themselves.
    let zone = crate::harness::claims(&mandate)["zone"].clone();
    let sts = &world.stack.sts;
    let metadata = format!(
        "{sts}/.well-known/oauth-authorization-server/zones/{}",
        zone.as_str().unwrap()
    );
    let metadata = Answer::of(http().get(metadata).send().await.unwrap())
        .await
        .json();
    assert_eq!(
        metadata["caracal_decide_endpoint"],
        format!("{sts}/v1/decide")
    );
    assert_eq!(
        metadata["caracal_revocations_endpoint"],
        format!("{sts}/v1/revocations/stream")
    );

    // The Gateway has nowhere to send it to.
    let call = world.agent.call("GET", "/r/bills/open/1", &mandate).await;
    assert_eq!(
        (call.status, call.refusal().as_str()),
        (403, "not_forwarded")
    );
    let denied = world.stack.events("shop");
    let denied = denied.iter().find(|e| e["type"] == "call.denied").unwrap();
    assert_eq!(denied["reason"], "not_forwarded");

    // The zone file says it all, and again.
    let exported = world.stack.cli(&["export", "--zone", "shop"]).ok().stdout;
    for line in ["enforcement: service", "- billing", "decide: required"] {
        assert!(exported.contains(line), "{line} is missing in {exported}");
    }
    assert!(!exported.contains("upstream"), "{exported}");
    assert_eq!(world.stack.apply(ZONE)["changes"], 0);

    // What cannot be is refused with its field.
    for (from, to, field) in [
        ("[other]", "[nobody]", "verified_by[0]"),
        (
            "    verified_by: [billing]\n    decide",
            "    decide",
            "decide",
        ),
        (
            "    enforcement: service\n    verified_by: [other]\n",
            "",
            "upstream",
        ),
        (
            "    enforcement: service\n    verified_by: [other]\n",
            "    upstream: https://x.example\n    verified_by: [other]\n",
            "verified_by",
        ),
    ] {
        let file = ZONE.replacen(from, to, 1);
        assert_ne!(file, ZONE, "{from}");
        let output = world.stack.cli_with(&["apply", "-f", "-"], &file);
        assert_ne!(output.code, 0, "{to}");
        assert!(output.stderr.contains(field), "{}", output.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_is_told_what_the_gateway_would_do() {
    let world = World::start();
    let mandate = world.agent.mint(BILLS, "bill:read bill:tool").await;
    let ask = |method: &str, path: &str| question(&mandate, method, path);

    let allowed = world.decide(&ask("GET", "/open/1")).await;
    is(&allowed, "allow", "");
    assert_eq!(allowed["policies"], json!(["read"]));
    assert_eq!(allowed["scope"], "bill:read");
    assert_eq!(allowed["mandate"]["application"], json!(world.agent.id));
    let receipt = allowed["receipt"].as_str().unwrap();
    assert!(receipt.contains("leaf="), "{receipt}");
    is(&world.decide(&ask("HEAD", "/open/1")).await, "allow", "");
    for (method, path, reason) in [
        ("GET", "/closed/1", "policy_denied"),
        ("DELETE", "/open/1", "operation_not_declared"),
        ("POST", "/refunds/1", "scope_missing"),
        ("GET", "/open/../closed/1", "path_invalid"),
        ("GET", "open/1", "path_invalid"),
    ] {
        let denied = world.decide(&ask(method, path)).await;
        is(&denied, "deny", reason);
        // A path that cannot be is only counted.
        assert_eq!(denied["decision_id"].is_string(), reason != "path_invalid");
    }
    // Tool and host are what the service says.
    let mut tool = ask("POST", "/mcp");
    is(&world.decide(&tool).await, "deny", "policy_denied");
    tool["request"]["tool"] = "search".into();
    tool["request"]["host"] = "mcp.example.com".into();
    tool["request"]["arguments"] = json!({ "query": "x" });
    is(&world.decide(&tool).await, "allow", "");
    tool["request"]["tool"] = "delete".into();
    is(&world.decide(&tool).await, "deny", "policy_denied");

    // Mandates that are nobody's, of another resource, and dead.
    let mut broken = mandate.clone();
    broken.truncate(mandate.len() - 4);
    for nobody in ["", "x", "a.b.c", &broken] {
        let denied = world.decide(&question(nobody, "GET", "/open/1")).await;
        is(&denied, "deny", "mandate_invalid");
        assert_eq!(denied["decision_id"], Value::Null);
    }
    let details = json!([{ "type": "caracal_call", "locations": ["resource://strict"],
        "method": "GET", "path": "/open/1" }]);
    let form = [
        ("grant_type", "client_credentials"),
        ("resource", "resource://strict"),
        ("authorization_details", &details.to_string()),
    ];
    let strict = world.agent.token(&form).await.json();
    let strict = strict["access_token"].as_str().unwrap();
    let other = world.decide(&question(strict, "GET", "/open/1")).await;
    is(&other, "deny", "resource_mismatch");
    let mut named = question(strict, "GET", "/open/1");
    named["resource"] = "resource://strict".into();
    is(&world.decide(&named).await, "allow", "");
    named["request"]["path"] = "/open/2".into();
    is(&world.decide(&named).await, "deny", "action_not_authorized");
    let id = crate::harness::claims(&mandate)["jti"].clone();
    let id = id.as_str().unwrap();
    world.stack.cli(&["revoke", id, "--zone", "shop"]).ok();
    let revoked = world.decide(&ask("GET", "/open/1")).await;
    is(&revoked, "deny", "mandate_revoked");

    // Everything that was answered with an id stands in the ledger as it was answered.
    let events = world.decisions();
    let found = events.iter().find(|e| e["id"] == allowed["decision_id"]);
    let found = found.unwrap();
    assert_eq!(found["decision"], "allow");
    assert_eq!(found["service"], json!(world.billing.id));
    assert_eq!(found["application"], json!(world.agent.id));
    assert_eq!(
        found["operation"],
        json!({ "method": "GET", "path": "/open/{id}" })
    );
    let found = events.iter().find(|e| e["id"] == revoked["decision_id"]);
    assert_eq!(found.unwrap()["reason"], "mandate_revoked");
    assert!(events.iter().any(|e| e["operation"]["tool"] == "search"));
    let text = serde_json::to_string(&events).unwrap();
    assert!(
        !text.contains("/open/1") && !text.contains("\"query\""),
        "{text}"
    );
    let verified = world
        .stack
        .cli(&["audit", "verify", "--zone", "shop", "--json"])
        .ok();
    assert_eq!(verified.json()["ok"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_is_no_oracle_for_what_is_not_its_own() {
    let world = World::start();
    let mandate = world.agent.mint(BILLS, "bill:read").await;
    let good = question(&mandate, "GET", "/open/1");
    let about = |resource: &str| {
        let mut asked = good.clone();
        asked["resource"] = resource.into();
        asked
    };
    // Those of others, those that are not there, and those who may not ask look alike.
    let mut told = Vec::new();
    for resource in ["resource://foreign", "resource://nothing", "nonsense"] {
        let refused = world.ask(&about(resource)).await;
        assert_eq!(
            (refused.status, &refused.json()["error"]),
            (403, &"access_denied".into())
        );
        assert_eq!(refused.json()["gate"], "resource");
        told.push(refused.json()["error_description"].clone());
    }
    let refused = world.post(&world.agent, "/v1/decide", &good).await;
    assert_eq!(
        (refused.status, &refused.json()["gate"]),
        (403, &"resource".into())
    );
    told.push(refused.json()["error_description"].clone());
    assert!(told.iter().all(|text| *text == told[0]), "{told:?}");
    let events = world.decisions();
    assert_eq!(events.len(), 4);
    for event in &events {
        assert_eq!(
            (&event["decision"], &event["reason"]),
            (&"deny".into(), &"not_verifier".into())
        );
        assert!(event["service"].is_string());
    }

    // Nobody, and too much.
    let mut stranger = world.billing.clone();
    "not-it".clone_into(&mut stranger.secret);
    assert_eq!(world.post(&stranger, "/v1/decide", &good).await.status, 401);
    let mut large = good.clone();
    large["request"]["arguments"] = json!({ "x": "x".repeat(65 * 1024) });
    assert_eq!(world.ask(&large).await.status, 413);
    let with = |member: &str, value: Value| {
        let mut asked = good.clone();
        asked["request"][member] = value;
        asked
    };
    for bad in [
        json!({}),
        with("method", "GET /x".into()),
        with("method", "".into()),
        with("path", "/open/1?a=b".into()),
        with("query", json!(["no-pair"])),
        with("query", json!(vec!["a=b"; 257])),
        with("host", "a b".into()),
        with("tool", "x".repeat(129).into()),
        with("arguments", json!([1])),
        with("body", "x".into()),
    ] {
        let refused = world.ask(&bad).await;
        assert_eq!(
            (refused.status, &refused.json()["error"]),
            (400, &"invalid_request".into()),
            "{bad}"
        );
    }
    // A frozen zone decides nothing.
    world.stack.cli(&["freeze", "--zone", "shop"]).ok();
    let frozen = world.ask(&good).await;
    assert_eq!(
        (frozen.status, &frozen.json()["error"]),
        (403, &"zone_frozen".into())
    );
    world.stack.cli(&["thaw", "--zone", "shop"]).ok();
    is(&world.decide(&good).await, "deny", "mandate_revoked");
    // A service that was revoked asks no more.
    world
        .stack
        .cli(&["revoke", &world.billing.id, "--zone", "shop"])
        .ok();
    assert_eq!(world.ask(&good).await.json()["gate"], "revocation");
}

#[tokio::test(flavor = "multi_thread")]
async fn decisions_count_against_budgets_and_wait_for_people() {
    let world = World::start();
    let body = json!({ "budget": { "calls": 2 } });
    let session = world.post(&world.agent, "/v1/sessions", &body).await.json();
    let session = session["id"].as_str().unwrap().to_owned();
    let form = [
        ("grant_type", "client_credentials"),
        ("resource", BILLS),
        ("scope", "bill:read bill:refund"),
        ("session_id", &session),
    ];
    let mandate = world.agent.token(&form).await.json();
    let mandate = mandate["access_token"].as_str().unwrap();
    let refund = |amount: u32| {
        let mut asked = question(mandate, "POST", "/refunds/1");
        asked["request"]["arguments"] = json!({ "amount": amount });
        asked
    };
    let held = world.decide(&refund(5)).await;
    is(&held, "hold", "approval_required");
    let approval = held["approval_id"].as_str().unwrap();
    assert_eq!(world.decide(&refund(5)).await["approval_id"], approval);
    let other = world.decide(&refund(6)).await;
    assert_ne!(other["approval_id"], approval);
    let shown = world
        .stack
        .cli(&["approval", "show", approval, "--zone", "shop", "--json"]);
    let shown = shown.ok().json();
    let text = shown["shown"].as_str().unwrap();
    assert!(text.contains(r#"{"arguments":{"amount":5}}"#), "{text}");
    let arguments = [
        "token", "create", "--json", "eve", "--role", "approver", "--zone", "shop",
    ];
    let eve = world.stack.cli(&arguments).ok().json();
    let mut command = world
        .stack
        .command(&["approval", "approve", approval, "--zone", "shop"]);
    command
        .env("CARACAL_API_URL", &world.stack.console)
        .env("CARACAL_API_TOKEN", eve["token"].as_str().unwrap());
    crate::harness::run(command, b"").ok();
    // Exactly what was approved, once.
    is(&world.decide(&refund(7)).await, "hold", "approval_required");
    is(&world.decide(&refund(5)).await, "allow", "");
    let again = world.decide(&refund(5)).await;
    is(&again, "hold", "approval_required");
    assert_ne!(again["approval_id"], approval);
    // Two calls, and one of them is gone.
    let read = question(mandate, "GET", "/open/1");
    is(&world.decide(&read).await, "allow", "");
    is(&world.decide(&read).await, "deny", "budget_exhausted");
    let suspend = format!("/v1/sessions/{session}/suspend");
    world.post(&world.agent, &suspend, &json!({})).await;
    is(&world.decide(&read).await, "deny", "session_suspended");
    let holds = world
        .decisions()
        .into_iter()
        .filter(|e| e["decision"] == "hold");
    let holds: Vec<_> = holds.collect();
    assert!(holds.len() >= 4 && holds.iter().all(|e| e["approval"].is_string()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_of_a_service_proves_the_key_of_its_mandate() {
    let world = World::start();
    let signer = DpopSigner::generate().unwrap();
    let now = || {
        let now = std::time::SystemTime::now();
        now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
    };
    let jti = || caracal_crypto::hex(&caracal_crypto::random_bytes::<16>());
    let token_url = format!("{}/oauth/2/token", world.stack.sts);
    let proof = |method: &str, url: &str, nonce: &str, ath: Option<String>| {
        let mut claims =
            json!({ "jti": jti(), "htm": method, "htu": url, "iat": now(), "nonce": nonce });
        if let Some(ath) = ath {
            claims["ath"] = ath.into();
        }
        signer.sign(&claims).unwrap()
    };
    let mint = async |nonce: &str| {
        let request = http()
            .post(&token_url)
            .basic_auth(&world.agent.id, Some(&world.agent.secret))
            .header("content-type", "application/x-www-form-urlencoded")
            .header("dpop", proof("POST", &token_url, nonce, None))
            .body("grant_type=client_credentials&resource=resource://bills&scope=bill:read");
        Answer::of(request.send().await.unwrap()).await
    };
    let nonce = mint("").await.header("dpop-nonce").unwrap().to_owned();
    let mandate = mint(&nonce).await.json()["access_token"]
        .as_str()
        .unwrap()
        .to_owned();
    let ath = || Some(mandate_hash(&sha256(mandate.as_bytes())));
    let url = "https://billing.example.com/open/1";
    let with = |proof: Value| {
        let mut asked = question(&mandate, "GET", "/open/1");
        asked["proof"] = proof;
        asked
    };
    let shown = |dpop: &str| with(json!({ "dpop": dpop, "method": "GET", "url": url }));

    let bare = world.decide(&question(&mandate, "GET", "/open/1")).await;
    is(&bare, "deny", "proof_invalid");
    let nonce = bare["dpop_nonce"].as_str().unwrap().to_owned();
    let unasked = world.decide(&shown(&proof("GET", url, "", ath()))).await;
    is(&unasked, "deny", "use_dpop_nonce");
    assert_eq!(unasked["decision_id"], Value::Null);
    let good = proof("GET", url, &nonce, ath());
    is(&world.decide(&shown(&good)).await, "allow", "");
    is(
        &world.decide(&shown(&good)).await,
        "deny",
        "mandate_replayed",
    );
    for bad in [
        proof("POST", url, &nonce, ath()),
        proof("GET", "https://elsewhere.example.com/open/1", &nonce, ath()),
        proof("GET", "https://billing.example.com/open/2", &nonce, ath()),
        proof("GET", url, &nonce, None),
    ] {
        is(&world.decide(&shown(&bad)).await, "deny", "proof_invalid");
    }
    // Or the service has checked it, and says which key it was.
    let checked = |key: &str| with(json!({ "checked_key": key }));
    is(
        &world.decide(&checked(signer.thumbprint())).await,
        "allow",
        "",
    );
    is(&world.decide(&checked("x")).await, "deny", "proof_invalid");
    let bearer = world.agent.mint(BILLS, "bill:read").await;
    let mut asked = checked(signer.thumbprint());
    asked["mandate"] = bearer.into();
    is(&world.decide(&asked).await, "deny", "mandate_invalid");
    // Where each proof is good once, it must be seen.
    let file = ZONE.replacen(
        "    decide: required",
        "    decide: required\n    single_use: true",
        1,
    );
    world.stack.apply(&file);
    is(
        &world.decide(&checked(signer.thumbprint())).await,
        "deny",
        "proof_invalid",
    );
    let nonce = world.decide(&question(&mandate, "GET", "/open/1")).await;
    let nonce = nonce["dpop_nonce"].as_str().unwrap();
    let seen = proof("GET", url, nonce, ath());
    is(&world.decide(&shown(&seen)).await, "allow", "");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_of_a_call_is_reported_once_and_only_by_its_service() {
    let world = World::start();
    let mandate = world.agent.mint(BILLS, "bill:read").await;
    let allowed = world.decide(&question(&mandate, "GET", "/open/1")).await;
    let denied = world.decide(&question(&mandate, "GET", "/closed/1")).await;
    let id = |decided: &Value| decided["decision_id"].as_str().unwrap().to_owned();
    let call = |id: &str| json!({ "decision_id": id, "status": 201, "latency_ms": 7 });
    let nobody = "evt_01980000-0000-7000-8000-000000000001";
    let body = json!({ "calls": [call(&id(&allowed)), call(&id(&denied)), call(nobody), call(&id(&allowed))] });

    // Another application learns nothing, and takes nothing away.
    let results = |answer: &Answer| -> Vec<String> {
        assert_eq!(answer.status, 200, "{answer:?}");
        let answer = answer.json();
        let results = answer["results"].as_array().unwrap().iter();
        results
            .map(|r| r["result"].as_str().unwrap().to_owned())
            .collect()
    };
    let other = world.post(&world.agent, "/v1/calls", &body).await;
    assert_eq!(results(&other), ["unknown"; 4]);
    let own = world.post(&world.billing, "/v1/calls", &body).await;
    assert_eq!(
        results(&own),
        ["recorded", "unknown", "unknown", "duplicate"]
    );
    let again = world.post(&world.billing, "/v1/calls", &body).await;
    assert_eq!(
        results(&again),
        ["duplicate", "unknown", "unknown", "duplicate"]
    );
    let events = world.stack.events("shop");
    let found: Vec<_> = events
        .iter()
        .filter(|e| e["type"] == "call.reported")
        .collect();
    assert_eq!(found.len(), 1);
    let found = found[0];
    assert_eq!(found["id"], own.json()["results"][0]["event_id"]);
    assert_eq!(
        (&found["status"], &found["latency_ms"]),
        (&201.into(), &7.into())
    );
    assert_eq!(found["service"], json!(world.billing.id));
    assert_eq!(found["application"], json!(world.agent.id));
    assert_eq!(found["request_id"], allowed["request_id"]);
    assert_eq!(found["target"], allowed["decision_id"]);
    assert_eq!(found["decision"], Value::Null);
    let shown = world.stack.cli(&["audit", "list", "--zone", "shop"]).ok();
    assert!(shown.stdout.contains("call.reported"), "{}", shown.stdout);

    for bad in [
        json!({ "calls": [] }),
        json!({ "calls": vec![call(nobody); 101] }),
        json!({ "calls": [{ "decision_id": "x", "status": 200 }] }),
        json!({ "calls": [{ "decision_id": nobody, "status": 99 }] }),
        json!({ "calls": [{ "decision_id": nobody, "status": 200, "latency_ms": 86_400_001 }] }),
        json!({ "calls": [{ "decision_id": nobody, "status": 200, "body": "x" }] }),
    ] {
        let refused = world.post(&world.billing, "/v1/calls", &bad).await;
        assert_eq!(
            (refused.status, &refused.json()["error"]),
            (400, &"invalid_request".into())
        );
    }
    // Whoever is no verifier any more reports nothing.
    let later = world.decide(&question(&mandate, "GET", "/open/1")).await;
    let file = ZONE.replacen("verified_by: [billing]", "verified_by: [other]", 1);
    world.stack.apply(&file);
    let body = json!({ "calls": [call(&id(&later))] });
    let late = world.post(&world.billing, "/v1/calls", &body).await;
    assert_eq!(results(&late), ["unknown"]);
}
