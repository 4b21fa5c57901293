//! Answers: as they come, and ended when they have to.

use std::time::{Duration, Instant};

use crate::peer::Peer;
use crate::world::World;

/// Opens a stream of chunks and returns both ends and the request id.
async fn open(world: &World, mandate: &str) -> (Peer, Peer, String) {
    let mut client = world.client().await;
    let request =
        format!("GET /v1/events HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer {mandate}\r\n\r\n");
    client.send(request).await;
    let mut upstream = world.accept().await;
    upstream.head().await;
    upstream
        .send(
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
        )
        .await;
    let head = client.head().await;
    assert_eq!(head.get("transfer-encoding"), Some("chunked"));
    let request_id = head.get("caracal-request-id").unwrap().to_owned();
    (client, upstream, request_id)
}

#[tokio::test]
async fn events_pass_one_by_one() {
    let world = World::start().await;
    let mandate = world.mandate(&["api"]).await;
    let (mut client, mut upstream, request_id) = open(&world, &mandate).await;
    for chunk in ["9\r\ndata: 1\n\n\r\n", "9\r\ndata: 2\n\n\r\n"] {
        upstream.send(chunk).await;
        client.expect(chunk).await;
    }
    upstream.send("0\r\nX-Trailer: 1\r\n\r\n").await;
    client.expect("0\r\n\r\n").await;
    assert_eq!(world.finished(&request_id).await, (Some(200), None));
}

#[tokio::test]
async fn a_revocation_cuts_an_idle_stream_without_the_final_chunk() {
    let world = World::start().await;
    let mandate = world.mandate(&["api"]).await;
    let (mut client, mut upstream, request_id) = open(&world, &mandate).await;
    upstream.send("1\r\na\r\n").await;
    client.expect("1\r\na\r\n").await;
    assert_eq!(world.revoke(&mandate).await, 1);
    assert_eq!(client.rest().await, "");
    assert_eq!(upstream.rest().await, "");
    let ended = (Some(200), Some("mandate_revoked".to_owned()));
    assert_eq!(world.finished(&request_id).await, ended);
    world.wait_for_calls(0).await;
}

#[tokio::test]
async fn a_revocation_cuts_a_stream_whose_client_does_not_read() {
    let world = World::start().await;
    let mandate = world.mandate(&["api"]).await;
    let (client, mut upstream, request_id) = open(&world, &mandate).await;
    // More than all buffers on the way hold, so that the Gateway is stuck in writing.
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    let flood = async {
        loop {
            upstream.send(&chunk).await;
        }
    };
    let _ = tokio::time::timeout(Duration::from_millis(500), flood).await;
    assert_eq!(world.revoke(&mandate).await, 1);
    let ended = (Some(200), Some("mandate_revoked".to_owned()));
    assert_eq!(world.finished(&request_id).await, ended);
    drop(client);
}

#[tokio::test]
async fn a_revocation_ends_a_call_that_waits_for_its_answer() {
    let world = World::start().await;
    let mandate = world.mandate(&["api"]).await;
    let mut client = world.client().await;
    let request =
        format!("GET /v1/m HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer {mandate}\r\n\r\n");
    client.send(request).await;
    let mut upstream = world.accept().await;
    upstream.head().await;
    world.revoke(&mandate).await;
    let head = client.head().await;
    let body = client.json(&head).await;
    assert_eq!(
        (head.status(), body["code"].as_str()),
        (401, Some("mandate_revoked"))
    );
    assert_eq!(upstream.rest().await, "");
}

/// The answer may be complete while the client still sends.
#[tokio::test]
async fn a_revocation_cuts_an_upload_that_goes_on_after_its_answer() {
    let world = World::start().await;
    let mandate = world.mandate(&["api"]).await;
    let mut client = world.client().await;
    let request = format!(
        "POST /v1/m HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer {mandate}\r\n\
         Content-Length: 10\r\n\r\nhello"
    );
    client.send(request).await;
    let mut upstream = world.accept().await;
    upstream.head().await;
    upstream.expect("hello").await;
    upstream
        .send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        .await;
    let head = client.head().await;
    client.expect("ok").await;
    let began = Instant::now();
    assert_eq!(world.revoke(&mandate).await, 1);
    // Whatever is sent now goes nowhere.
    assert_eq!(client.rest().await, "");
    assert_eq!(upstream.rest().await, "");
    assert!(began.elapsed() < Duration::from_secs(3), "not at once");
    let ended = (Some(200), Some("mandate_revoked".to_owned()));
    let request_id = head.get("caracal-request-id").unwrap();
    assert_eq!(world.finished(request_id).await, ended);
}

