use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, copy, duplex, split};
use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep, sleep_until};
use tokio_util::task::TaskTracker;

use crate::{Arrival, DoorRules, Limits, Protocol, Stopping, Transport, TrustedProxies, converse};

impl Transport for DuplexStream {
    fn reset_at_end(&self) {}
}

/// An answer whose head and first half come after a while, and the rest after as long again.
struct Halves {
    left: &'static [&'static str],
    pause: Duration,
    next: Pin<Box<Sleep>>,
}

impl Body for Halves {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some((half, rest)) = self.left.split_first() else {
            return Poll::Ready(None);
        };
        std::task::ready!(self.next.as_mut().poll(cx));
        self.left = rest;
        let pause = self.pause;
        self.next.as_mut().reset(Instant::now() + pause);
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(half.as_bytes())))))
    }
}

/// A door whose answers take twice `pause`.
struct Door {
    /// The door's connections, and everything else.
    serving: TaskTracker,
    tracker: TaskTracker,
    stopping: Stopping,
    pause: Duration,
}

impl Door {
    fn new(pause: Duration) -> Self {
        Self {
            serving: TaskTracker::new(),
            tracker: TaskTracker::new(),
            stopping: Stopping::default(),
            pause,
        }
    }

    /// A connection to it.
    fn connect(&self, protocol: Protocol) -> DuplexStream {
        let (ours, theirs) = duplex(64 * 1024);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        let arrival = Arrival {
            remote: Some(address),
            local: Some(address),
            is_tls: false,
            protocol,
        };
        let rules = DoorRules {
            door: "test",
            limits: Limits {
                drain: Duration::from_secs(60),
                ..Limits::default()
            },
            proxies: TrustedProxies::default(),
            stopping: self.stopping.clone(),
        };
        let pause = self.pause;
        self.serving.spawn(async move {
            converse(
                theirs,
                arrival,
                &rules,
                move |_: Request<Incoming>, _| async move {
                    sleep(pause).await;
                    Response::new(Halves {
                        left: &["first", "last"],
                        pause,
                        next: Box::pin(sleep(Duration::ZERO)),
                    })
                },
            )
            .await;
        });
        ours
    }

    /// A client of HTTP/2, and what holds back everything that the door says to it.
    async fn client(&self) -> (SendRequest<Empty<Bytes>>, watch::Sender<bool>) {
        let (mut from_door, mut to_door) = split(self.connect(Protocol::Http2));
        let (near, far) = duplex(64 * 1024);
        let (mut from_client, mut to_client) = split(far);
        let (hold, mut held) = watch::channel(false);
        self.tracker.spawn(async move {
            // Either end may go first.
            let _ = copy(&mut from_client, &mut to_door).await;
            let _ = to_door.shutdown().await;
        });
        self.tracker.spawn(async move {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = from_door.read(&mut buffer).await {
                let told = held.wait_for(|held| !held).await.is_ok();
                if !told || to_client.write_all(&buffer[..length]).await.is_err() {
                    return;
                }
            }
        });
        let (client, connection) = handshake(TokioExecutor::new(), TokioIo::new(near))
            .await
            .unwrap();
        self.tracker.spawn(async move {
            let _ = connection.await;
        });
        (client, hold)
    }
}

