//! Clients that have no secret and prove themselves with their own key (RFC 7523).

use caracal_crypto::DpopSigner;
use serde_json::{Value, json};

use crate::harness::{Answer, Client, KEY, Protected, Stack, Upstream, claims, http, python};

const ASSERTION_TYPE: &str = "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";

fn with_auth(file: &str, jwks: &Value) -> String {
    let auth = format!("  - name: anton\n    auth: {{ private_key_jwt: {{ jwks: {jwks} }} }}\n");
    assert!(file.contains("  - name: anton\n"));
    file.replacen("  - name: anton\n", &auth, 1)
}

/// A running zone whose application `anton` has these public keys.
async fn start(jwks: &Value) -> (Upstream, Stack, String) {
    let upstream = Upstream::start().await;
    let mut stack = Stack::start();
    stack.set("STORY_KEY", KEY);
    let file = with_auth(&Protected::zone_file("acme", &upstream), jwks);
    let applied = stack.apply(&file);
    let [application] = applied["applications"].as_array().unwrap().as_slice() else {
        panic!("{applied}")
    };
    assert_eq!(application.get("client_secret"), None, "{applied}");
    let id = application["id"].as_str().unwrap().to_owned();
    // What was exported changes nothing, and names the same keys.
    let exported = stack.cli(&["export", "--zone", "acme"]).ok().stdout;
    assert!(exported.contains("private_key_jwt"), "{exported}");
    assert_eq!(stack.apply(&exported)["changes"], 0);
    (upstream, stack, id)
}

fn assertion(signer: &DpopSigner, id: &str, aud: &str) -> String {
    let now = jiff::Timestamp::now().as_second();
    let jti = caracal_crypto::hex(&caracal_crypto::random_bytes::<16>());
    let claims =
        json!({ "iss": id, "sub": id, "aud": aud, "iat": now, "exp": now + 60, "jti": jti });
    let header = json!({ "alg": "ES256" });
    signer.sign_token(&header, &claims).unwrap()
}

async fn post(stack: &Stack, path: &str, form: String) -> Answer {
    let request = http()
        .post(format!("{}{path}", stack.sts))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form);
    Answer::of(request.send().await.unwrap()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unmodified_client_needs_no_secret() {
    let algorithms = ["ES256", "EdDSA", "RS256", "PS256"];
    let made: Vec<Value> = algorithms
        .iter()
        .map(|algorithm| {
            python("key_client.py", &["generate", algorithm], &[], "")
                .ok()
                .json()
        })
        .collect();
    let public: Vec<_> = made.iter().map(|key| &key["public"]).collect();
    let (_upstream, stack, id) = start(&json!({ "keys": public })).await;
    let zone = stack.cli(&["zone", "list", "--json"]).ok().json();
    let zone = zone["items"][0]["id"].as_str().unwrap().to_owned();
    let issuer = format!("{}/zones/{zone}", stack.sts);
    let client = Client::new(&stack, &id, "");
    for (algorithm, key) in algorithms.iter().zip(&made) {
        let seen = python(
            "key_client.py",
            &[&issuer, algorithm, "resource://items", "items:read"],
            &[("CLIENT_ID", &id)],
            &key["private"].to_string(),
        );
        let seen = seen.ok().json();
        assert!(
            seen["methods"]
                .as_array()
                .unwrap()
                .contains(&"private_key_jwt".into())
        );
        for mandate in seen["mandates"].as_array().unwrap() {
            let mandate = mandate.as_str().unwrap();
            assert_eq!(claims(mandate)["client_id"], id, "{algorithm}");
            let answer = client.call("GET", "/r/items/items/1", mandate).await;
            assert_eq!(answer.status, 200, "{answer:?}");
        }
        assert_eq!(seen["statuses"], json!([200, 401]), "{seen}");
        assert_eq!(seen["replay"]["error"], "invalid_client");
        let why = seen["replay"]["error_description"].as_str().unwrap();
        assert!(why.contains("used before"), "{why}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_assertion_is_good_at_every_endpoint_and_nowhere_beside_a_secret() {
    let signer = DpopSigner::generate().unwrap();
    let (_upstream, stack, id) = start(&json!({ "keys": [signer.jwk()] })).await;
    let token = format!("{}/oauth/2/token", stack.sts);
    let fresh = || assertion(&signer, &id, &token);
    let form = |asserted: &str| {
        format!(
            "grant_type=client_credentials&resource=resource://items\
             &client_assertion_type={ASSERTION_TYPE}&client_assertion={asserted}"
        )
    };
    let minted = post(&stack, "/oauth/2/token", form(&fresh())).await;
    assert_eq!(minted.status, 200, "{minted:?}");
    let mandate = minted.json()["access_token"].as_str().unwrap().to_owned();
    for (path, expected) in [("introspect", json!(true)), ("revoke", json!(null))] {
        let form = format!(
            "token={mandate}&client_assertion_type={ASSERTION_TYPE}&client_assertion={}",
            fresh()
        );
        let answer = post(&stack, &format!("/oauth/2/{path}"), form).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        if path == "introspect" {
            assert_eq!(answer.json()["active"], expected);
        }
    }
    // Another application, from the command line.
    let file = stack.beside().join("public.json");
    std::fs::write(&file, json!({ "keys": [signer.jwk()] }).to_string()).unwrap();
    let create =
        |file: &str, name| stack.cli(&["app", "create", name, "--jwks", file, "--zone", "acme"]);
    let shown = create(file.to_str().unwrap(), "berta").ok().stdout;
    assert!(shown.contains("CARACAL_APPLICATION_ID=app_"), "{shown}");
    assert!(!shown.contains("SECRET"), "{shown}");
    std::fs::write(
        &file,
        json!({ "keys": [{ "kty": "oct", "k": "AA" }] }).to_string(),
    )
    .unwrap();
    let refused = create(file.to_str().unwrap(), "carla");
    assert!(
        refused.stderr.contains("private part"),
        "{}",
        refused.stderr
    );

    // Where there is no form, it is the password of HTTP Basic.
    let open = |asserted: String| {
        http()
            .post(format!("{}/v1/sessions", stack.sts))
            .basic_auth(&id, Some(asserted))
            .header("content-type", "application/json")
            .body("{}")
            .send()
    };
    let once = fresh();
    let opened = Answer::of(open(once.clone()).await.unwrap()).await;
    assert_eq!(opened.status, 201, "{opened:?}");
    assert_eq!(opened.json()["application"], id);
    let again = Answer::of(open(once).await.unwrap()).await;
    assert_eq!(
        (again.status, &again.json()["error"]),
        (401, &"invalid_client".into())
    );

    for (form, error) in [
        (
            format!("{}&client_secret=x", form(&fresh())),
            "invalid_request",
        ),
        (
            format!("{}&client_id={id}x", form(&fresh())),
            "invalid_client",
        ),
        (
            form(&fresh()).replace("jwt-bearer", "saml2-bearer"),
            "invalid_request",
        ),
        (
            form(&fresh()).replace("&client_assertion=", "&x="),
            "invalid_request",
        ),
        (
            form(&assertion(&signer, &id, &stack.gateway)),
            "invalid_client",
        ),
        (form("e30.e30."), "invalid_client"),
    ] {
        let answer = post(&stack, "/oauth/2/token", form.clone()).await;
        assert_eq!(answer.json()["error"], error, "{form}: {answer:?}");
    }
}
