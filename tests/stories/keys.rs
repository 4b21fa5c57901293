//! Keys and secrets that take each other's place while everything goes on.

use serde_json::Value;

use crate::harness::{Client, KEY, Stack, Upstream, python, until};

const A: &str = "1111111111111111111111111111111111111111111111111111111111111111";
const B: &str = "2222222222222222222222222222222222222222222222222222222222222222";

fn zone_file(upstream: &Upstream) -> String {
    format!(
        "zone: acme\napplications: [{{ name: anton }}]\nproviders: [{{ name: p, kind: bearer, secret: {{ value: {KEY} }} }}]\n\
         resources: [{{ name: r, upstream: '{}', provider: p, allow_private: true, scopes: [s], \
         operations: [{{ method: GET, path: /a, scope: s }}] }}]\npolicies: [{{ name: all, cedar: 'permit (principal, action, resource);' }}]\n",
        upstream.url()
    )
}

async fn calls(client: &Client) {
    let mandate = client.mint("resource://r", "").await;
    assert_eq!(client.call("GET", "/r/r/a", &mandate).await.status, 200);
}

fn status(stack: &Stack) -> Value {
    stack.cli(&["key", "status", "--json"]).ok().json()
}

async fn until_removable(stack: &Stack) {
    until("the older key can be taken away", async || {
        status(stack)["older"][0]["removable"] == true
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zones_key_is_rotated_and_dropped_before_a_verifier_of_others() {
    let upstream = Upstream::start().await;
    let stack = Stack::start();
    let applied = stack.apply(&zone_file(&upstream));
    let client = stack.client(&applied, "anton");
    let zone = applied["zone"]["id"].as_str().unwrap();
    let issuer = format!("{}/zones/{zone}", stack.sts);
    let verify = |mandate: &str| {
        python(
            "verify_mandate.py",
            &[&issuer, "resource://r"],
            &[],
            mandate,
        )
    };
    let mandate = client.mint("resource://r", "").await;
    verify(&mandate).ok();
    let keys = stack.cli(&["zone", "rotate-key", "--json"]).ok().json();
    assert_eq!(keys["items"][0]["state"], "published");
    // Both are published, the old one signs.
    let later = client.mint("resource://r", "").await;
    for mandate in [&mandate, &later] {
        verify(mandate).ok();
    }
    let twice = stack.cli(&["zone", "rotate-key"]).fails(1);
    assert!(
        twice.stderr.contains("published already"),
        "{}",
        twice.stderr
    );

    // Dropped in an emergency: nobody accepts what it signed, and what is new is accepted.
    let signing = keys["items"][1]["id"].as_str().unwrap();
    stack.cli(&["zone", "drop-key", signing]).ok();
    assert!(verify(&mandate).fails(1).stderr.contains("not verified"));
    assert_eq!(
        client.call("GET", "/r/r/a", &mandate).await.refusal(),
        "mandate_invalid"
    );
    let new = client.mint("resource://r", "").await;
    verify(&new).ok();
    assert_eq!(client.call("GET", "/r/r/a", &new).await.status, 200);
    let unknown = stack.cli(&["zone", "drop-key", signing]).fails(1);
    assert!(unknown.stderr.contains("no key"), "{}", unknown.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_secret_is_replaced_while_both_are_good() {
    let upstream = Upstream::start().await;
    let stack = Stack::start();
    let applied = stack.apply(&zone_file(&upstream));
    let old = stack.client(&applied, "anton");
    calls(&old).await;
    let rotate = |more: &[&str]| {
        let command = [&["app", "rotate-secret", "anton", "--json"], more].concat();
        stack.cli(&command)
    };
    for (more, code, word) in [
        (&["--overlap", "31d"][..], 1, "2592000"),
        (&["--overlap", "soon"], 2, "is no time"),
        (
            &["--overlap", "1h", "--revoke-old"],
            2,
            "cannot be used with",
        ),
    ] {
        let refused = rotate(more).fails(code);
        assert!(refused.stderr.contains(word), "{}", refused.stderr);
    }
    let rotated = rotate(&["--overlap", "2h"]).ok().json();
    let text = rotated["client_secret"].as_str().unwrap().to_owned();
    let new = Client::new(&stack, &old.id, &text);
    calls(&old).await;
    calls(&new).await;
    let third = rotate(&[]).fails(1);
    assert!(
        third.stderr.contains("2 client secrets already"),
        "{}",
        third.stderr
    );

    let list = stack.cli(&["app", "secrets", "anton", "--json"]).ok();
    let secrets = list.json();
    let [first, second] = secrets["items"].as_array().unwrap().as_slice() else {
        panic!("{secrets}")
    };
    assert_eq!(first["id"], rotated["id"]);
    assert!(first.get("expires_at").is_none() && second["expires_at"].is_string());
    for secret in [first, second] {
        assert!(secret["last_used_at"].is_string(), "{secret}");
    }
    // The file says nothing of secrets: applying it keeps them.
    assert_eq!(stack.apply(&zone_file(&upstream))["changes"], 0);
    calls(&old).await;

    let last = rotate(&["--revoke-old"]).ok().json();
    for gone in [&old, &new] {
        assert_eq!(gone.try_mint("resource://r", "").await.status, 401);
    }
    let last = Client::new(&stack, &old.id, last["client_secret"].as_str().unwrap());
    calls(&last).await;
    let only = stack
        .cli(&["app", "secrets", "anton", "--json"])
        .ok()
        .json();
    let only = only["items"][0]["id"].as_str().unwrap();
    let refused = stack.cli(&["app", "end-secret", "anton", only]).fails(1);
    assert!(
        refused.stderr.contains("the only secret"),
        "{}",
        refused.stderr
    );
    let unknown = stack.cli(&["app", "end-secret", "anton", "sec_x"]).fails(1);
    assert!(unknown.stderr.contains("no secret"), "{}", unknown.stderr);

    let shown = [
        list.stdout,
        stack.cli(&["app", "show", "anton", "--json"]).ok().stdout,
        stack.cli(&["audit", "list", "--json"]).ok().stdout,
        stack.cli(&["logs"]).ok().stdout,
    ];
    for secret in [&old.secret, &new.secret, &last.secret] {
        assert!(shown.iter().all(|text| !text.contains(secret.as_str())));
    }
    let rotations = stack.events("acme");
    let rotations = rotations.iter().filter(|e| e["type"] == "secret.rotated");
    assert_eq!(rotations.count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_file_gets_a_new_key_while_calls_go_on() {
    let upstream = Upstream::start().await;
    let mut stack = Stack::start();
    let applied = stack.apply(&zone_file(&upstream));
    let client = stack.client(&applied, "anton");
    let before = std::fs::read(stack.file("master.key")).unwrap();
    let first = status(&stack);
    assert!(first["can_rotate"] == true && first["older"].as_array().unwrap().is_empty());

    let rotated = stack.cli(&["key", "rotate-master", "--json"]).ok().json();
    assert_ne!(rotated["id"], first["id"]);
    assert_eq!(rotated["older"][0]["id"], first["id"]);
    calls(&client).await;
    // It dies in the middle, or right after: what is to be done is found again.
    stack.kill();
    stack.up();
    calls(&client).await;
    until_removable(&stack).await;
    let told = stack.cli(&["key", "status"]).ok().stdout;
    assert!(told.contains("take it away"), "{told}");
    let log = stack.cli(&["logs"]).ok().stdout;
    assert!(log.contains("it can be taken away"), "{log}");

    let previous = stack.file("master.key.previous");
    assert_eq!(std::fs::read(&previous).unwrap(), before);
    let twice = stack.cli(&["key", "rotate-master"]).fails(1);
    assert!(twice.stderr.contains("take it away"), "{}", twice.stderr);
    std::fs::remove_file(&previous).unwrap();
    stack.cli(&["down"]).ok();
    stack.up();
    calls(&client).await;
    assert_eq!(status(&stack)["older"].as_array().unwrap().len(), 0);
    stack.cli(&["key", "rotate-master"]).ok();
    calls(&client).await;

    // A truncated key is told by its file.
    until_removable(&stack).await;
    stack.cli(&["down"]).ok();
    let path = stack.file("master.key");
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..20]).unwrap();
    let refused = stack.cli(&["up"]).fails(1);
    assert!(
        refused.stderr.contains("master.key` holds no master key"),
        "{}",
        refused.stderr
    );
    std::fs::write(&path, &whole).unwrap();
    stack.up();
    calls(&client).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_the_environment_is_replaced_and_missed_when_it_goes_too_early() {
    let upstream = Upstream::start().await;
    let mut stack = Stack::new();
    stack.set("CARACAL_MASTER_KEY", A);
    stack.up();
    let applied = stack.apply(&zone_file(&upstream));
    let client = stack.client(&applied, "anton");
    let elsewhere = stack.cli(&["key", "rotate-master"]).fails(1);
    assert!(
        elsewhere.stderr.contains("CARACAL_MASTER_KEY") && elsewhere.stderr.contains("PREVIOUS"),
        "{}",
        elsewhere.stderr
    );
    stack.cli(&["down"]).ok();

    stack.set("CARACAL_MASTER_KEY", B);
    let early = stack.cli(&["up"]).fails(1).stderr;
    for word in [
        "acme",
        "acme/p",
        "was not given",
        "CARACAL_MASTER_KEY_PREVIOUS",
    ] {
        assert!(early.contains(word), "no `{word}` in: {early}");
    }
    stack.set("CARACAL_MASTER_KEY_PREVIOUS", "nonsense");
    let wrong = stack.cli(&["up"]).fails(1).stderr;
    assert!(
        wrong.contains("`CARACAL_MASTER_KEY_PREVIOUS` holds no master key"),
        "{wrong}"
    );
    stack.set("CARACAL_MASTER_KEY_PREVIOUS", A);
    stack.set("CARACAL_MASTER_KEY_COMMAND", "echo x");
    let both = stack.cli(&["up"]).fails(2).stderr;
    assert!(both.contains("both"), "{both}");
    stack.set("CARACAL_MASTER_KEY_COMMAND", "");
    stack.up();
    calls(&client).await;
    until_removable(&stack).await;
    stack.cli(&["down"]).ok();
    stack.set("CARACAL_MASTER_KEY_PREVIOUS", "");
    stack.up();
    calls(&client).await;
    for output in [early, wrong, both, stack.cli(&["logs"]).ok().stdout] {
        assert!(!output.contains(A) && !output.contains(B));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_call_carries_the_new_secret_of_a_provider() {
    let upstream = Upstream::start().await;
    let mut stack = Stack::start();
    let applied = stack.apply(&zone_file(&upstream));
    let client = stack.client(&applied, "anton");
    let carried = async || {
        let mandate = client.mint("resource://r", "").await;
        client.call("GET", "/r/r/a", &mandate).await;
        let seen = upstream.seen().pop().unwrap();
        seen.headers["authorization"].to_str().unwrap().to_owned()
    };
    assert_eq!(carried().await, format!("Bearer {KEY}"));
    let rotate = ["provider", "rotate-secret", "p"];
    let empty = stack.cli(&rotate).fails(2);
    assert!(empty.stderr.contains("no secret"), "{}", empty.stderr);
    let unset = stack
        .cli(&[&rotate[..], &["--from-env", "NEW"]].concat())
        .fails(1);
    assert!(
        unset.stderr.contains("`NEW` is not set"),
        "{}",
        unset.stderr
    );
    let told = stack.cli_with(&rotate, "sk-the-second\n").ok();
    assert!(!told.stdout.contains("sk-the-second"));
    assert_eq!(carried().await, "Bearer sk-the-second");
    stack.set("NEW", "sk-the-third");
    stack
        .cli(&[&rotate[..], &["--from-env", "NEW"]].concat())
        .ok();
    assert_eq!(carried().await, "Bearer sk-the-third");
    let again = stack
        .cli(&[&rotate[..], &["--from-env", "NEW"]].concat())
        .ok();
    assert!(again.stdout.contains("already"), "{}", again.stdout);
}