async fn ask(client: &mut SendRequest<Empty<Bytes>>) -> String {
    let request = Request::get("http://door/").body(Empty::new()).unwrap();
    let answer = client.send_request(request).await.unwrap();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_of_http2_stays_as_long_as_one_of_http1() {
    let door = Door::new(Duration::from_millis(1));
    let (mut client, _hold) = door.client().await;
    // Pings are asked and answered meanwhile.
    for _ in 0..2 {
        sleep(Duration::from_secs(70)).await;
        assert_eq!(ask(&mut client).await, "firstlast");
    }
    let mut kept = door.connect(Protocol::Http1);
    let request = b"GET / HTTP/1.1\r\nhost: door\r\n\r\n";
    for _ in 0..2 {
        kept.write_all(request).await.unwrap();
        until(&mut kept, "\r\n0\r\n\r\n").await;
        sleep(Duration::from_secs(70)).await;
    }
    sleep(Duration::from_secs(10)).await;
    assert!(client.is_closed());
    assert_eq!(kept.read(&mut [0; 8]).await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_crosses_a_goodbye_is_answered() {
    for is_stop in [false, true] {
        let begun = Instant::now();
        let door = Door::new(Duration::from_secs(10));
        let (mut client, hold) = door.client().await;
        sleep_until(begun + Duration::from_secs(74)).await;
        hold.send_replace(true);
        if is_stop {
            sleep(Duration::from_millis(500)).await;
            door.stopping.begin(Duration::ZERO);
        }
        sleep_until(begun + Duration::from_secs(76)).await;
        let asking = ask(&mut client);
        let telling = async {
            sleep(Duration::from_millis(500)).await;
            hold.send_replace(false);
        };
        let (answer, ()) = tokio::join!(asking, telling);
        assert_eq!(answer, "firstlast", "stop: {is_stop}");
        // Then it is over.
        sleep(Duration::from_secs(5)).await;
        assert!(client.is_closed(), "stop: {is_stop}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_ignores_the_goodbye_holds_nothing_up() {
    let door = Door::new(Duration::from_millis(1));
    let (client, hold) = door.client().await;
    sleep(Duration::from_secs(1)).await;
    hold.send_replace(true);
    let begun = Instant::now();
    door.stopping.begin(Duration::ZERO);
    // The client is told nothing, and answers nothing.
    door.serving.close();
    door.serving.wait().await;
    assert!(!client.is_closed());
    assert!(
        begun.elapsed() < Duration::from_secs(4),
        "{:?}",
        begun.elapsed()
    );
}

async fn until(stream: &mut DuplexStream, end: &str) -> String {
    let mut text = String::new();
    let mut buffer = [0; 512];
    while !text.ends_with(end) {
        let length = stream.read(&mut buffer).await.unwrap();
        assert!(length > 0, "it ended after {text:?}");
        text += std::str::from_utf8(&buffer[..length]).unwrap();
    }
    text
}

#[tokio::test(start_paused = true)]
async fn a_client_learns_from_a_head_that_its_connection_ends() {
    let request = b"GET / HTTP/1.1\r\nhost: door\r\n\r\n";
    let pause = Duration::from_secs(1);
    // Before the head went out it says so itself, and afterwards the one of the next answer does.
    for (when, is_told_at_once) in [(pause / 2, true), (pause * 3 / 2, false)] {
        let door = Door::new(pause);
        let mut client = door.connect(Protocol::Http1);
        client.write_all(request).await.unwrap();
        sleep(when).await;
        door.stopping.begin(Duration::from_secs(2));
        let first = until(&mut client, "\r\n0\r\n\r\n").await;
        assert_eq!(
            first.contains("connection: close"),
            is_told_at_once,
            "{first}"
        );
        if !is_told_at_once {
            sleep(Duration::from_secs(1)).await;
            client.write_all(request).await.unwrap();
            let next = until(&mut client, "\r\n0\r\n\r\n").await;
            assert!(next.contains("connection: close"), "{next}");
        }
        assert_eq!(client.read(&mut [0; 8]).await.unwrap(), 0);
    }
    // A stop waits for nobody who asks nothing.
    let door = Door::new(pause);
    let mut client = door.connect(Protocol::Http1);
    client.write_all(request).await.unwrap();
    until(&mut client, "\r\n0\r\n\r\n").await;
    let begun = Instant::now();
    door.stopping.begin(Duration::ZERO);
    assert_eq!(client.read(&mut [0; 8]).await.unwrap(), 0);
    assert_eq!(begun.elapsed(), Duration::ZERO);
}
