//! Mandates that do not hold, and mandates in other places than `Authorization`.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::harness::{Client, KEY, Stack, Upstream, claims, http, until};

fn zone_file(name: &str, upstream: &Upstream) -> String {
    format!(
        r#"
zone: {name}
applications: [{{ name: anton }}]
providers:
  - {{ name: key, kind: bearer, secret: {{ from_env: STORY_KEY }} }}
resources:
  - name: items
    upstream: {0}
    provider: key
    allow_private: true
    scopes: [items:use]
    operations: [{{ method: "*", path: "/**", scope: items:use }}]
  - name: slots
    upstream: {0}
    provider: key
    allow_private: true
    scopes: [items:use]
    mandate_in: [{{ header: X-Api-Key }}, {{ query: key }}, basic_password]
    operations: [{{ method: "*", path: "/**", scope: items:use }}]
policies:
  - {{ name: all, cedar: "permit (principal, action, resource);" }}
"#,
        upstream.url()
    )
}

async fn world() -> (Stack, Upstream, Client) {
    let upstream = Upstream::start().await;
    let mut stack = Stack::start();
    stack.set("STORY_KEY", KEY);
    let applied = stack.apply(&zone_file("acme", &upstream));
    let client = stack.client(&applied, "anton");
    (stack, upstream, client)
}

