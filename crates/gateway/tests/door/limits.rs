//! How much of the Gateway anybody may take.

use caracal_limits::TurnstileLimits;

use crate::peer::{Head, Peer};
use crate::world::World;

async fn get(client: &mut Peer, mandate: &str) {
    let request =
        format!("GET /v1/m HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer {mandate}\r\n\r\n");
    client.send(request).await;
}

/// Status, code and `Retry-After` of a refusal.
async fn refusal(client: &mut Peer) -> (u16, String, Option<String>) {
    let head: Head = client.head().await;
    assert_eq!(head.get("caracal-refusal"), Some("1"), "{head:?}");
    let code = client.json(&head).await["code"]
        .as_str()
        .unwrap()
        .to_owned();
    (
        head.status(),
        code,
        head.get("retry-after").map(str::to_owned),
    )
}

fn told(status: u16, code: &str, retry_after: Option<&str>) -> (u16, String, Option<String>) {
    (status, code.to_owned(), retry_after.map(str::to_owned))
}

/// Takes a call at the upstream and begins an answer without end.
async fn begin_stream(world: &World, client: &mut Peer) -> Peer {
    let mut upstream = world.accept().await;
    upstream.head().await;
    upstream
        .send(
            "HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n",
        )
        .await;
    assert_eq!(client.head().await.status(), 200);
    client.expect("1\r\na\r\n").await;
    upstream
}

#[tokio::test]
async fn bad_mandates_are_told_to_slow_down_and_good_ones_never_are() {
    let world = World::start_with(|config| config.gateway.bad_secrets_per_minute = 3).await;
    let mandate = world.mandate(&["api"]).await;
    let forged = format!("{}AAAA", &mandate[..mandate.len() - 4]);
    let mut client = world.client().await;
    for bad in ["nonsense", &forged, "a.b.c"] {
        get(&mut client, bad).await;
        let answer = refusal(&mut client).await;
        assert_eq!(answer, told(401, "mandate_invalid", None), "{bad}");
    }
    for bad in ["nonsense", &forged] {
        get(&mut client, bad).await;
        let (status, code, retry_after) = refusal(&mut client).await;
        assert_eq!((status, &*code), (429, "rate_limited"), "{bad}");
        let seconds: u64 = retry_after.unwrap().parse().unwrap();
        assert!((1..=20).contains(&seconds), "{seconds}");
    }
    // Who shows nothing has not failed, and who shows a good one gets through.
    client.send("GET /v1/m HTTP/1.1\r\nHost: g\r\n\r\n").await;
    let (status, code, _) = refusal(&mut client).await;
    assert_eq!((status, &*code), (401, "mandate_missing"));
    get(&mut client, &mandate).await;
    let mut upstream = world.accept().await;
    upstream.head().await;
    upstream.send("HTTP/1.1 204 No Content\r\n\r\n").await;
    assert_eq!(client.head().await.status(), 204);
}

#[tokio::test]
async fn a_place_is_given_back_when_the_answer_begins() {
    let limits = TurnstileLimits::of(1).without_queue();
    let world = World::start_with(|config| config.gateway.places = limits).await;
    let mandate = world.mandate(&["api"]).await;
    let (mut first, mut second) = (world.client().await, world.client().await);
    get(&mut first, &mandate).await;
    world.wait_for_calls(1).await;
    get(&mut second, &mandate).await;
    let full = told(429, "rate_limited", Some("1"));
    assert_eq!(refusal(&mut second).await, full);
    // The first one's answer streams on, and takes no place from others.
    let _streaming = begin_stream(&world, &mut first).await;
    get(&mut second, &mandate).await;
    let _also = begin_stream(&world, &mut second).await;
    assert_eq!(world.engine.live_calls(), 2);
}

#[tokio::test]
async fn open_streams_have_a_bound_of_their_own() {
    let limits = TurnstileLimits::of(1).without_queue();
    let world = World::start_with(|config| config.gateway.open_calls = limits).await;
    let mandate = world.mandate(&["api"]).await;
    let (mut first, mut second) = (world.client().await, world.client().await);
    get(&mut first, &mandate).await;
    let mut streaming = begin_stream(&world, &mut first).await;
    get(&mut second, &mandate).await;
    let full = told(429, "rate_limited", Some("1"));
    assert_eq!(refusal(&mut second).await, full);
    streaming.send("0\r\n\r\n").await;
    first.expect("0\r\n\r\n").await;
    world.wait_for_calls(0).await;
    get(&mut second, &mandate).await;
    let _streaming = begin_stream(&world, &mut second).await;
}
