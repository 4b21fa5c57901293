//! Upstreams that lie, stall, break off and never end: each is told apart, and the client
//! always gets an answer or a visible end.

use std::time::Duration;

use crate::peer::Peer;
use crate::world::World;

fn request(mandate: &str) -> String {
    format!("GET /v1/m HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer {mandate}\r\n\r\n")
}

/// What an upstream sends after the head of the request, and whether it then closes.
struct Row {
    name: &'static str,
    start: &'static str,
    /// Sent over and over until nobody takes it.
    endless: &'static str,
    status: u16,
    /// The refusal's code, or the reason of the end that stands in the event.
    reason: Option<&'static str>,
}

const fn row(
    name: &'static str,
    start: &'static str,
    endless: &'static str,
    status: u16,
    reason: Option<&'static str>,
) -> Row {
    Row {
        name,
        start,
        endless,
        status,
        reason,
    }
}

const UNREACHABLE: Option<&str> = Some("upstream_unreachable");
const BROKE: Option<&str> = Some("upstream_broke");
const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n";

const ROWS: &[Row] = &[
    row("closes at once", "", "", 502, UNREACHABLE),
    row(
        "closes within its head",
        "HTTP/1.1 200 OK\r\nX-A: ",
        "",
        502,
        UNREACHABLE,
    ),
    row(
        "speaks something else",
        "SSH-2.0-x\r\n",
        "",
        502,
        UNREACHABLE,
    ),
    row(
        "speaks HTTP/2 unasked",
        "\0\0\0\x04\0\0\0\0\0",
        "",
        502,
        UNREACHABLE,
    ),
    row(
        "has two lengths",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
        "",
        502,
        UNREACHABLE,
    ),
    row(
        "folds a header",
        "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n",
        "",
        502,
        UNREACHABLE,
    ),
    row(
        "sends a NUL",
        "HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n",
        "",
        502,
        UNREACHABLE,
    ),
    row(
        "a head without end",
        "HTTP/1.1 200 OK\r\n",
        "X-A: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n",
        502,
        UNREACHABLE,
    ),
    row(
        "interim answers without end",
        "",
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
        504,
        Some("upstream_timeout"),
    ),
    row(
        "a body that is too short",
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nok",
        "",
        200,
        BROKE,
    ),
    row("chunks that break off", CHUNKED, "", 200, BROKE),
    row(
        "a chunk that is none",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\nzz\r\n",
        "",
        200,
        BROKE,
    ),
    row(
        "a chunk beyond 64 bits",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\nfffffffffffffffff\r\n",
        "",
        200,
        BROKE,
    ),
    row(
        "an extension without end",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n2;",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        200,
        BROKE,
    ),
    row(
        "trailers without end",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n",
        "X-A: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n",
        200,
        BROKE,
    ),
    row(
        "a body without length",
        "HTTP/1.0 200 OK\r\n\r\nok",
        "",
        200,
        None,
    ),
    row(
        "a length beside chunks",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "",
        200,
        None,
    ),
];

/// Sends a piece until nobody takes it; at most 100 MB.
async fn flood(upstream: &mut Peer, piece: &str) -> usize {
    let piece = piece.repeat(1000);
    let mut sent = 0;
    while sent < 100_000_000 && upstream.try_send(&piece).await {
        sent += piece.len();
    }
    sent
}

#[tokio::test]
async fn every_kind_of_upstream_gets_its_own_end() {
    let world = World::start().await;
    let mandate = world.mandate(&["strict"]).await;
    for Row {
        name,
        start,
        endless,
        status,
        reason,
    } in ROWS
    {
        let mut client = world.client().await;
        client.send(request(&mandate)).await;
        let mut upstream = world.accept().await;
        upstream.head().await;
        upstream.send(start).await;
        let playing = async {
            if endless.is_empty() {
                drop(upstream);
                (0, None)
            } else {
                let sent = flood(&mut upstream, endless).await;
                // It stays open, however soon all of it was taken.
                (sent, Some(upstream))
            }
        };
        let reading = async {
            let head = client.head().await;
            assert_eq!(head.status(), *status, "{name}");
            let id = head.get("caracal-request-id").unwrap().to_owned();
            if *status == 200 {
                let rest = client.rest_or_chunks(&head).await;
                let is_whole = rest.ends_with("0\r\n\r\n");
                assert_eq!(is_whole, reason.is_none(), "{name}: {rest:?}");
                assert!(rest.contains("ok"), "{name}: {rest:?}");
            } else {
                let body = client.json(&head).await;
                assert_eq!(body["code"].as_str(), *reason, "{name}");
            }
            id
        };
        let ((sent, _open), id) = tokio::join!(playing, reading);
        // What kernels took of it.
        assert!(*status == 504 || sent < 60_000_000, "{name}: {sent}");
        let ended = (*status == 200).then_some(200);
        let reason = reason.map(str::to_owned);
        assert_eq!(world.finished(&id).await, (ended, reason), "{name}");
    }
}

/// An upstream that says more than its length cannot put words into the mouth of the next
/// answer.
#[tokio::test]
async fn a_body_that_is_too_long_is_nobodys_answer() {
    let world = World::start().await;
    let mandate = world.mandate(&["api"]).await;
    for round in 0..20 {
        let mut client = world.client().await;
        client.send(request(&mandate)).await;
        let mut upstream = world.accept().await;
        upstream.head().await;
        let forged = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged";
        upstream
            .send(format!(
                "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ntrue{forged}"
            ))
            .await;
        assert_eq!(client.head().await.get("content-length"), Some("4"));
        client.expect("true").await;
        client.send(request(&mandate)).await;
        let mut fresh = world.accept().await;
        fresh.head().await;
        fresh
            .send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ntrue")
            .await;
        assert_eq!(client.head().await.status(), 200, "{round}");
        client.expect("true").await;
        assert!(client.is_silent(Duration::from_millis(1)).await);
        // Gone with its surplus, and without a second request.
        assert_eq!(upstream.rest().await, "");
        drop(fresh);
    }
}

#[tokio::test]
async fn what_is_packed_is_not_unpacked() {
    let world = World::start().await;
    let mandate = world.mandate(&["api"]).await;
    let mut client = world.client().await;
    client.send(request(&mandate)).await;
    let mut upstream = world.accept().await;
    upstream.head().await;
    // Not even gzip: whoever unpacked it would notice.
    let start = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 12\r\n\r\n";
    upstream.send(format!("{start}ten terabyte")).await;
    let head = client.head().await;
    assert_eq!(head.get("content-encoding"), Some("gzip"));
    client.expect("ten terabyte").await;
}
