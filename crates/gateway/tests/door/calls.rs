//! A governed call, there and back.

use crate::world::{SECRET, World};

#[tokio::test]
async fn a_call_goes_upstream_without_the_mandate_and_with_the_credential() {
    let world = World::start().await;
    let mandate = world.mandate(&["api"]).await;
    let mut client = world.client().await;
    client
        .send(format!(
            "GET /zones/{}/r/api/v1/a%20b?x=%31&y HTTP/1.1\r\nHost: evil.example\r\n\
             Authorization: Bearer {mandate}\r\nX-Forwarded-For: 1.2.3.4\r\nX_Forwarded_Host: x\r\n\
             Cookie: a=b\r\nConnection: X-Own\r\nX-Own: 1\r\nTE: trailers\r\nAccept: */*\r\n\
             X-Caracal-Resource: resource://api\r\nDPoP: x\r\n\r\n",
            world.zone
        ))
        .await;
    let mut upstream = world.accept().await;
    let head = upstream.head().await;
    assert_eq!(head.first, "GET /v1/a%20b?x=%31&y HTTP/1.1");
    assert_eq!(
        head.get("host"),
        Some(world.upstream.local_addr().unwrap().to_string().as_str())
    );
    assert_eq!(
        head.get("authorization"),
        Some(format!("Bearer {SECRET}").as_str())
    );
    assert_eq!(head.headers.len(), 3, "{head:?}");
    assert_eq!(head.get("accept"), Some("*/*"));

    upstream
        .send(
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nSet-Cookie: a=b\r\nCaracal-Receipt: forged\r\n\
             Caracal-Refusal: 1\r\nStrict-Transport-Security: x\r\nAccess-Control-Allow-Origin: *\r\n\
             ETag: \"1\"\r\nLocation: /v1/c?d=1\r\nKeep-Alive: x\r\nConnection: ETag-Not\r\n\
             ETag-Not: 1\r\n\r\nhello",
        )
        .await;
    let head = client.head().await;
    assert_eq!(head.status(), 200);
    client.expect("hello").await;
    let request_id = head.get("caracal-request-id").unwrap().to_owned();
    assert!(request_id.starts_with("req_"));
    let receipt = head.get("caracal-receipt").unwrap();
    assert!(
        receipt.starts_with("log=\"log_") && receipt.contains("; leaf="),
        "{receipt}"
    );
    let location = format!(
        "http://{}/zones/{}/r/api/v1/c?d=1",
        world.gateway, world.zone
    );
    assert_eq!(head.get("location"), Some(location.as_str()));
    let mut left: Vec<_> = head.headers.iter().map(|(name, _)| name.as_str()).collect();
    left.sort_unstable();
    let expected = [
        "caracal-receipt",
        "caracal-request-id",
        "content-length",
        "date",
        "etag",
        "location",
    ];
    assert_eq!(left, expected);
    assert_eq!(world.finished(&request_id).await, (Some(200), None));
    world.wait_for_calls(0).await;
}

#[tokio::test]
async fn every_way_to_name_the_resource_leads_there() {
    let world = World::start().await;
    let (one, both) = (
        world.mandate(&["api"]).await,
        world.mandate(&["api", "strict"]).await,
    );
    let mut client = world.client().await;
    let zone = world.zone;
    let rows = [
        (&one, format!("/zones/{zone}/r/api/v1/m"), ""),
        (&one, "/r/api/v1/m".to_owned(), ""),
        (&one, "/v1/m".to_owned(), ""),
        (
            &both,
            "/v1/m".to_owned(),
            "X-Caracal-Resource: resource://api\r\n",
        ),
        (
            &both,
            "/r/api/v1/m".to_owned(),
            "X-Caracal-Resource: resource://api\r\n",
        ),
    ];
    let mut upstream = None;
    for (mandate, path, header) in rows {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: g\r\n{header}Authorization: bearer {mandate}\r\n\r\n"
        );
        client.send(request).await;
        let mut peer = match upstream.take() {
            Some(peer) => peer,
            None => world.accept().await,
        };
        assert_eq!(peer.head().await.first, "GET /v1/m HTTP/1.1", "{path}");
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            .await;
        assert_eq!(client.head().await.status(), 200);
        upstream = Some(peer);
    }
}

