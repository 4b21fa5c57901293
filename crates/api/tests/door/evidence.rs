//! Reading the ledger through the door.

use std::time::Duration;

use axum::body::Body;
use caracal_core::Role;
use http::{Method, Request};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::world::{HOST, World};

#[tokio::test]
async fn events_are_found_and_lines_are_leaves() {
    let world = World::start().await;
    let auditor = world.token(Some(world.acme), Role::Auditor).await;
    let events = "/v1/zones/acme/events";
    let found = world
        .get(&format!("{events}?type=application.registered"), &auditor)
        .await
        .expect(200);
    assert_eq!(found["items"].as_array().unwrap().len(), 1, "{found}");
    let event = found["items"][0].clone();
    assert_eq!(event["zone"], json!(world.acme.to_string()));
    let by_time = format!(
        "{events}?from={}&until={}",
        "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"
    );
    assert_eq!(
        world.get(&by_time, &auditor).await.expect(200)["items"],
        json!([])
    );

    let lines = [("accept", "application/x-ndjson")];
    let path = format!("{events}?ascending=true&limit=2");
    let answer = world.call(Method::GET, &path, &auditor, None, &lines).await;
    assert_eq!(answer.header("content-type"), "application/x-ndjson");
    assert!(!answer.header("caracal-next-cursor").is_empty());
    let text = answer.text();
    assert_eq!(text.lines().count(), 2);
    let first: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    let got = world
        .get(
            &format!("{events}/{}", first["id"].as_str().unwrap()),
            &auditor,
        )
        .await;
    assert_eq!(got.text(), text.lines().next().unwrap(), "the same bytes");

    let id = event["id"].as_str().unwrap();
    let explained = world
        .get(&format!("{events}/{id}/explain"), &auditor)
        .await
        .expect(200);
    assert_eq!(explained["event"]["id"], json!(id));
    world
        .get(&format!("{events}/evt_none"), &auditor)
        .await
        .expect(404);
}

#[tokio::test]
async fn a_log_can_be_verified_from_its_tiles() {
    let world = World::start().await;
    let auditor = world.token(Some(world.acme), Role::Auditor).await;
    let logs = world.get("/v1/zones/acme/logs", &auditor).await.expect(200);
    let log = logs["items"][0]["id"].as_str().unwrap().to_owned();
    let base = format!("/v1/zones/acme/logs/{log}");
    let note = world.get(&format!("{base}/checkpoint"), &auditor).await;
    assert_eq!(note.header("content-type"), "text/plain; charset=utf-8");
    let note = note.text();
    let size: usize = note.lines().nth(1).unwrap().parse().unwrap();
    assert_eq!(note.lines().next(), logs["items"][0]["origin"].as_str());

    let lines = world
        .get(&format!("{base}/entries?first=0&limit=1000"), &auditor)
        .await;
    let leaves: Vec<_> = lines.text().lines().map(str::to_owned).collect();
    assert_eq!(leaves.len(), size);
    let bundle = world
        .get(&format!("{base}/tile/entries/000.p/{size}"), &auditor)
        .await
        .body;
    let mut rest = bundle.as_slice();
    for leaf in &leaves {
        let length = usize::from(u16::from_be_bytes([rest[0], rest[1]]));
        assert_eq!(&rest[2..2 + length], leaf.as_bytes());
        rest = &rest[2 + length..];
    }
    assert!(rest.is_empty());
    let tile = world
        .get(&format!("{base}/tile/0/000.p/{size}"), &auditor)
        .await;
    assert_eq!(tile.header("content-type"), "application/octet-stream");
    assert_eq!(tile.body.len(), 32 * size);
    for (i, leaf) in leaves.iter().enumerate() {
        let hash = caracal_crypto::sha256_parts(&[&[0], leaf.as_bytes()]);
        assert_eq!(&tile.body[32 * i..32 * (i + 1)], hash, "leaf {i}");
    }
    for missing in [
        "0/000",
        "1/000",
        "0/000.p/0",
        "entries/000",
        "entries/001.p/1",
        "0/x",
        "0/000.p/200",
    ] {
        world
            .get(&format!("{base}/tile/{missing}"), &auditor)
            .await
            .expect(404);
    }

    let event: Value = serde_json::from_str(&leaves[1]).unwrap();
    let path = format!(
        "/v1/zones/acme/events/{}/proof",
        event["id"].as_str().unwrap()
    );
    let proof = world.get(&path, &auditor).await.expect(200);
    assert_eq!(proof["index"], 1);
    assert_eq!(proof["log"], json!(log));
    assert_eq!(proof["verifier"], logs["items"][0]["verifier"]);
    let proof: caracal_wire::EventProof = serde_json::from_value(proof).unwrap();
    assert!(!proof.hashes.is_empty() && proof.checkpoint.contains(&proof.size.to_string()));

    let other = world
        .get("/v1/zones/other/logs", &world.owner().await)
        .await
        .expect(200);
    let other = other["items"][0]["id"].as_str().unwrap();
    let foreign = format!("/v1/zones/acme/logs/{other}/checkpoint");
    world.get(&foreign, &auditor).await.expect(404);
}

