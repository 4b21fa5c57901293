//! Bodies of requests: streamed, bounded, and never read too early.

use std::time::Duration;

use crate::world::World;

#[tokio::test]
async fn an_upload_streams_in_the_framing_it_came_in() {
    let world = World::start().await;
    let mandate = world.mandate(&["api"]).await;
    let mut client = world.client().await;
    let start = |framing: &str| {
        format!(
            "POST /v1/m HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer {mandate}\r\n{framing}\r\n\r\n"
        )
    };
    client
        .send(start("Transfer-Encoding: chunked") + "3\r\nabc\r\n")
        .await;
    let mut upstream = world.accept().await;
    let head = upstream.head().await;
    assert_eq!(head.get("transfer-encoding"), Some("chunked"));
    assert_eq!(head.get("content-length"), None);
    upstream.expect("3\r\nabc\r\n").await;
    client.send("2\r\nde\r\n0\r\nX-Trailer: 1\r\n\r\n").await;
    upstream.expect("2\r\nde\r\n0\r\n\r\n").await;
    upstream
        .send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        .await;
    assert_eq!(client.head().await.status(), 200);

    client.send(start("Content-Length: 4") + "ab").await;
    let head = upstream.head().await;
    assert_eq!(head.get("content-length"), Some("4"));
    assert_eq!(head.get("transfer-encoding"), None);
    upstream.expect("ab").await;
    client.send("cd").await;
    upstream.expect("cd").await;
    upstream
        .send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        .await;
    assert_eq!(client.head().await.status(), 200);

    client.send(start("Content-Length: 0")).await;
    assert_eq!(upstream.head().await.get("content-length"), Some("0"));
    upstream
        .send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        .await;
    assert_eq!(client.head().await.status(), 200);
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused_before_or_while_it_is_sent() {
    let world = World::start().await;
    let mandate = world.mandate(&["strict"]).await;
    let start = format!("POST /v1/m HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer {mandate}\r\n");

    let mut client = world.client().await;
    client
        .send(format!("{start}Content-Length: 11\r\n\r\nhello world"))
        .await;
    let head = client.head().await;
    let body = client.json(&head).await;
    assert_eq!(
        (head.status(), body["code"].as_str()),
        (413, Some("body_too_large"))
    );
    assert!(head.get("caracal-receipt").is_some());
    let ended = world.finished(body["request_id"].as_str().unwrap()).await;
    assert_eq!(ended, (None, Some("body_too_large".to_owned())));
    assert!(world.is_left_alone().await);

    let mut client = world.client().await;
    client
        .send(format!(
            "{start}Transfer-Encoding: chunked\r\n\r\n6\r\nhello \r\n"
        ))
        .await;
    let mut upstream = world.accept().await;
    upstream.head().await;
    upstream.expect("6\r\nhello \r\n").await;
    client.send("5\r\nworld\r\n").await;
    let head = client.head().await;
    let body = client.json(&head).await;
    assert_eq!(
        (head.status(), body["code"].as_str()),
        (413, Some("body_too_large"))
    );
    assert_eq!(
        upstream.rest().await,
        "",
        "the upstream saw a complete body"
    );
    let ended = world.finished(body["request_id"].as_str().unwrap()).await;
    assert_eq!(ended, (None, Some("body_too_large".to_owned())));
}

#[tokio::test]
async fn the_client_is_asked_for_its_body_only_when_the_call_is_allowed() {
    let world = World::start().await;
    let mandate = world.mandate(&["api"]).await;
    let request = |path: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer {mandate}\r\n\
             Expect: 100-continue\r\nContent-Length: 5\r\n\r\n"
        )
    };
    let mut client = world.client().await;
    client.send(request("/v2/m")).await;
    let head = client.head().await;
    assert_eq!(head.status(), 403);
    assert_eq!(head.get("connection"), Some("close"));

    let mut client = world.client().await;
    client.send(request("/v1/m")).await;
    let mut upstream = world.accept().await;
    assert_eq!(upstream.head().await.get("expect"), None);
    assert_eq!(client.head().await.first, "HTTP/1.1 100 Continue");
    client.send("hello").await;
    upstream.expect("hello").await;
    upstream
        .send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        .await;
    assert_eq!(client.head().await.status(), 200);
}

#[tokio::test]
async fn a_refused_request_with_a_small_body_keeps_the_connection() {
    let world = World::start().await;
    let mut client = world.client().await;
    for _ in 0..2 {
        client
            .send("POST /v1/m HTTP/1.1\r\nHost: g\r\nContent-Length: 5\r\n\r\n")
            .await;
        client.send("hello").await;
        let head = client.head().await;
        assert_eq!((head.status(), head.get("connection")), (401, None));
        client.json(&head).await;
    }
}

#[tokio::test]
async fn a_refusal_of_a_large_body_is_readable_and_ends_the_connection() {
    let world = World::start().await;
    let mut client = world.client().await;
    let length = 8 * 1024 * 1024;
    client
        .send(format!(
            "POST /v1/m HTTP/1.1\r\nHost: g\r\nContent-Length: {length}\r\n\r\n"
        ))
        .await;
    // Were the unread bytes answered by a reset, the answer would be lost with them.
    client.send(vec![b'x'; length]).await;
    let head = client.head().await;
    assert_eq!(
        (head.status(), head.get("connection")),
        (401, Some("close"))
    );
    client.json(&head).await;
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn a_length_beside_chunks_counts_for_nothing() {
    let world = World::start().await;
    let mandate = world.mandate(&["api"]).await;
    let mut client = world.client().await;
    let smuggled = "GET /v1/smuggled HTTP/1.1\r\nHost: g\r\n\r\n";
    client
        .send(format!(
            "POST /v1/m HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer {mandate}\r\n\
             Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}"
        ))
        .await;
    let mut upstream = world.accept().await;
    let head = upstream.head().await;
    assert_eq!(head.get("content-length"), None);
    upstream.expect("0\r\n\r\n").await;
    upstream
        .send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        .await;
    assert_eq!(client.head().await.status(), 200);
    assert_eq!(
        client.rest().await,
        "",
        "what followed was taken for a request"
    );
    assert!(upstream.is_silent(Duration::from_millis(50)).await);
}

#[tokio::test]
async fn a_body_that_was_answered_already_may_end_and_may_not_hang() {
    let world = World::start().await;
    let mandate = world.mandate(&["api"]).await;
    let mut client = world.client().await;
    client
        .send(format!(
            "POST /v1/m HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer {mandate}\r\n\
             Content-Length: 4\r\n\r\nab"
        ))
        .await;
    let mut upstream = world.accept().await;
    upstream.head().await;
    upstream.expect("ab").await;
    upstream
        .send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        .await;
    assert_eq!(client.head().await.status(), 200);
    client.send("c").await;
    upstream.expect("c").await;
    // The last byte never comes.
    assert_eq!(client.rest().await, "");
    assert_eq!(upstream.rest().await, "");
}
