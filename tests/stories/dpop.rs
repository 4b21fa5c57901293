//! Mandates that only the holder of a key can use (RFC 9449).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use caracal_crypto::{DpopSigner, mandate_hash, sha256};
use serde_json::{Value, json};

use crate::harness::{Answer, Protected, Prover, claims, http, nonce_of, python};

/// Seconds since the epoch.
fn now() -> i64 {
    let now = std::time::SystemTime::now();
    let since = now.duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

fn with(mut claims: Value, member: &str, new: impl Into<Value>) -> Value {
    claims[member] = new.into();
    claims
}

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unmodified_client_binds_its_mandates_with_every_algorithm() {
    let world = Protected::start().await;
    let stack = &world.stack;
    let mandate = claims(&world.mint().await);
    let zone = mandate["zone"].as_str().unwrap();
    let issuer = format!("{}/zones/{zone}", stack.sts);
    let urls = [
        format!("{}/r/items/items/1?page=2", stack.gateway),
        format!("{}/zones/{zone}/r/items/b%20c", stack.gateway),
    ];
    let env = [
        ("CLIENT_ID", &*world.client.id),
        ("CLIENT_SECRET", &*world.client.secret),
    ];
    for algorithm in ["ES256", "EdDSA", "RS256", "PS256"] {
        let arguments = [
            &issuer,
            algorithm,
            "resource://items",
            "items:read",
            &urls[0],
            &urls[1],
        ];
        let seen = python("dpop_client.py", &arguments, &env, "").ok().json();
        assert_eq!(
            seen["supported"],
            json!(["ES256", "EdDSA", "Ed25519", "RS256", "PS256"])
        );
        assert_eq!(seen["token_type"], "DPoP", "{algorithm}");
        assert_eq!(seen["statuses"], json!([200, 200]), "{algorithm}");
        assert_eq!(seen["bodies"][1]["path"], "/b%20c");
        assert_eq!(seen["stolen"], json!(["proof_invalid", "proof_invalid"]));
        let mandate = seen["mandate"].as_str().unwrap();
        assert_eq!(claims(mandate)["cnf"], json!({ "jkt": seen["jkt"] }));

        let request = http()
            .post(format!("{}/oauth/2/introspect", stack.sts))
            .basic_auth(&world.client.id, Some(&world.client.secret))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(format!("token={mandate}"));
        let told = Answer::of(request.send().await.unwrap()).await.json();
        assert_eq!(told["cnf"], json!({ "jkt": seen["jkt"] }));
        assert_eq!(told["token_type"], "DPoP");
    }
    let seen = world.upstream.seen();
    assert_eq!(seen.len(), 8);
    assert!(seen.iter().all(|r| !r.headers.contains_key("dpop")));
    let events = stack.events("acme");
    let denied = events.iter().filter(|e| e["type"] == "call.denied");
    let reasons: Vec<_> = denied.map(|e| e["reason"].as_str().unwrap()).collect();
    assert_eq!(reasons, ["proof_invalid"; 8]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_endpoint_names_each_flaw_of_a_proof() {
    let prover = Prover::in_world(Protected::start().await);
    let url = prover.token_url();
    // Without a nonce the client is given one, and needs nothing else.
    let first = prover
        .token(&[prover.sign(&prover.claims("POST", &url, ""))])
        .await;
    assert_eq!(
        (first.status, &first.json()["error"]),
        (400, &"use_dpop_nonce".into())
    );
    let nonce = nonce_of(&first);
    let good = || prover.claims("POST", &url, &nonce);
    let used = prover.sign(&good());
    let answer = prover.token(std::slice::from_ref(&used)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let bound = claims(answer.json()["access_token"].as_str().unwrap());
    assert_eq!(bound["cnf"]["jkt"], prover.signer.thumbprint());
    nonce_of(&answer);

    let header = |algorithm: &str, extra: Value| {
        let mut jwk = json!({ "kty": "EC", "crv": "P-256", "x": "AA", "y": "AA" });
        jwk.as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        part(&json!({ "typ": "dpop+jwt", "alg": algorithm, "jwk": jwk }))
    };
    let unsigned = |header: String| format!("{header}.{}.AAAA", part(&good()));
    let table = [
        vec![used],
        vec![prover.sign(&good()), prover.sign(&good())],
        vec![prover.sign(&with(good(), "htm", "GET"))],
        vec![prover.sign(&with(good(), "htu", "https://evil.example/oauth/2/token"))],
        vec![prover.sign(&with(good(), "iat", now() - 300))],
        vec![prover.sign(&with(good(), "iat", now() + 300))],
        vec![prover.sign(&with(good(), "jti", ""))],
        vec![prover.sign(&with(good(), "x", "x".repeat(6000)))],
        vec![unsigned(header("none", json!({})))],
        vec![unsigned(header(
            "HS256",
            json!({ "kty": "oct", "k": "AAAA" }),
        ))],
        vec![unsigned(header("ES256", json!({ "d": "AAAA" })))],
        vec![unsigned(header("ES256", json!({})))],
        vec!["e30.e30.e30".to_owned()],
        vec![String::new()],
    ];
    for proofs in table {
        let refused = prover.token(&proofs).await;
        assert_eq!(refused.status, 400, "{proofs:?}");
        assert_eq!(refused.json()["error"], "invalid_dpop_proof", "{proofs:?}");
        nonce_of(&refused);
    }
    // Elsewhere a missing nonce is answered as RFC 9449, section 9, has it.
    let elsewhere = format!("{}/oauth/2/introspect", prover.world.stack.sts);
    let client = &prover.world.client;
    let request = http()
        .post(&elsewhere)
        .basic_auth(&client.id, Some(&client.secret))
        .header("content-type", "application/x-www-form-urlencoded")
        .header("dpop", prover.sign(&prover.claims("POST", &elsewhere, "")))
        .body("token=x");
    let asked = Answer::of(request.send().await.unwrap()).await;
    assert_eq!(
        (asked.status, &asked.json()["error"]),
        (401, &"use_dpop_nonce".into())
    );
    assert!(
        asked
            .header("www-authenticate")
            .unwrap()
            .starts_with("DPoP ")
    );
    nonce_of(&asked);
    // With the proof whoever holds a bound session mandate is let in, as at every endpoint.
    let opening = http()
        .post(format!("{}/v1/sessions", prover.world.stack.sts))
        .basic_auth(&client.id, Some(&client.secret))
        .header("content-type", "application/json")
        .body(json!({ "cnf": { "jkt": prover.signer.thumbprint() } }).to_string());
    let opened = Answer::of(opening.send().await.unwrap()).await;
    assert_eq!(opened.status, 201, "{opened:?}");
    let mandate = opened.json()["session_mandate"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(claims(&mandate)["cnf"]["jkt"], prover.signer.thumbprint());
    for (path, expected) in [("introspect", "\"active\":true"), ("revoke", "")] {
        let url = format!("{}/oauth/2/{path}", prover.world.stack.sts);
        let ask = async |proof: Option<String>| {
            let mut request = http()
                .post(&url)
                .header("authorization", format!("DPoP {mandate}"))
                .header("content-type", "application/x-www-form-urlencoded")
                .body(format!("token={mandate}"));
            if let Some(proof) = proof {
                request = request.header("dpop", proof);
            }
            Answer::of(request.send().await.unwrap()).await
        };
        let refused = ask(None).await;
        assert_eq!(refused.json()["error"], "invalid_dpop_proof", "{path}");
        let mut proof = prover.claims("POST", &url, &prover.nonce().await);
        proof["ath"] = mandate_hash(&sha256(mandate.as_bytes())).into();
        let answer = ask(Some(prover.sign(&proof))).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        assert!(answer.body.contains(expected), "{path}: {answer:?}");
    }
    // Who has no secret is not looked at any further.
    let request = http()
        .post(&url)
        .basic_auth(&client.id, Some("wrong"))
        .header("content-type", "application/x-www-form-urlencoded")
        .header("dpop", "x")
        .body("grant_type=client_credentials&resource=resource://items");
    let unknown = Answer::of(request.send().await.unwrap()).await;
    assert_eq!(unknown.json()["error"], "invalid_client");
    assert_eq!(unknown.header("dpop-nonce"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_names_each_flaw_of_a_proof_and_forwards_nothing() {
    let prover = Prover::in_world(Protected::start().await);
    let mandate = prover.mint().await;
    let bearer = prover.world.mint().await;

    let claims = prover.call_claims(&mandate, "");
    let asked = prover.call("DPoP", &mandate, &[prover.sign(&claims)]).await;
    assert_eq!((asked.status, &*asked.refusal()), (401, "use_dpop_nonce"));
    let challenge = asked.header("www-authenticate").unwrap();
    assert!(challenge.starts_with("DPoP "), "{challenge}");
    assert!(
        challenge.contains("error=\"use_dpop_nonce\""),
        "{challenge}"
    );
    let nonce = nonce_of(&asked);
    let good = || prover.call_claims(&mandate, &nonce);

    let used = prover.sign(&good());
    let answer = prover
        .call("DPoP", &mandate, std::slice::from_ref(&used))
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    nonce_of(&answer);
    let reached = prover.world.upstream.seen().len();

    let thief = DpopSigner::generate().unwrap();
    let other_url = format!("{}/r/items/items/2", prover.world.stack.gateway);
    let spoofed = "http://spoofed.example/r/items/items/1";
    let invalid = |claims: Value| {
        (
            "DPoP",
            &mandate,
            vec![prover.sign(&claims)],
            "proof_invalid",
        )
    };
    let table = [
        ("DPoP", &mandate, vec![used], "mandate_replayed"),
        (
            "Bearer",
            &mandate,
            vec![prover.sign(&good())],
            "proof_invalid",
        ),
        ("DPoP", &mandate, vec![], "proof_invalid"),
        (
            "DPoP",
            &mandate,
            vec![prover.sign(&good()), prover.sign(&good())],
            "proof_invalid",
        ),
        (
            "DPoP",
            &mandate,
            vec![thief.sign(&good()).unwrap()],
            "proof_invalid",
        ),
        ("DPoP", &mandate, vec!["x".repeat(7000)], "proof_invalid"),
        (
            "DPoP",
            &bearer,
            vec![prover.sign(&good())],
            "mandate_invalid",
        ),
        (
            "DPoP",
            &mandate,
            vec![prover.sign(&with(good(), "nonce", "stale"))],
            "use_dpop_nonce",
        ),
        invalid(with(good(), "htm", "POST")),
        invalid(with(good(), "htu", other_url)),
        invalid(with(good(), "htu", spoofed)),
        invalid(with(
            good(),
            "ath",
            mandate_hash(&sha256(bearer.as_bytes())),
        )),
        invalid(with(good(), "iat", now() - 300)),
        invalid(with(good(), "iat", now() + 300)),
    ];
    for (scheme, mandate, proofs, code) in table {
        let refused = prover.call(scheme, mandate, &proofs).await;
        assert_eq!(refused.refusal(), code, "{scheme} {proofs:?}");
        assert_eq!(refused.status, 401);
        assert_eq!(refused.header("dpop-nonce").is_some(), scheme == "DPoP");
    }
    // The URL is the Gateway's public one, whatever `Host` says.
    let request = http()
        .get(prover.items_url())
        .header("host", "spoofed.example")
        .header("authorization", format!("DPoP {mandate}"))
        .header("dpop", prover.sign(&with(good(), "htu", spoofed)));
    let refused = Answer::of(request.send().await.unwrap()).await;
    assert_eq!(refused.refusal(), "proof_invalid");
    // Nor does a bound mandate work where clients without proofs put it.
    let request = http().get(prover.items_url()).header("x-api-key", &mandate);
    let refused = Answer::of(request.send().await.unwrap()).await;
    assert_eq!(refused.status, 401, "{refused:?}");
    assert_eq!(prover.world.upstream.seen().len(), reached);
}
