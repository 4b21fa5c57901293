//! Reading evidence: what was acknowledged is listed, a tail follows, a decision is explained.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::harness::{Protected, Stack, claims};

#[tokio::test(flavor = "multi_thread")]
async fn a_list_holds_everything_acknowledged_before_it_ran() {
    let protected = Arc::new(Protected::start().await);
    let acknowledged: Arc<Mutex<Vec<String>>> = Arc::default();
    let done = tokio_util::sync::CancellationToken::new();
    let mut load = tokio::task::JoinSet::new();
    for n in 0..6 {
        let (protected, acknowledged, done) = (
            Arc::clone(&protected),
            Arc::clone(&acknowledged),
            done.clone(),
        );
        load.spawn(async move {
            let mandate = protected.mint().await;
            while !done.is_cancelled() {
                // Allowed ones, refused ones and mints: whatever has an answer has an event.
                let answer = match n % 3 {
                    0 => protected.client.call("GET", "/r/items/1", &mandate).await,
                    1 => protected.client.call("POST", "/r/items/1", &mandate).await,
                    _ => {
                        protected
                            .client
                            .try_mint("resource://items", "items:write")
                            .await
                    }
                };
                let id = match answer.header("caracal-request-id") {
                    Some(id) => id.to_owned(),
                    None => answer.json()["request_id"].as_str().unwrap().to_owned(),
                };
                acknowledged.lock().unwrap().push(id);
            }
        });
    }
    let mut checked = 0;
    for _ in 0..12 {
        let before = acknowledged.lock().unwrap().clone();
        let listed: BTreeSet<String> = protected
            .stack
            .events("acme")
            .iter()
            .map(|event| event["request_id"].as_str().unwrap().to_owned())
            .collect();
        for id in &before {
            assert!(
                listed.contains(id),
                "`{id}` of {} is not listed",
                before.len()
            );
        }
        checked = before.len();
    }
    done.cancel();
    load.join_all().await;
    assert!(checked > 50, "only {checked} were acknowledged in time");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_has_a_start_and_an_end_and_every_refusal_its_event() {
    let protected = Protected::start().await;
    let (stack, client) = (&protected.stack, &protected.client);
    let mandate = protected.mint().await;
    let mut allowed = BTreeSet::new();
    let mut refused = BTreeSet::new();
    for path in ["/r/items/1", "/r/items/stream", "/r/items/redirect"] {
        let answer = client.call("GET", path, &mandate).await;
        assert!(answer.header("caracal-refusal").is_none(), "{answer:?}");
        allowed.insert(answer.header("caracal-request-id").unwrap().to_owned());
    }
    for (method, code) in [
        ("DELETE", "scope_missing"),
        ("PUT", "operation_not_declared"),
    ] {
        let answer = client.call(method, "/r/items/1", &mandate).await;
        assert_eq!(answer.refusal(), code);
        let id = answer.header("caracal-request-id").unwrap().to_owned();
        assert_eq!(answer.json()["request_id"], *id);
        refused.insert(id);
    }
    let jti = claims(&mandate)["jti"].as_str().unwrap().to_owned();
    stack.cli(&["revoke", &jti]).ok();
    let answer = client.call("GET", "/r/items/1", &mandate).await;
    assert_eq!(answer.refusal(), "mandate_revoked");
    refused.insert(answer.header("caracal-request-id").unwrap().to_owned());

    let ids = |events: &[Value], of: &str| -> Vec<String> {
        let of = events.iter().filter(|e| e["type"] == of);
        of.map(|e| e["request_id"].as_str().unwrap().to_owned())
            .collect()
    };
    let mut events = Vec::new();
    crate::harness::until("every call has ended", async || {
        events = stack.events("acme");
        ids(&events, "call.finished").len() == allowed.len()
    })
    .await;
    let exactly = |wanted: &BTreeSet<String>, of: &str| {
        let found = ids(&events, of);
        assert_eq!(found.len(), wanted.len(), "{of}");
        assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), *wanted, "{of}");
    };
    exactly(&allowed, "call.started");
    exactly(&allowed, "call.finished");
    exactly(&refused, "call.denied");
    for event in &events {
        let kind = event["type"].as_str().unwrap();
        match kind {
            "call.started" => assert_eq!(event["decision"], "allow", "{event}"),
            "call.denied" => {
                assert_eq!(event["decision"], "deny", "{event}");
                assert!(event["reason"].is_string(), "{event}");
            }
            "call.finished" => {
                assert!(
                    event["status"].is_u64() && event["latency_ms"].is_u64(),
                    "{event}"
                );
            }
            _ => {}
        }
        if kind.starts_with("call.") {
            assert_eq!(event["mandate"], *jti, "{event}");
            assert_eq!(event["application"], *client.id, "{event}");
            assert_eq!(event["resource"], "resource://items", "{event}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_follows() {
    let protected = Protected::start().await;
    let mandate = protected.mint().await;
    let mut child = protected
        .stack
        .command(&["audit", "tail", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let stdout = child.stdout.take().unwrap();
    let (sender, mut lines) = tokio::sync::mpsc::unbounded_channel();
    let reader = std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if sender
                .send(serde_json::from_str::<Value>(&line).unwrap())
                .is_err()
            {
                return;
            }
        }
    });
    // It listens from some moment on; from then on nothing is left out.
    while lines.is_empty() {
        protected.call(&mandate).await;
    }
    let answer = protected
        .client
        .call("GET", "/r/items/last", &mandate)
        .await;
    let last = answer.header("caracal-request-id").unwrap().to_owned();
    let mut indexes = Vec::new();
    loop {
        let event = lines.recv().await.expect("the tail goes on");
        indexes.push(event["index"].as_u64().unwrap());
        if event["request_id"] == *last && event["type"] == "call.finished" {
            break;
        }
    }
    let first = indexes[0];
    assert!(
        indexes
            .iter()
            .copied()
            .eq(first..first + indexes.len() as u64),
        "{indexes:?}"
    );
    // It ends with the server, and says so.
    protected.stack.cli(&["down"]).ok();
    assert_eq!(child.wait().unwrap().code(), Some(5));
    reader.join().unwrap();
}

fn explain(stack: &Stack, id: &str) -> Value {
    let text = stack.cli(&["audit", "explain", id]).ok().stdout;
    assert!(text.contains("GATE"), "{text}");
    stack.cli(&["audit", "explain", id, "--json"]).ok().json()
}

fn outcomes(explained: &Value) -> Vec<(String, String)> {
    let text = |gate: &Value, field: &str| gate[field].as_str().unwrap().to_owned();
    let gates = explained["gates"].as_array().unwrap().iter();
    gates
        .map(|gate| (text(gate, "gate"), text(gate, "outcome")))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_decision_is_explained() {
    let protected = Protected::start().await;
    let (stack, client) = (&protected.stack, &protected.client);
    let mandate = protected.mint().await;
    let id_of =
        |answer: &crate::harness::Answer| answer.header("caracal-request-id").unwrap().to_owned();
    let allowed = client.call("GET", "/r/items/1", &mandate).await;
    let explained = explain(stack, &id_of(&allowed));
    assert_eq!(explained["event"]["decision"], "allow", "{explained}");
    assert_eq!(explained["policies"][0]["name"], "read-only");
    assert!(
        explained["policies"][0]["cedar"]
            .as_str()
            .unwrap()
            .contains("permit")
    );
    assert!(
        outcomes(&explained).iter().all(|(_, o)| o != "refused"),
        "{explained}"
    );
    // By the event's own id as well.
    let event = explained["event"]["id"].as_str().unwrap();
    assert_eq!(explain(stack, event)["event"]["id"], *event);

    let denied = client.call("DELETE", "/r/items/1", &mandate).await;
    let explained = explain(stack, &id_of(&denied));
    assert_eq!(explained["event"]["reason"], "scope_missing", "{explained}");
    let refused = |explained: &Value, gate: &str| {
        let gates = outcomes(explained);
        let refused: Vec<_> = gates.iter().filter(|(_, o)| o == "refused").collect();
        assert_eq!(refused.len(), 1, "{explained}");
        assert_eq!(refused[0].0, gate, "{explained}");
        // Nothing is told of what was not asked any more.
        for later in explained["gates"].as_array().unwrap() {
            let is_silent = later["detail"].as_str().unwrap_or_default().is_empty();
            assert!(
                later["outcome"] != "not reached" || is_silent,
                "{explained}"
            );
        }
    };
    refused(&explained, "scope");

    let mint = client.try_mint("resource://items", "items:write").await;
    assert_eq!(mint.status, 403);
    let id = mint.json()["request_id"].as_str().unwrap().to_owned();
    let explained = explain(stack, &id);
    assert_eq!(explained["event"]["type"], "mandate.denied", "{explained}");
    refused(&explained, "policy");

    stack
        .cli(&["revoke", claims(&mandate)["jti"].as_str().unwrap()])
        .ok();
    let revoked = client.call("GET", "/r/items/1", &mandate).await;
    let explained = explain(stack, &id_of(&revoked));
    assert_eq!(
        explained["event"]["reason"], "mandate_revoked",
        "{explained}"
    );
    refused(&explained, "mandate");

    for unknown in [
        "evt_00000000-0000-7000-8000-000000000000",
        "req_00000000-0000-7000-8000-000000000000",
        "nonsense",
        "../../zones",
        "",
    ] {
        let output = stack.cli(&["audit", "explain", unknown, "--json"]);
        assert!([1, 2].contains(&output.code), "{unknown}: {output:?}");
        assert!(
            output.stdout.is_empty() && output.stderr.starts_with("error: "),
            "{output:?}"
        );
    }
}
