//! Real sockets.

use std::time::Duration;

use caracal_api::{serve_stream, serve_unix};
use caracal_connection::{
    Admission, Arrival, DoorRules, Limits, Protocol, Stopping, TrustedProxies, listen,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio_util::task::TaskTracker;

use crate::world::World;

async fn ask<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, request: &str) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    let _ = tokio::time::timeout(Duration::from_secs(10), read)
        .await
        .expect("no answer");
    String::from_utf8_lossy(&answer).into_owned()
}

fn rules(world: &World) -> DoorRules {
    DoorRules {
        door: "console",
        limits: Limits::default(),
        proxies: TrustedProxies::default(),
        stopping: Stopping::from(world.shutdown.clone()),
    }
}

async fn serve_tcp(
    listener: TcpListener,
    router: axum::Router,
    rules: DoorRules,
    tasks: TaskTracker,
) {
    let admission = Admission::new("console", 8, 8, TrustedProxies::default());
    let stopping = rules.stopping.clone();
    let talk = move |stream: TcpStream, remote| {
        let (router, rules) = (router.clone(), rules.clone());
        async move {
            let Some(protocol) = Protocol::find(&stream, &rules).await else {
                return;
            };
            let arrival = Arrival {
                remote: Some(remote),
                local: stream.local_addr().ok(),
                is_tls: false,
                protocol,
            };
            serve_stream(stream, arrival, router, &rules).await;
        }
    };
    listen(listener, admission, stopping, tasks, talk).await;
}

#[tokio::test]
async fn the_local_user_needs_no_token_and_the_network_does() {
    let world = World::start().await;
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("socket");
    let (rules, tasks) = (rules(&world), TaskTracker::new());
    let unix = UnixListener::bind(&path).unwrap();
    let local = serve_unix(unix, world.router.clone(), rules.clone(), 8, tasks.clone());
    tasks.spawn(local);
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = tcp.local_addr().unwrap();
    tasks.spawn(serve_tcp(tcp, world.router.clone(), rules, tasks.clone()));

    let request = "GET /v1/zones HTTP/1.1\r\nhost: localhost:3001\r\nconnection: close\r\n\r\n";
    let local = ask(UnixStream::connect(&path).await.unwrap(), request).await;
    assert!(local.starts_with("HTTP/1.1 200"), "{local}");
    assert!(local.contains("\"name\":\"acme\""), "{local}");
    let remote = ask(TcpStream::connect(address).await.unwrap(), request).await;
    assert!(remote.starts_with("HTTP/1.1 401"), "{remote}");
    // What is known of the peer cannot be said in a request.
    let claiming = request.replace(
        "connection:",
        "x-caracal-peer: local\r\nforwarded: for=unix\r\nconnection:",
    );
    let claimed = ask(TcpStream::connect(address).await.unwrap(), &claiming).await;
    assert!(claimed.starts_with("HTTP/1.1 401"), "{claimed}");
    let rebound = request.replace("localhost:3001", "evil.example");
    let rebound = ask(TcpStream::connect(address).await.unwrap(), &rebound).await;
    assert!(rebound.starts_with("HTTP/1.1 421"), "{rebound}");
    // A wrong token over the socket is not forgiven.
    let token = request.replace("connection:", "authorization: Bearer x\r\nconnection:");
    let wrong = ask(UnixStream::connect(&path).await.unwrap(), &token).await;
    assert!(wrong.starts_with("HTTP/1.1 401"), "{wrong}");
    let page = request.replace(
        "connection:",
        "origin: http://localhost:3001\r\nconnection:",
    );
    let page = ask(UnixStream::connect(&path).await.unwrap(), &page).await;
    assert!(page.starts_with("HTTP/1.1 403"), "{page}");

    world.shutdown.cancel();
    tasks.close();
    let stopped = tokio::time::timeout(Duration::from_secs(5), tasks.wait()).await;
    assert!(stopped.is_ok(), "the listeners stop");
}

#[tokio::test]
async fn a_shutdown_ends_feeds_and_idle_connections() {
    let world = World::start().await;
    let owner = world.owner().await;
    let (rules, tasks) = (rules(&world), TaskTracker::new());
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = tcp.local_addr().unwrap();
    tasks.spawn(serve_tcp(tcp, world.router.clone(), rules, tasks.clone()));
    let mut idle = TcpStream::connect(address).await.unwrap();
    let mut feed = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "GET /v1/zones/acme/events/stream HTTP/1.1\r\nhost: localhost:3001\r\nauthorization: Bearer {owner}\r\n\r\n"
    );
    feed.write_all(head.as_bytes()).await.unwrap();
    let mut seen = String::new();
    while !seen.contains("listening") {
        let mut buffer = [0; 1024];
        let read = feed.read(&mut buffer).await.unwrap();
        assert!(read > 0, "{seen}");
        seen.push_str(&String::from_utf8_lossy(&buffer[..read]));
    }
    world.shutdown.cancel();
    tasks.close();
    let stopped = tokio::time::timeout(Duration::from_secs(5), tasks.wait()).await;
    assert!(stopped.is_ok(), "every connection ends");
    let mut rest = Vec::new();
    let _ = feed.read_to_end(&mut rest).await.unwrap();
    assert!(rest.ends_with(b"0\r\n\r\n"), "the feed ends in order");
    assert_eq!(idle.read(&mut [0; 8]).await.unwrap_or(0), 0);
}

#[tokio::test]
async fn slow_and_large_heads_are_cut_off() {
    let world = World::start().await;
    let (mut rules, tasks) = (rules(&world), TaskTracker::new());
    rules.limits.head_timeout = Duration::from_millis(200);
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = tcp.local_addr().unwrap();
    tasks.spawn(serve_tcp(tcp, world.router.clone(), rules, tasks.clone()));
    let slow = ask(
        TcpStream::connect(address).await.unwrap(),
        "GET / HTTP/1.1\r\nhost:",
    )
    .await;
    assert!(!slow.starts_with("HTTP/1.1 200"), "{slow}");
    let large = format!(
        "GET / HTTP/1.1\r\nhost: localhost:3001\r\nx: {}\r\n\r\n",
        "x".repeat(300_000)
    );
    let mut stream = TcpStream::connect(address).await.unwrap();
    let _ = stream.write_all(large.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP/1.1 200"));
    world.shutdown.cancel();
}