struct Feed(axum::body::BodyDataStream);

impl Feed {
    async fn open(world: &World, token: &str, last: Option<&str>) -> Self {
        let mut request = Request::get("/v1/zones/acme/events/stream?type=application.registered")
            .header("host", HOST)
            .header("authorization", format!("Bearer {token}"));
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let request = request.body(Body::empty()).unwrap();
        let response = world.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status().as_u16(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut feed = Self(response.into_body().into_data_stream());
        assert_eq!(feed.next().await.as_deref(), Some(": listening\n\n"));
        feed
    }

    async fn next(&mut self) -> Option<String> {
        let limit = Duration::from_secs(10);
        let chunk = tokio::time::timeout(limit, futures_util::StreamExt::next(&mut self.0)).await;
        let chunk = chunk.expect("the feed is silent")?.unwrap();
        Some(String::from_utf8(chunk.to_vec()).unwrap())
    }
}

#[tokio::test]
async fn a_feed_tells_what_happens_and_goes_on_where_it_was() {
    let world = World::start().await;
    let owner = world.owner().await;
    let register = async |name: &str| {
        world
            .post("/v1/zones/acme/applications", &owner, json!({"name": name}))
            .await
            .expect(201)
    };
    let mut feed = Feed::open(&world, &owner, None).await;
    world
        .post(
            "/v1/zones/acme/providers",
            &owner,
            json!({"name": "p", "kind": "none"}),
        )
        .await
        .expect(201);
    register("berta").await;
    let told = feed.next().await.unwrap();
    assert!(
        told.contains("\"target_name\":\"berta\"") && !told.contains("provider"),
        "{told}"
    );
    let position = told
        .lines()
        .next()
        .unwrap()
        .strip_prefix("id: ")
        .unwrap()
        .to_owned();
    register("carla").await;
    let told = feed.next().await.unwrap();
    assert!(told.contains("\"target_name\":\"carla\""), "{told}");
    drop(feed);
    register("dora").await;
    let mut resumed = Feed::open(&world, &owner, Some(&position)).await;
    let told = resumed.next().await.unwrap();
    let names: Vec<_> = ["berta", "carla", "dora"]
        .into_iter()
        .filter(|n| told.contains(n))
        .collect();
    assert_eq!(names, ["carla", "dora"]);
    world.shutdown.cancel();
    assert_eq!(resumed.next().await, None, "a shutdown ends the feed");
}

#[tokio::test]
async fn a_feed_ends_with_its_token() {
    let world = World::start().await;
    let owner = world.owner().await;
    let auditor = world.token(Some(world.acme), Role::Auditor).await;
    let mut feed = Feed::open(&world, &auditor, None).await;
    let tokens = world.get("/v1/zones/acme/tokens", &owner).await.expect(200);
    let path = format!(
        "/v1/zones/acme/tokens/{}",
        tokens["items"][0]["id"].as_str().unwrap()
    );
    world
        .call(Method::DELETE, &path, &owner, None, &[])
        .await
        .expect(204);
    let body = json!({"name": "berta"});
    world
        .post("/v1/zones/acme/applications", &owner, body)
        .await
        .expect(201);
    assert_eq!(feed.next().await, None, "nothing more is told");
}

#[tokio::test]
async fn feeds_are_limited() {
    let world = World::start().await;
    let owner = world.owner().await;
    let mut feeds = Vec::new();
    for _ in 0..64 {
        feeds.push(Feed::open(&world, &owner, None).await);
    }
    world
        .get("/v1/zones/acme/events/stream", &owner)
        .await
        .expect(429);
    feeds.pop();
    let request = Request::get("/v1/zones/acme/events/stream")
        .header("host", HOST)
        .header("authorization", format!("Bearer {owner}"))
        .body(Body::empty());
    let response = world
        .router
        .clone()
        .oneshot(request.unwrap())
        .await
        .unwrap();
    assert_eq!(response.status().as_u16(), 200, "a closed feed makes room");
    let mut body = response.into_body();
    assert!(body.frame().await.is_some());
}
