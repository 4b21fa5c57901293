//! What the door makes of requests that are not as they should be.

use axum::body::Body;
use caracal_core::Role;
use http::{Method, Request};
use serde_json::json;

use crate::world::{HOST, World};

#[tokio::test]
async fn every_answer_has_its_id_and_its_headers() {
    let world = World::start().await;
    let owner = world.owner().await;
    for (path, token, status) in [
        ("/", "", 200),
        ("/health", "", 200),
        ("/v1/zones", owner.as_str(), 200),
        ("/v1/zones", "", 401),
        ("/v1/nothing", owner.as_str(), 404),
        ("/v1/zones/none", owner.as_str(), 404),
    ] {
        let answer = world.get(path, token).await;
        assert_eq!(answer.status.as_u16(), status, "{path}");
        let id = answer.header("caracal-request-id").to_owned();
        assert!(id.starts_with("req_"), "{path}");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert!(
            answer
                .header("content-security-policy")
                .starts_with("default-src 'none'")
        );
        if status >= 400 {
            assert_eq!(answer.header("content-type"), "application/problem+json");
            assert_eq!(answer.json()["request_id"], json!(id));
            assert_eq!(answer.json()["status"], json!(status));
        }
    }
}

#[tokio::test]
async fn a_wrong_method_names_the_right_ones() {
    let world = World::start().await;
    let owner = world.owner().await;
    let answer = world
        .call(Method::PATCH, "/v1/zones", &owner, None, &[])
        .await;
    assert_eq!(answer.status.as_u16(), 405);
    let allow = answer.header("allow").to_owned();
    assert!(allow.contains("GET") && allow.contains("POST"), "{allow}");
    assert_eq!(answer.json()["code"], "method_not_allowed");
    let head = world
        .call(Method::HEAD, "/v1/zones", &owner, None, &[])
        .await;
    assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
}

#[tokio::test]
async fn bodies_are_read_strictly() {
    let world = World::start().await;
    let owner = world.owner().await;
    let send = async |media_type: &str, body: String| {
        let request = Request::post("/v1/zones/acme/applications")
            .header("host", HOST)
            .header("authorization", format!("bearer {owner}"))
            .header("content-type", media_type)
            .body(Body::from(body));
        world.send(request.unwrap()).await
    };
    let json_type = "application/json; charset=utf-8";
    for (media_type, body, status, code) in [
        ("text/plain", "{}".to_owned(), 415, "media_type_unsupported"),
        (
            "application/x-www-form-urlencoded",
            "name=x".to_owned(),
            415,
            "media_type_unsupported",
        ),
        (
            json_type,
            "{\"name\": \"x\",\n oops".to_owned(),
            400,
            "json_malformed",
        ),
        (json_type, String::new(), 400, "json_malformed"),
        (
            json_type,
            "{\"name\": \"x\"} {}".to_owned(),
            400,
            "json_malformed",
        ),
        (json_type, "[".repeat(100_000), 422, "invalid"),
        (
            json_type,
            " ".repeat(8 * 1024 * 1024 + 1),
            413,
            "body_too_large",
        ),
        (
            json_type,
            "{\"name\": \"x\", \"nam\": 1}".to_owned(),
            422,
            "invalid",
        ),
        (
            json_type,
            "{\"name\": \"x\", \"name\": \"y\"}".to_owned(),
            422,
            "invalid",
        ),
        (json_type, "{}".to_owned(), 422, "invalid"),
        (json_type, "{\"name\": \"X\"}".to_owned(), 422, "invalid"),
    ] {
        let start: String = body.chars().take(40).collect();
        let answer = send(media_type, body).await;
        assert_eq!(answer.status.as_u16(), status, "{start}: {}", answer.text());
        assert_eq!(answer.json()["code"], code, "{start}");
    }
    let malformed = send(json_type, "{\"name\":\n  oops}".to_owned())
        .await
        .json();
    assert!(
        malformed["detail"]
            .as_str()
            .unwrap()
            .contains("line 2 column"),
        "{malformed}"
    );
    let nested = "{\"name\": \"r\", \"upstream\": \"https://x\", \"scopes\": [], \"operations\": \
                  [{\"method\": \"GET\", \"path\": \"/\", \"scope\": \"a\", \"tool\": 1}]}";
    let request = Request::post("/v1/zones/acme/resources")
        .header("host", HOST)
        .header("authorization", format!("Bearer {owner}"))
        .header("content-type", json_type)
        .body(Body::from(nested));
    let answer = world.send(request.unwrap()).await.expect(422);
    assert_eq!(
        answer["errors"][0]["field"], "operations[0].tool",
        "{answer}"
    );
}

