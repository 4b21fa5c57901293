//! Asking about mandates, giving them back, and what an issuer says of itself.

use serde_json::{Value, json};

use crate::harness::{Answer, Client, Stack, claims, http};

fn zone_file(name: &str) -> String {
    format!(
        r#"
zone: {name}
applications: [{{ name: anton }}, {{ name: berta }}]
resources:
  - {{ name: mail, upstream: "https://mail.example", scopes: [mail:read] }}
policies:
  - {{ name: all, cedar: "permit (principal, action, resource);" }}
"#
    )
}

async fn post(stack: &Stack, path: &str, client: &Client, body: String) -> Answer {
    let request = http()
        .post(format!("{}{path}", stack.sts))
        .basic_auth(&client.id, Some(&client.secret))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body);
    Answer::of(request.send().await.unwrap()).await
}

async fn introspect(stack: &Stack, client: &Client, mandate: &str) -> Value {
    let answer = post(
        stack,
        "/oauth/2/introspect",
        client,
        format!("token={mandate}"),
    )
    .await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mandate_is_told_to_its_own_zone_until_it_is_given_back() {
    let stack = Stack::start();
    let first = stack.apply(&zone_file("first"));
    let second = stack.apply(&zone_file("second"));
    let (anton, berta) = (stack.client(&first, "anton"), stack.client(&first, "berta"));
    let stranger = stack.client(&second, "anton");
    let inactive = json!({ "active": false });

    let mandate = anton.mint("resource://mail", "").await;
    for client in [&anton, &berta] {
        let told = introspect(&stack, client, &mandate).await;
        let claims = claims(&mandate);
        assert_eq!(
            (&told["active"], &told["token_type"]),
            (&true.into(), &"Bearer".into())
        );
        for name in [
            "iss",
            "sub",
            "aud",
            "exp",
            "iat",
            "jti",
            "client_id",
            "scope",
            "sid",
        ] {
            assert_eq!(told[name], claims[name], "{name}");
        }
    }
    // Nothing is told to another zone, and nothing about what is no mandate.
    assert_eq!(introspect(&stack, &stranger, &mandate).await, inactive);
    assert_eq!(introspect(&stack, &anton, "nonsense").await, inactive);
    let tampered = mandate.replace('.', "..");
    assert_eq!(introspect(&stack, &anton, &tampered).await, inactive);

    // Only its own application gives it back (RFC 7009, section 2.1).
    let revoke = async |client: &Client, mandate: &str| {
        post(
            &stack,
            "/oauth/2/revoke",
            client,
            format!("token={mandate}"),
        )
        .await
    };
    for foreign in [&berta, &stranger] {
        let refused = revoke(foreign, &mandate).await;
        assert_eq!(
            (refused.status, refused.json()["error"].clone()),
            (400, "unauthorized_client".into())
        );
    }
    assert_eq!(revoke(&anton, "nonsense").await.status, 200);
    assert_eq!(introspect(&stack, &anton, &mandate).await["active"], true);
    for _ in 0..2 {
        assert_eq!(revoke(&anton, &mandate).await.status, 200);
        assert_eq!(introspect(&stack, &anton, &mandate).await, inactive);
    }
    let revoked = stack.events("first");
    assert_eq!(
        revoked
            .iter()
            .filter(|e| e["type"] == "authority.revoked")
            .count(),
        1
    );

    // The same credentials are asked for as at the token endpoint, with the same errors.
    for path in ["/oauth/2/introspect", "/oauth/2/revoke"] {
        let missing = post(&stack, path, &anton, String::new()).await;
        assert_eq!(
            (missing.status, missing.json()["error"].clone()),
            (400, "invalid_request".into())
        );
        let mut wrong = anton.clone();
        wrong.secret = "wrong".to_owned();
        let refused = post(&stack, path, &wrong, format!("token={mandate}")).await;
        assert_eq!(
            (refused.status, refused.json()["error"].clone()),
            (401, "invalid_client".into())
        );
        let huge = post(
            &stack,
            path,
            &anton,
            format!("token={}", "a".repeat(70_000)),
        )
        .await;
        assert_eq!(
            (huge.status, huge.json()["error"].clone()),
            (413, "invalid_request".into()),
            "{path}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_publishes_its_endpoints_and_keys() {
    let stack = Stack::start();
    let applied = stack.apply(&zone_file("first"));
    let zone = applied["zone"]["id"].as_str().unwrap();
    let client = stack.client(&applied, "anton");
    let sts = &stack.sts;
    let get = async |url: String| Answer::of(http().get(url).send().await.unwrap()).await;

    let metadata = get(format!(
        "{sts}/.well-known/oauth-authorization-server/zones/{zone}"
    ))
    .await;
    assert!(
        metadata
            .header("cache-control")
            .unwrap()
            .contains("max-age=")
    );
    let metadata = metadata.json();
    let issuer = format!("{sts}/zones/{zone}");
    let expected = json!({
        "issuer": issuer,
        "token_endpoint": format!("{sts}/oauth/2/token"),
        "revocation_endpoint": format!("{sts}/oauth/2/revoke"),
        "introspection_endpoint": format!("{sts}/oauth/2/introspect"),
        "jwks_uri": format!("{issuer}/jwks.json"),
        "scopes_supported": ["mail:read"],
        "grant_types_supported": [
            "client_credentials",
            "urn:ietf:params:oauth:grant-type:token-exchange",
            "urn:ietf:params:oauth:grant-type:jwt-bearer",
        ],
        "token_endpoint_auth_methods_supported": [
            "client_secret_basic",
            "client_secret_post",
            "private_key_jwt",
        ],
        "token_endpoint_auth_signing_alg_values_supported": ["ES256", "EdDSA", "Ed25519", "RS256", "PS256"],
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(metadata[name], *value, "{name}");
    }

    let keys = get(metadata["jwks_uri"].as_str().unwrap().to_owned())
        .await
        .json();
    assert_eq!(
        get(format!("{sts}/.well-known/jwks.json?zone_id={zone}"))
            .await
            .json(),
        keys
    );
    let keys = keys["keys"].as_array().unwrap();
    assert!(!keys.is_empty());
    for key in keys {
        assert_eq!(
            (&key["kty"], &key["crv"], &key["alg"], &key["use"]),
            (
                &"EC".into(),
                &"P-256".into(),
                &"ES256".into(),
                &"sig".into()
            )
        );
        assert!(key["kid"].is_string() && key["x"].is_string() && key["y"].is_string());
        assert!(key.get("d").is_none());
    }
    let mandate = client.mint("resource://mail", "").await;
    assert_eq!(claims(&mandate)["iss"], issuer);

    // The resource's own metadata leads there too (RFC 9728).
    let url = format!(
        "{}/.well-known/oauth-protected-resource/zones/{zone}/r/mail",
        stack.gateway
    );
    let resource = get(url).await.json();
    assert_eq!(resource["authorization_servers"], json!([issuer]));
    let bare = get(format!("{}/zones/{zone}/r/mail/a", stack.gateway)).await;
    assert!(
        bare.header("www-authenticate")
            .unwrap()
            .contains("/.well-known/oauth-protected-resource/")
    );

    let unknown = "zone_018bcfe5-6800-7000-8000-000000000000";
    for path in [
        format!("/.well-known/oauth-authorization-server/zones/{unknown}"),
        "/.well-known/oauth-authorization-server/zones/first".to_owned(),
        "/.well-known/oauth-authorization-server/zones/%ff".to_owned(),
        format!("/zones/{unknown}/jwks.json"),
        "/.well-known/jwks.json".to_owned(),
        "/.well-known/jwks.json?zone_id=a&zone_id=b".to_owned(),
        format!("/.well-known/jwks.json?zone_id={unknown}"),
    ] {
        let answer = get(format!("{sts}{path}")).await;
        assert!(
            matches!(answer.status, 400 | 404),
            "{path}: {}",
            answer.status
        );
        assert!(answer.json()["error"].is_string(), "{path}");
    }
    for (door, path) in [
        (sts, "/health"),
        (sts, "/ready"),
        (&stack.gateway, "/.caracal/health"),
        (&stack.gateway, "/.caracal/ready"),
    ] {
        assert_eq!(get(format!("{door}{path}")).await.status, 200, "{path}");
    }
    // A made-up host changes nothing of what the issuer says.
    let spoofed = http()
        .get(format!(
            "{sts}/.well-known/oauth-authorization-server/zones/{zone}"
        ))
        .header("host", "evil.example")
        .header("x-forwarded-host", "evil.example");
    let spoofed = Answer::of(spoofed.send().await.unwrap()).await;
    assert_eq!(spoofed.json()["issuer"], issuer);
}