fn encode(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// The three parts of a mandate; the first two decoded.
fn open(mandate: &str) -> (Value, Value, &str) {
    let parts: Vec<_> = mandate.split('.').collect();
    let header = URL_SAFE_NO_PAD.decode(parts[0]).unwrap();
    (
        serde_json::from_slice(&header).unwrap(),
        claims(mandate),
        parts[2],
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn no_forged_mandate_passes() {
    let (stack, upstream, client) = world().await;
    let other = stack.apply(&zone_file("other", &upstream));
    let other = stack
        .client(&other, "anton")
        .mint("resource://items", "")
        .await;
    let mandate = client.mint("resource://items", "").await;
    let (header, body, signature) = open(&mandate);
    let (_, other_body, _) = open(&other);
    let with = |base: &Value, name: &str, value: Value| {
        let mut changed = base.clone();
        changed[name] = value;
        changed
    };
    let signed = |header: &Value, body: &Value, signature: &str| {
        format!("{}.{}.{signature}", encode(header), encode(body))
    };
    let none = with(&header, "alg", json!("none"));
    let mut flipped = URL_SAFE_NO_PAD.decode(signature).unwrap();
    flipped[0] ^= 1;
    let forged = [
        ("alg none", signed(&none, &body, "")),
        ("alg none, signed", signed(&none, &body, signature)),
        (
            "alg HS256",
            signed(&with(&header, "alg", json!("HS256")), &body, signature),
        ),
        (
            "type",
            signed(&with(&header, "typ", json!("JWT")), &body, signature),
        ),
        (
            "key",
            signed(&with(&header, "kid", json!("k")), &body, signature),
        ),
        (
            "scope",
            signed(
                &header,
                &with(&body, "scope", json!("items:all")),
                signature,
            ),
        ),
        (
            "expiry",
            signed(
                &header,
                &with(&body, "exp", json!(4_000_000_000_u64)),
                signature,
            ),
        ),
        (
            "zone",
            signed(
                &header,
                &with(&body, "zone", other_body["zone"].clone()),
                signature,
            ),
        ),
        (
            "issuer",
            signed(
                &header,
                &with(&body, "iss", other_body["iss"].clone()),
                signature,
            ),
        ),
        ("body of the other", signed(&header, &other_body, signature)),
        (
            "signature",
            signed(&header, &body, &URL_SAFE_NO_PAD.encode(flipped)),
        ),
        (
            "no signature",
            mandate.rsplit_once('.').unwrap().0.to_owned(),
        ),
        (
            "empty signature",
            format!("{}.", mandate.rsplit_once('.').unwrap().0),
        ),
        ("more", format!("{mandate}.x")),
        ("padding", format!("{mandate}=")),
        ("space", format!("{mandate} x")),
        ("long", "a.".repeat(20_000)),
    ];
    for (what, text) in &forged {
        let answer = client.call("GET", "/r/items/a", text).await;
        assert_eq!(
            (answer.status, &*answer.refusal()),
            (401, "mandate_invalid"),
            "{what}"
        );
    }

    // Another zone's mandate is good there, and does not reach over by any spelling.
    let zone = body["zone"].as_str().unwrap();
    let crossed = client
        .call("GET", &format!("/zones/{zone}/r/items/a"), &other)
        .await;
    assert_eq!(crossed.refusal(), "resource_mismatch");
    assert!(upstream.seen().is_empty());
    assert_eq!(client.call("GET", "/r/items/a", &other).await.status, 200);
    assert_eq!(client.call("GET", "/r/items/a", &mandate).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mandate_ends_at_its_expiry() {
    let (stack, upstream, client) = world().await;
    let answer = client
        .token(&[
            ("grant_type", "client_credentials"),
            ("resource", "resource://items"),
            ("ttl_seconds", "1"),
        ])
        .await
        .json();
    assert_eq!(answer["expires_in"], 1);
    let mandate = answer["access_token"].as_str().unwrap().to_owned();
    let (_, body, _) = open(&mandate);
    assert_eq!(
        body["exp"].as_i64().unwrap() - body["iat"].as_i64().unwrap(),
        1
    );
    until("the mandate has expired", async || {
        let answer = client.call("GET", "/r/items/a", &mandate).await;
        answer.status != 200 && {
            assert_eq!(
                (answer.status, &*answer.refusal()),
                (401, "mandate_expired")
            );
            true
        }
    })
    .await;
    let before = upstream.seen().len();
    assert_eq!(
        client.call("GET", "/r/items/a", &mandate).await.refusal(),
        "mandate_expired"
    );
    assert_eq!(upstream.seen().len(), before);
    drop(stack);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_names_the_further_places_of_mandates() {
    let (stack, upstream, client) = world().await;
    let mandate = client.mint("resource://slots", "").await;
    let basic = |password: &str| format!("Basic {}", STANDARD.encode(format!("any:{password}")));
    let url = |rest: &str| format!("{}/r/{rest}", stack.gateway);
    let accepted = [
        http()
            .get(url("slots/a?q=1"))
            .header("x-api-key", &*mandate),
        http().get(url(&format!("slots/a?key={mandate}&q=1"))),
        http()
            .get(url("slots/a?q=1"))
            .header("authorization", basic(&mandate)),
        http().get(url("slots/a?q=1")).bearer_auth(&*mandate),
        // Both places of the same request, as some clients do.
        http()
            .get(url("slots/a?q=1"))
            .bearer_auth(&*mandate)
            .header("x-api-key", &*mandate),
    ];
    let count = accepted.len();
    for request in accepted {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
        let seen = upstream.seen().pop().unwrap();
        assert_eq!(seen.uri.to_string(), "/a?q=1");
        assert_eq!(seen.headers["authorization"], format!("Bearer {KEY}"));
        let sent = format!("{:?}", seen.headers);
        assert!(
            !sent.contains(&mandate) && !sent.contains("x-api-key"),
            "{sent}"
        );
    }

    // Everywhere else a mandate of this instance is refused, and nothing goes upstream.
    let items = client.mint("resource://items", "").await;
    let misplaced = [
        http().get(url("items/a")).header("x-api-key", &*items),
        http().get(url(&format!("items/a?key={items}"))),
        http()
            .get(url("items/a"))
            .header("authorization", basic(&items)),
        http().get(url("slots/a")).header("x-other", &*mandate),
        http().get(url(&format!("slots/a?token={mandate}"))),
        http()
            .get(url("slots/a"))
            .bearer_auth(&*mandate)
            .header("x-other", &*mandate),
        http()
            .get(url("slots/a"))
            .bearer_auth(&*mandate)
            .header("cookie", format!("s={mandate}; t=1")),
        http()
            .get(url(&format!("items/a?{items}=1")))
            .bearer_auth(&*items),
        http()
            .get(url(&format!("items/a?a={}", items.replace('.', "%2E"))))
            .bearer_auth(&*items),
    ];
    for (i, request) in misplaced.into_iter().enumerate() {
        let answer = crate::harness::Answer::of(request.send().await.unwrap()).await;
        assert_eq!(
            (answer.status, &*answer.refusal()),
            (400, "mandate_misplaced"),
            "case {i}"
        );
    }
    assert_eq!(upstream.seen().len(), count);

    // A JWT of somebody else is none of our business, and a body is not searched.
    let foreign = format!(
        "{}.{}.c2ln",
        encode(&json!({ "alg": "ES256" })),
        encode(&json!({ "iss": "https://elsewhere.example", "pad": "0123456789" }))
    );
    let passed = http()
        .post(url("items/a"))
        .bearer_auth(&*items)
        .header("x-other", &*foreign)
        .body(items.clone());
    assert_eq!(passed.send().await.unwrap().status(), 200);
    let seen = upstream.seen().pop().unwrap();
    assert_eq!(seen.headers["x-other"], foreign);
    assert_eq!(seen.body, items);
}