#[tokio::test]
async fn queries_and_conditions_are_read_strictly() {
    let world = World::start().await;
    let owner = world.owner().await;
    for path in [
        "/v1/zones?limit=0",
        "/v1/zones?limit=1001",
        "/v1/zones?limit=x",
        "/v1/zones?limit=1&limit=2",
        "/v1/zones?cursor=x",
        "/v1/zones?page=2",
        "/v1/zones/acme/events?from=yesterday",
        "/v1/zones/acme/events?decision=maybe",
        "/v1/zones/acme/events?application=nobody",
        "/v1/zones/acme/events?type=a%20b",
        "/v1/zones/acme/events/stream?limit=1",
    ] {
        assert_eq!(world.get(path, &owner).await.status.as_u16(), 400, "{path}");
    }
    let body = || Some(json!({"name": "x"}));
    let long = "k".repeat(129);
    for (method, path, header, status) in [
        (
            Method::POST,
            "/v1/zones/acme/applications?dry_run=1",
            ("x", "x"),
            400,
        ),
        (
            Method::POST,
            "/v1/zones/acme/applications?dry=true",
            ("x", "x"),
            400,
        ),
        (
            Method::POST,
            "/v1/zones/acme/applications",
            ("idempotency-key", ""),
            400,
        ),
        (
            Method::POST,
            "/v1/zones/acme/applications",
            ("idempotency-key", "a b"),
            400,
        ),
        (
            Method::POST,
            "/v1/zones/acme/applications",
            ("idempotency-key", long.as_str()),
            400,
        ),
        (
            Method::POST,
            "/v1/zones/acme/applications",
            ("if-match", "\"1\""),
            400,
        ),
        (
            Method::PUT,
            "/v1/zones/acme/applications/anton",
            ("if-match", "1"),
            400,
        ),
        (
            Method::PUT,
            "/v1/zones/acme/applications/anton",
            ("if-match", "W/\"1\""),
            400,
        ),
        (
            Method::PUT,
            "/v1/zones/acme/applications/anton",
            ("if-match", "\"1\", \"2\""),
            400,
        ),
        (
            Method::PUT,
            "/v1/zones/acme/applications/anton",
            ("if-match", "\"9\""),
            412,
        ),
        (
            Method::PUT,
            "/v1/zones/acme/applications/nobody",
            ("if-match", "*"),
            404,
        ),
        (
            Method::PUT,
            "/v1/zones/acme/applications/anton",
            ("if-match", "*"),
            422,
        ),
        (
            Method::DELETE,
            "/v1/zones/acme/applications/anton",
            ("if-match", "\"9\""),
            400,
        ),
    ] {
        let answer = world
            .call(method.clone(), path, &owner, body(), &[header])
            .await;
        assert_eq!(
            answer.status.as_u16(),
            status,
            "{method} {path} {header:?}: {}",
            answer.text()
        );
    }
    let delete = [("if-match", "\"9\"")];
    let answer = world
        .call(
            Method::DELETE,
            "/v1/zones/acme/applications/anton",
            &owner,
            None,
            &delete,
        )
        .await;
    assert_eq!(answer.status.as_u16(), 412);
}

#[tokio::test]
async fn a_web_page_gets_nothing() {
    let world = World::start().await;
    let owner = world.owner().await;
    for (path, token) in [
        ("/", ""),
        ("/health", ""),
        ("/v1/openapi.json", ""),
        ("/v1/zones", owner.as_str()),
    ] {
        let origin = [("origin", "https://evil.example")];
        let answer = world.call(Method::GET, path, token, None, &origin).await;
        assert_eq!(answer.status.as_u16(), 403, "{path}");
        assert!(
            answer
                .headers
                .keys()
                .all(|name| !name.as_str().starts_with("access-control"))
        );
        let preflight = world.call(Method::OPTIONS, path, "", None, &origin).await;
        assert_eq!(preflight.status.as_u16(), 403, "{path}");
        let rebound = Request::get(path)
            .header("host", "evil.example:3001")
            .body(Body::empty());
        assert_eq!(
            world.send(rebound.unwrap()).await.status.as_u16(),
            421,
            "{path}"
        );
    }
    let own = [("origin", "http://localhost:3001")];
    let answer = world
        .call(Method::GET, "/v1/zones", &owner, None, &own)
        .await;
    assert_eq!(answer.status.as_u16(), 200);
}