#[tokio::test]
async fn a_mandate_in_the_place_of_the_key_is_replaced_by_the_key() {
    let world = World::start().await;
    let mandate = world.mandate(&["keyed"]).await;
    let basic = {
        use std::fmt::Write as _;
        // The test's own base64, so that nothing of the code under test is used.
        let bytes = format!("user:{mandate}").into_bytes();
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut text = String::new();
        for chunk in bytes.chunks(3) {
            let bits = chunk
                .iter()
                .fold(0_u32, |bits, b| bits << 8 | u32::from(*b));
            let bits = bits << (8 * (3 - chunk.len()));
            for at in 0..4 {
                let index = (bits >> (18 - 6 * at)) as usize & 63;
                let c = if at > chunk.len() {
                    '='
                } else {
                    char::from(alphabet[index])
                };
                write!(text, "{c}").unwrap();
            }
        }
        text
    };
    let rows = [
        format!("GET /v1/m?a=1 HTTP/1.1\r\nX-Api-Key: {mandate}"),
        format!("GET /v1/m?key={mandate}&a=1 HTTP/1.1"),
        format!("GET /v1/m?a=1&k%65y=other HTTP/1.1\r\nX-Api-Key: {mandate}"),
        format!("GET /v1/m?a=1 HTTP/1.1\r\nAuthorization: Basic {basic}"),
        format!(
            "GET /v1/m?a=1 HTTP/1.1\r\nAuthorization: Bearer {mandate}\r\nX-Api-Key: {mandate}"
        ),
    ];
    for request in rows {
        let mut client = world.client().await;
        client.send(format!("{request}\r\nHost: g\r\n\r\n")).await;
        let mut upstream = world.accept().await;
        let head = upstream.head().await;
        assert_eq!(head.first, format!("GET /v1/m?a=1&key={SECRET} HTTP/1.1"));
        assert_eq!(head.headers.len(), 1, "{head:?}");
        // A redirect that repeats the query does not hand the credential out.
        let answer = format!(
            "HTTP/1.1 302 Found\r\nLocation: /v1/m2?a=1&key={SECRET}\r\nContent-Length: 0\r\n\
             Connection: close\r\n\r\n"
        );
        upstream.send(answer).await;
        drop(upstream);
        let head = client.head().await;
        assert!(
            head.get("location")
                .unwrap()
                .ends_with("/r/keyed/v1/m2?a=1"),
            "{head:?}"
        );
    }
}

#[tokio::test]
async fn answers_without_a_body_keep_their_head() {
    let world = World::start().await;
    let mandate = world.mandate(&["api"]).await;
    let mut client = world.client().await;
    let mut upstream = None;
    for (method, answer, status, length) in [
        (
            "HEAD",
            "HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n",
            200,
            Some("1234"),
        ),
        ("GET", "HTTP/1.1 204 No Content\r\n\r\n", 204, None),
        (
            "GET",
            "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n",
            304,
            None,
        ),
        (
            "GET",
            "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            200,
            Some("0"),
        ),
        (
            "HEAD",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            200,
            None,
        ),
    ] {
        let request = format!(
            "{method} /v1/m HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer {mandate}\r\n\r\n"
        );
        client.send(request).await;
        let mut peer = match upstream.take() {
            Some(peer) => peer,
            None => world.accept().await,
        };
        assert_eq!(peer.head().await.first, format!("{method} /v1/m HTTP/1.1"));
        peer.send(answer).await;
        let head = client.head().await;
        assert_eq!(
            (head.status(), head.get("content-length")),
            (status, length),
            "{answer}"
        );
        let request_id = head.get("caracal-request-id").unwrap();
        assert_eq!(
            world.finished(request_id).await,
            (Some(u64::from(status)), None)
        );
        upstream = Some(peer);
    }
}
