//! Calls that a person has to approve.

use crate::world::World;

fn request(resource: &str, mandate: &str, framing: &str) -> String {
    format!(
        "POST /r/{resource}/v1/m HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer {mandate}\r\n\
         Content-Type: text/plain\r\n{framing}\r\n\r\n"
    )
}

#[tokio::test]
async fn what_was_approved_is_what_is_sent_whatever_its_framing() {
    let world = World::start().await;
    let mandate = world.mandate(&["held"]).await;
    let mut client = world.client().await;
    let sized = request("held", &mandate, "Content-Length: 5") + "hello";
    client.send(&sized).await;
    let head = client.head().await;
    let refusal = client.json(&head).await;
    assert_eq!(
        (head.status(), refusal["code"].as_str()),
        (403, Some("approval_required"))
    );
    assert!(world.is_left_alone().await);
    world.approve(&refusal).await;

    // The same connection goes on, and the same bytes in chunks are the same request.
    let chunked = request(
        "held",
        &mandate,
        "Transfer-Encoding: chunked\r\nX-Caracal-Approval: apr_x",
    );
    client
        .send(chunked + "2\r\nhe\r\n3\r\nllo\r\n0\r\nX-Trailer: 1\r\n\r\n")
        .await;
    let mut upstream = world.accept().await;
    let sent = upstream.head().await;
    assert_eq!(sent.get("content-length"), Some("5"));
    assert_eq!(sent.get("transfer-encoding"), None);
    assert_eq!(sent.get("x-caracal-approval"), None);
    upstream.expect("hello").await;
    upstream
        .send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        .await;
    assert_eq!(client.head().await.status(), 200);

    client.send(&sized).await;
    let head = client.head().await;
    let again = client.json(&head).await;
    assert_eq!(again["code"], "approval_required");
    assert_ne!(again["approval_id"], refusal["approval_id"]);
}

#[tokio::test]
async fn a_body_that_is_too_large_to_be_approved_is_refused() {
    let world = World::start().await;
    let mandate = world.mandate(&["held"]).await;
    let limit = 1024 * 1024;
    let mut client = world.client().await;
    client
        .send(request(
            "held",
            &mandate,
            &format!("Content-Length: {}", limit + 1),
        ))
        .await;
    let head = client.head().await;
    let refusal = client.json(&head).await;
    assert_eq!(
        (head.status(), refusal["code"].as_str()),
        (413, Some("body_too_large"))
    );

    let mut client = world.client().await;
    client
        .send(request("held", &mandate, "Transfer-Encoding: chunked"))
        .await;
    client
        .send(format!(
            "{:x}\r\n{}\r\n1\r\nx\r\n",
            limit,
            "x".repeat(limit)
        ))
        .await;
    assert_eq!(client.head().await.status(), 413);

    let mut client = world.client().await;
    let fits = request("held", &mandate, &format!("Content-Length: {limit}"));
    client.send(fits + &"x".repeat(limit)).await;
    assert_eq!(client.head().await.status(), 403);
}

#[tokio::test]
async fn an_approval_is_not_used_up_by_a_call_of_which_no_byte_left() {
    let world = World::start().await;
    let mandate = world.mandate(&["held-dead"]).await;
    let mut client = world.client().await;
    let call = request("held-dead", &mandate, "Content-Length: 5") + "hello";
    client.send(&call).await;
    let head = client.head().await;
    let refusal = client.json(&head).await;
    assert_eq!(refusal["code"], "approval_required");
    world.approve(&refusal).await;
    for _ in 0..2 {
        client.send(&call).await;
        let head = client.head().await;
        let failed = client.json(&head).await;
        assert_eq!(
            failed["code"], "upstream_unreachable",
            "the approval is still good"
        );
    }
}

#[tokio::test]
async fn an_approval_is_used_up_once_bytes_left() {
    let world = World::start().await;
    let mandate = world.mandate(&["held"]).await;
    let mut client = world.client().await;
    let call = request("held", &mandate, "Content-Length: 5") + "hello";
    client.send(&call).await;
    let head = client.head().await;
    let refusal = client.json(&head).await;
    world.approve(&refusal).await;
    client.send(&call).await;
    let mut upstream = world.accept().await;
    upstream.head().await;
    upstream.expect("hello").await;
    drop(upstream);
    let head = client.head().await;
    let failed = client.json(&head).await;
    assert_eq!(failed["code"], "upstream_unreachable");
    client.send(&call).await;
    let head = client.head().await;
    assert_eq!(client.json(&head).await["code"], "approval_required");
}