#[tokio::test]
async fn a_token_is_good_until_it_expires_or_is_deleted() {
    let world = World::start().await;
    let owner = world.owner().await;
    let viewer = world.token(Some(world.acme), Role::Viewer).await;
    assert_eq!(
        world.get("/v1/zones/acme", &viewer).await.status.as_u16(),
        200
    );
    let tokens = world.get("/v1/zones/acme/tokens", &owner).await.expect(200);
    let id = tokens["items"][0]["id"].as_str().unwrap();
    let path = format!("/v1/zones/acme/tokens/{id}");
    world
        .call(Method::DELETE, &path, &owner, None, &[])
        .await
        .expect(204);
    let gone = world.get("/v1/zones/acme", &viewer).await;
    assert_eq!(gone.status.as_u16(), 401);
    assert!(gone.header("www-authenticate").contains("invalid_token"));
    for bad in [
        "x",
        "caracal_token_",
        "caracal_token_a.b.c",
        &"y".repeat(9000),
    ] {
        assert_eq!(
            world.get("/v1/zones", bad).await.status.as_u16(),
            401,
            "{bad:.20}"
        );
    }
    let twice = Request::get("/v1/zones")
        .header("host", HOST)
        .header("authorization", format!("Bearer {owner}"))
        .header("authorization", format!("Bearer {owner}"))
        .body(Body::empty());
    assert_eq!(world.send(twice.unwrap()).await.status.as_u16(), 401);
    let basic = [("authorization", "Basic eDp5")];
    assert_eq!(
        world
            .call(Method::GET, "/v1/zones", "", None, &basic)
            .await
            .status
            .as_u16(),
        401
    );
    world.clock.advance(3601);
    assert_eq!(world.get("/v1/zones", &owner).await.status.as_u16(), 401);
}

#[tokio::test]
async fn the_instance_partition_is_no_zone() {
    let world = World::start().await;
    let owner = world.owner().await;
    let nil = "zone_00000000-0000-0000-0000-000000000000";
    for zone in [nil, "caracal-instance"] {
        let application = json!({"name": "x"});
        let path = format!("/v1/zones/{zone}/applications");
        world.post(&path, &owner, application).await.expect(404);
        world
            .get(&format!("/v1/zones/{zone}"), &owner)
            .await
            .expect(404);
        world
            .call(
                Method::POST,
                &format!("/v1/zones/{zone}/freeze"),
                &owner,
                None,
                &[],
            )
            .await
            .expect(404);
    }
    let apply = json!({"zone": "caracal-instance", "applications": [{"name": "x"}]});
    let refused = world.post("/v1/apply", &owner, apply).await;
    assert!(refused.status.is_client_error(), "{}", refused.text());
    // Its evidence may be read by auditors of the instance, and by nobody else.
    world
        .get(&format!("/v1/zones/{nil}/events"), &owner)
        .await
        .expect(200);
    let acme = world.token(Some(world.acme), Role::Owner).await;
    world
        .get(&format!("/v1/zones/{nil}/events"), &acme)
        .await
        .expect(404);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_never_ends_is_not_waited_for() {
    let world = World::start().await;
    let owner = world.owner().await;
    let parts = futures_util::stream::pending::<Result<axum::body::Bytes, std::io::Error>>();
    let request = Request::post("/v1/zones")
        .header("host", HOST)
        .header("authorization", format!("Bearer {owner}"))
        .header("content-type", "application/json")
        .body(Body::from_stream(parts));
    let answer = world.send(request.unwrap()).await;
    assert_eq!(answer.expect(503)["code"], "timeout");
}

#[tokio::test]
async fn a_body_without_a_length_is_cut_at_the_limit() {
    let world = World::start().await;
    let owner = world.owner().await;
    let chunk = axum::body::Bytes::from(vec![b' '; 1024 * 1024]);
    let parts = futures_util::stream::repeat_with(move || Ok::<_, std::io::Error>(chunk.clone()));
    let request = Request::post("/v1/zones")
        .header("host", HOST)
        .header("authorization", format!("Bearer {owner}"))
        .header("content-type", "application/json")
        .body(Body::from_stream(parts));
    let answer = world.send(request.unwrap()).await;
    assert_eq!(answer.expect(413)["code"], "body_too_large");
}
