//! What the Gateway refuses, in which order, and how.

use crate::world::World;

#[tokio::test]
async fn every_refusal_has_its_code() {
    let world = World::start().await;
    let api = world.mandate(&["api"]).await;
    let both = world.mandate(&["api", "strict"]).await;
    let dead = world.mandate(&["dead"]).await;
    let revoked = world.mandate(&["api"]).await;
    world.revoke(&revoked).await;
    let zone = world.zone;
    let other = "zone_018bcfe5-6800-7000-8000-000000000000";
    let bearer = |mandate: &str| format!("Authorization: Bearer {mandate}\r\n");
    let forged = format!("{}x", &api[..api.len() - 8]);
    let get = |path: &str| format!("GET {path} HTTP/1.1");
    let rows: Vec<(String, String, u16, &str)> = vec![
        (get("/v1/m"), String::new(), 401, "mandate_missing"),
        (get("/v1/../m"), String::new(), 400, "path_invalid"),
        (get("/v1/%2e%2e/m"), bearer(&api), 400, "path_invalid"),
        (get("//v1"), bearer(&api), 400, "path_invalid"),
        (get("/v1/a%2Fb"), bearer(&api), 400, "path_invalid"),
        (
            get("/v1/m"),
            "Authorization: Bearer nonsense\r\n".to_owned(),
            401,
            "mandate_invalid",
        ),
        (get("/v1/m"), bearer(&forged), 401, "mandate_invalid"),
        (
            get("/v1/m"),
            format!("Authorization: DPoP {api}\r\n"),
            401,
            "mandate_invalid",
        ),
        (get("/v1/m"), bearer(&revoked), 401, "mandate_revoked"),
        (get("/v1/m"), bearer(&both), 400, "resource_missing"),
        (
            get(&format!("/zones/{other}/r/nope/v1")),
            bearer(&api),
            403,
            "resource_mismatch",
        ),
        (get("/r/nope/v1"), bearer(&api), 404, "resource_unknown"),
        (get("/r/strict/v1"), bearer(&api), 403, "resource_mismatch"),
        (
            get("/r/api/v1"),
            format!("{}X-Caracal-Resource: resource://strict\r\n", bearer(&both)),
            403,
            "resource_mismatch",
        ),
        (
            get("/v1/m"),
            format!("X-Api-Key: {api}\r\n"),
            400,
            "mandate_misplaced",
        ),
        (
            get(&format!("/v1/m?t={api}")),
            bearer(&api),
            400,
            "mandate_misplaced",
        ),
        (
            get("/v1/m"),
            format!("{}Cookie: t={api}\r\n", bearer(&api)),
            400,
            "mandate_misplaced",
        ),
        (get("/v2/m"), bearer(&api), 403, "operation_not_declared"),
        (
            "DELETE /v1/m HTTP/1.1".to_owned(),
            bearer(&api),
            403,
            "operation_not_declared",
        ),
        (get("/v1/m?deny=%6de"), bearer(&api), 403, "policy_denied"),
        (get("/v1/m"), bearer(&dead), 502, "upstream_unreachable"),
        (
            get("/v1/m"),
            format!("{0}{0}", bearer(&api)),
            400,
            "request_invalid",
        ),
        (
            get("/v1/m"),
            format!("{}Host: h\r\n", bearer(&api)),
            400,
            "request_invalid",
        ),
        (get("http://x/v1/m"), bearer(&api), 400, "request_invalid"),
        (
            "TRACE /v1/m HTTP/1.1".to_owned(),
            bearer(&api),
            400,
            "request_invalid",
        ),
        (
            "CONNECT x:443 HTTP/1.1".to_owned(),
            bearer(&api),
            400,
            "request_invalid",
        ),
        (
            get("/v1/m"),
            format!(
                "{}Connection: upgrade\r\nUpgrade: websocket\r\n",
                bearer(&api)
            ),
            501,
            "upgrade_unsupported",
        ),
        (get("/.caracal/other"), bearer(&api), 404, "not_found"),
        (
            "POST /.caracal/health HTTP/1.1".to_owned(),
            String::new(),
            405,
            "method_not_allowed",
        ),
    ];
    for (line, headers, status, code) in rows {
        let mut client = world.client().await;
        client
            .send(format!("{line}\r\nHost: g\r\n{headers}\r\n"))
            .await;
        let head = client.head().await;
        let body = client.json(&head).await;
        assert_eq!(
            (head.status(), body["code"].as_str()),
            (status, Some(code)),
            "{line} {body}"
        );
        assert_eq!(head.get("caracal-refusal"), Some("1"));
        assert_eq!(head.get("content-type"), Some("application/problem+json"));
        assert_eq!(head.get("caracal-request-id"), body["request_id"].as_str());
        assert_eq!(body["status"], status);
        let challenge = head.get("www-authenticate");
        assert_eq!(challenge.is_some(), status == 401, "{challenge:?}");
        let text = format!("{head:?}{body}");
        assert!(!text.contains("127.0.0.1:1"), "an address got out: {text}");
        // Only a call that was allowed has a receipt, and an end.
        assert_eq!(
            head.get("caracal-receipt").is_some(),
            status == 502,
            "{line}"
        );
        if status == 502 {
            let ended = world.finished(body["request_id"].as_str().unwrap()).await;
            assert_eq!(ended, (None, Some(code.to_owned())));
        }
        let _ = zone;
    }
    assert!(world.is_left_alone().await);
    assert_eq!(world.engine.live_calls(), 0);
}

#[tokio::test]
async fn challenges_lead_to_the_metadata_of_the_resource() {
    let world = World::start().await;
    let mut client = world.client().await;
    let path = format!("/zones/{}/r/api", world.zone);
    client
        .send(format!("GET {path}/v1/m HTTP/1.1\r\nHost: g\r\n\r\n"))
        .await;
    let head = client.head().await;
    client.json(&head).await;
    let url = format!(
        "http://{}/.well-known/oauth-protected-resource{path}",
        world.gateway
    );
    let expected = format!("Bearer realm=\"caracal\", resource_metadata=\"{url}\"");
    assert_eq!(head.get("www-authenticate"), Some(expected.as_str()));
    let request =
        format!("GET /.well-known/oauth-protected-resource{path} HTTP/1.1\r\nHost: g\r\n\r\n");
    client.send(request).await;
    let head = client.head().await;
    let body = client.json(&head).await;
    assert_eq!(body["resource"], format!("http://{}{path}", world.gateway));
    assert_eq!(
        body["authorization_servers"][0],
        format!("http://sts.test/zones/{}", world.zone)
    );
}

#[tokio::test]
async fn the_own_pages_need_no_mandate() {
    let world = World::start().await;
    let mut client = world.client().await;
    for (path, expected) in [
        ("/.caracal/health", serde_json::json!({ "status": "ok" })),
        ("/.caracal/ready", serde_json::json!({ "ready": true })),
    ] {
        client
            .send(format!("GET {path} HTTP/1.1\r\nHost: g\r\n\r\n"))
            .await;
        let head = client.head().await;
        assert_eq!(head.status(), 200);
        assert!(head.get("caracal-request-id").is_some());
        assert_eq!(client.json(&head).await, expected);
    }
}
