//! Connections: bounded, timed and drained.

use std::time::Duration;

use crate::world::World;

#[tokio::test]
async fn connections_beyond_the_limit_are_closed() {
    let world = World::start_with(|config| config.max_connections = 1).await;
    let mut first = world.client().await;
    first
        .send("GET /.caracal/health HTTP/1.1\r\nHost: g\r\n\r\n")
        .await;
    let head = first.head().await;
    first.json(&head).await;
    let mut second = world.client().await;
    assert_eq!(second.rest().await, "");
    first
        .send("GET /.caracal/health HTTP/1.1\r\nHost: g\r\n\r\n")
        .await;
    assert_eq!(first.head().await.status(), 200);
}

#[tokio::test]
async fn a_head_that_does_not_come_ends_the_connection() {
    let world =
        World::start_with(|config| config.limits.head_timeout = Duration::from_millis(100)).await;
    let mut client = world.client().await;
    client.send("GET /.caracal/health HTTP/1.1\r\nHost:").await;
    client.rest().await;
}

#[tokio::test]
async fn a_shutdown_lets_running_requests_finish() {
    let world = World::start().await;
    let mandate = world.mandate(&["api"]).await;
    let (mut idle, mut client) = (world.client().await, world.client().await);
    idle.send("GET /.caracal/health HTTP/1.1\r\nHost: g\r\n\r\n")
        .await;
    let head = idle.head().await;
    idle.json(&head).await;
    let request =
        format!("GET /v1/m HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer {mandate}\r\n\r\n");
    client.send(request).await;
    let mut upstream = world.accept().await;
    upstream.head().await;
    world.shutdown.cancel();
    world.tracker.close();
    assert_eq!(idle.rest().await, "");
    upstream
        .send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
        .await;
    let head = client.head().await;
    assert_eq!(head.status(), 200);
    client.expect("hello").await;
    assert_eq!(client.rest().await, "");
    world.tracker.wait().await;
    let ended = world
        .finished(head.get("caracal-request-id").unwrap())
        .await;
    assert_eq!(ended, (Some(200), None));
}

#[tokio::test]
async fn a_shutdown_ends_what_does_not_finish() {
    let world = World::start_with(|config| config.limits.drain = Duration::from_millis(100)).await;
    let mandate = world.mandate(&["api"]).await;
    let mut client = world.client().await;
    let request =
        format!("GET /v1/m HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer {mandate}\r\n\r\n");
    client.send(request).await;
    let mut upstream = world.accept().await;
    upstream.head().await;
    upstream
        .send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
        .await;
    let head = client.head().await;
    client.expect("1\r\na\r\n").await;
    world.shutdown.cancel();
    world.tracker.close();
    assert_eq!(client.rest().await, "");
    world.tracker.wait().await;
    let ended = world
        .finished(head.get("caracal-request-id").unwrap())
        .await;
    assert_eq!(ended, (Some(200), Some("drained".to_owned())));
}
