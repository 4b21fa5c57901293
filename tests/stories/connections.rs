//! Many idle connections, slow clients, and limits for one address.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use crate::harness::{Memory, Protected, Raw, RawUpstream, Scrape, Stack, Upstream, curl};

fn connect(url: &str) -> TcpStream {
    let authority = url.strip_prefix("http://").unwrap();
    let address = authority.to_socket_addrs().unwrap().next().unwrap();
    let stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_disturb_nobody() {
    let is_long = std::env::var_os("CARACAL_TEST_LONG").is_some();
    let count: u64 = if is_long { 10_000 } else { 1000 };
    let world = Protected::start().await;
    let mandate = world.mint().await;
    world.call(&mandate).await;
    let memory = Memory::watch(world.stack.pid());
    let mut idle = Vec::new();
    for n in 0..count {
        let mut stream = connect(&world.stack.gateway);
        // Half of them have made a request, and are kept.
        if n % 2 == 0 {
            let request = "GET /.caracal/health HTTP/1.1\r\nHost: g\r\n\r\n";
            stream.write_all(request.as_bytes()).unwrap();
            let mut answer = [0; 512];
            assert!(stream.read(&mut answer).unwrap() > 0);
            assert!(answer.starts_with(b"HTTP/1.1 200"));
        }
        idle.push(stream);
    }
    let each = memory.growth() / count;
    let begun = Instant::now();
    for _ in 0..100 {
        world.call(&mandate).await;
    }
    let took = begun.elapsed();
    println!("{count} idle connections: {each} bytes each, 100 calls in {took:?}");
    assert!(each < 24 * 1024, "{each} bytes for an idle connection");
    let page = Scrape::of(&format!("{}/metrics", world.stack.sts)).await;
    let open = page.get("caracal_connections_open{door=\"gateway\"}");
    assert!(open >= count as f64, "{open}");
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_clients_are_cut() {
    let mut stack = Stack::new();
    for name in ["HEAD", "IDLE", "SLOW"] {
        stack.set(&format!("CARACAL_{name}_TIMEOUT_SECONDS"), "1");
    }
    let world = Protected::on(stack).await;
    let mandate = world.mint().await;
    let authorised = format!("Host: g\r\nAuthorization: Bearer {mandate}\r\n");

    // A head, byte by byte, without end.
    let mut head = connect(&world.stack.gateway);
    head.write_all(b"GET / HTTP/1.1\r\n").unwrap();
    let dripping = std::thread::spawn(move || {
        let begun = Instant::now();
        while head.write_all(b"x").is_ok() {
            assert!(
                begun.elapsed() < Duration::from_secs(15),
                "a head goes on for ever"
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    // A body that the client owes.
    let mut body = connect(&world.stack.sts);
    body.write_all(b"POST /oauth/2/token HTTP/1.1\r\nHost: s\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n\r\ngrant").unwrap();
    let mut answer = Vec::new();
    let _ = body.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP/1.1 200"));
    // Silence, before and after a request.
    let mut silent = connect(&world.stack.gateway);
    assert_eq!(silent.read(&mut [0; 8]).unwrap_or(0), 0);
    let mut kept = Raw::connect(&world.stack.gateway.replace("localhost", "127.0.0.1"));
    kept.send("GET /.caracal/health HTTP/1.1\r\nHost: g\r\n\r\n");
    let head = kept.head();
    kept.body(&head);
    assert!(kept.find_head().is_none());
    dripping.join().unwrap();

    // An answer without end that nobody reads.
    let flood = RawUpstream::start(|mut peer| {
        peer.head();
        peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        let piece = "x".repeat(64 * 1024);
        while peer
            .try_send(format!("{:x}\r\n{piece}\r\n", piece.len()))
            .is_ok()
        {}
    });
    let zone = Protected::zone_file("acme", &Upstream::start().await);
    let at = zone.find("upstream: ").unwrap();
    let line = zone[at..].lines().next().unwrap();
    world
        .stack
        .apply(&zone.replace(line, &format!("upstream: {}", flood.url())));
    let mandate_of_now = world.mint().await;
    let authorised = authorised.replace(&mandate, &mandate_of_now);
    let mut deaf = connect(&world.stack.gateway);
    let request = format!("GET /r/items/items/1 HTTP/1.1\r\n{authorised}\r\n");
    deaf.write_all(request.as_bytes()).unwrap();
    let cut = async || {
        let page = Scrape::of(&format!("{}/metrics", world.stack.sts)).await;
        page.samples().any(|sample| {
            sample.contains("caracal_connections_cut_total")
                && sample.contains("client_too_slow")
                && sample.contains("gateway")
        })
    };
    crate::harness::until("the client that does not read is cut", cut).await;
    // The call has an end.
    crate::harness::until("the end of the call is recorded", async || {
        world
            .stack
            .events("acme")
            .iter()
            .any(|event| event["type"] == "call.finished" && event["reason"] == "client_too_slow")
    })
    .await;
    drop(deaf);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_cannot_hold_a_whole_door() {
    let mut stack = Stack::new();
    stack.set("CARACAL_MAX_CONNECTIONS", "8");
    stack.up();
    let mut held: Vec<Raw> = Vec::new();
    let url = stack.gateway.replace("localhost", "127.0.0.1");
    for _ in 0..6 {
        let mut one = Raw::connect(&url);
        one.send("GET /.caracal/health HTTP/1.1\r\nHost: g\r\n\r\n");
        assert_eq!(one.head().status(), 200);
        held.push(one);
    }
    let mut more = Raw::connect(&url);
    let _ = more.try_send("GET /.caracal/health HTTP/1.1\r\nHost: g\r\n\r\n");
    assert!(more.find_head().is_none());
    // Another address still gets in.
    let from = curl(&[
        "--interface",
        "127.0.0.2",
        &format!("{url}/.caracal/health"),
    ])
    .ok();
    assert!(from.stdout.contains("200 1.1"), "{}", from.stdout);
    drop(held);
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_is_spoken_without_tls_by_those_who_know() {
    let stack = Stack::start();
    for url in [
        format!("{}/ready", stack.sts),
        format!("{}/ready", stack.console),
        format!("{}/.caracal/ready", stack.gateway),
    ] {
        let answer = curl(&["--http2-prior-knowledge", &url]).ok();
        assert!(
            answer.stdout.ends_with("\n200 2"),
            "{url}: {}",
            answer.stdout
        );
    }
}