#[tokio::test]
async fn an_answer_that_breaks_off_does_not_look_complete() {
    let world = World::start().await;
    let mandate = world.mandate(&["api"]).await;
    let request =
        format!("GET /v1/m HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer {mandate}\r\n\r\n");
    for (answer, seen) in [
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
            "hello",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
            "5\r\nhello\r\n",
        ),
    ] {
        let mut client = world.client().await;
        client.send(&request).await;
        let mut upstream = world.accept().await;
        upstream.head().await;
        upstream.send(answer).await;
        let head = client.head().await;
        client.expect(seen).await;
        drop(upstream);
        assert_eq!(client.rest().await, "");
        let ended = world
            .finished(head.get("caracal-request-id").unwrap())
            .await;
        assert_eq!(ended, (Some(200), Some("upstream_broke".to_owned())));
    }
}

#[tokio::test]
async fn a_cut_answer_to_an_old_client_is_a_reset() {
    let world = World::start().await;
    let mandate = world.mandate(&["api"]).await;
    let mut client = world.client().await;
    client
        .send(format!(
            "GET /v1/m HTTP/1.0\r\nAuthorization: Bearer {mandate}\r\n\r\n"
        ))
        .await;
    let mut upstream = world.accept().await;
    upstream.head().await;
    upstream
        .send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
        .await;
    let head = client.head().await;
    assert_eq!(head.get("transfer-encoding"), None);
    client.expect("a").await;
    drop(upstream);
    assert!(client.is_reset().await);
}

#[tokio::test]
async fn a_client_that_goes_away_ends_the_call() {
    let world = World::start().await;
    let mandate = world.mandate(&["api"]).await;
    let (client, mut upstream, request_id) = open(&world, &mandate).await;
    drop(client);
    assert_eq!(upstream.rest().await, "");
    let ended = (Some(200), Some("client_gone".to_owned()));
    assert_eq!(world.finished(&request_id).await, ended);

    let mut client = world.client().await;
    let request =
        format!("GET /v1/m HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer {mandate}\r\n\r\n");
    client.send(request).await;
    let mut upstream = world.accept().await;
    upstream.head().await;
    assert_eq!(world.engine.live_calls(), 1);
    drop(client);
    assert_eq!(upstream.rest().await, "");
    world.wait_for_calls(0).await;
}

#[tokio::test]
async fn an_upstream_that_does_not_answer_is_given_up() {
    let world = World::start().await;
    let mandate = world.mandate(&["strict"]).await;
    let mut client = world.client().await;
    let request =
        format!("GET /v1/m HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer {mandate}\r\n\r\n");
    client.send(request).await;
    let mut upstream = world.accept().await;
    upstream.head().await;
    let head = client.head().await;
    let body = client.json(&head).await;
    assert_eq!(
        (head.status(), body["code"].as_str()),
        (504, Some("upstream_timeout"))
    );
    assert_eq!(upstream.rest().await, "");

    let mut client = world.client().await;
    let request = format!(
        "POST /v1/m HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer {mandate}\r\n\
         Content-Length: 5\r\n\r\nab"
    );
    client.send(request).await;
    let head = client.head().await;
    let body = client.json(&head).await;
    assert_eq!(
        (head.status(), body["code"].as_str()),
        (408, Some("request_timeout"))
    );
}

#[tokio::test]
async fn other_protocols_of_an_upstream_are_not_passed_on() {
    let world = World::start().await;
    let mandate = world.mandate(&["api"]).await;
    let mut client = world.client().await;
    let request = format!(
        "GET /v1/m HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer {mandate}\r\n\
         Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQ\r\n\r\n"
    );
    client.send(request).await;
    let mut upstream = world.accept().await;
    let head = upstream.head().await;
    assert_eq!(head.get("upgrade"), None);
    assert_eq!(head.get("http2-settings"), None);
    upstream
        .send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\nraw")
        .await;
    let head = client.head().await;
    let body = client.json(&head).await;
    assert_eq!(
        (head.status(), body["code"].as_str()),
        (502, Some("upstream_unreachable"))
    );
}
