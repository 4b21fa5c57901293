//! Mandates that name their requests exactly (RFC 9396).

use serde_json::{Value, json};

use crate::harness::{Answer, Protected, claims, http};

const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

#[tokio::test(flavor = "multi_thread")]
async fn a_mandate_for_one_request_is_good_for_no_other() {
    let world = Protected::start().await;
    let client = &world.client;
    let named = json!([{
        "type": "caracal_call", "locations": ["resource://items"],
        "method": "GET", "path": "/items/1", "query": ["page=2"],
    }]);
    let mut told = named.clone();
    told[0]["actions"] = json!(["items:read"]);
    let details = named.to_string();
    let form = [
        ("grant_type", "client_credentials"),
        ("resource", "resource://items"),
        ("authorization_details", &*details),
    ];
    let minted = client.token(&form).await;
    assert_eq!(minted.status, 200, "{minted:?}");
    let answer = minted.json();
    assert_eq!(answer["scope"], "items:read");
    assert_eq!(answer["authorization_details"], told);
    let mandate = answer["access_token"].as_str().unwrap();
    assert_eq!(claims(mandate)["authorization_details"], told);
    let call = async |path: &str| client.call("GET", path, mandate).await;
    assert_eq!(call("/r/items/items/1?page=2").await.status, 200);
    for path in [
        "/r/items/items/1",
        "/r/items/items/1?page=3",
        "/r/items/items/2?page=2",
    ] {
        let refused = call(path).await;
        assert_eq!(
            (refused.status, &*refused.refusal()),
            (403, "action_not_authorized")
        );
        let challenge = refused.header("www-authenticate").unwrap();
        assert!(challenge.contains("insufficient_scope"), "{challenge}");
    }
    assert_eq!(world.upstream.seen().len(), 1);

    // It is told who asks about it, and an exchange keeps it.
    let request = http()
        .post(format!("{}/oauth/2/introspect", world.stack.sts))
        .basic_auth(&client.id, Some(&client.secret))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(format!("token={mandate}"));
    let shown = Answer::of(request.send().await.unwrap()).await.json();
    assert_eq!(shown["authorization_details"], told);
    let mut exchange = vec![
        ("grant_type", EXCHANGE),
        ("subject_token", mandate),
        ("subject_token_type", ACCESS_TOKEN),
        ("ttl_seconds", "60"),
    ];
    let exchanged = client.token(&exchange).await.json();
    assert_eq!(exchanged["authorization_details"], told);
    let wider = named.to_string().replace("page=2", "page=3");
    exchange.push(("authorization_details", &wider));
    refused(
        &client.token(&exchange).await,
        400,
        "invalid_authorization_details",
    );

    for (details, status, error) in [
        (json!([]), 400, "invalid_authorization_details"),
        (
            json!([{ "type": "payment_initiation" }]),
            400,
            "invalid_authorization_details",
        ),
        (with(&named, "method", "POST"), 403, "access_denied"),
        (
            with(&named, "path", "/items/../1"),
            400,
            "invalid_authorization_details",
        ),
    ] {
        let details = details.to_string();
        let mut form = form;
        form[2].1 = &details;
        refused(&client.token(&form).await, status, error);
    }
    let zone = claims(mandate)["zone"].as_str().unwrap().to_owned();
    let metadata = format!(
        "{}/.well-known/oauth-authorization-server/zones/{zone}",
        world.stack.sts
    );
    let metadata = Answer::of(http().get(metadata).send().await.unwrap()).await;
    assert_eq!(
        metadata.json()["authorization_details_types_supported"],
        json!(["caracal_call"])
    );
    let events = world.stack.events("acme");
    let reasons = |kind: &str, reason: &str| {
        let found = events
            .iter()
            .filter(|e| e["type"] == kind && e["reason"] == reason);
        found.count()
    };
    assert_eq!(reasons("call.denied", "action_not_authorized"), 3);
    assert_eq!(
        reasons("mandate.denied", "invalid_authorization_details"),
        4
    );
}

fn with(details: &Value, member: &str, value: &str) -> Value {
    let mut details = details.clone();
    details[0][member] = value.into();
    details
}

#[track_caller]
fn refused(answer: &Answer, status: u16, error: &str) {
    assert_eq!(
        (answer.status, &answer.json()["error"]),
        (status, &error.into())
    );
}
