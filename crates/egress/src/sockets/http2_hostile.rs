//! HTTP/2 upstreams that mean harm: each ends as its own error, and none costs memory.

use std::io::{Read as _, Write as _};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body::{Body as HttpBody, Frame};
use http_body_util::BodyExt as _;

use super::http2::PRIOR;
use super::http2_frames::*;
use super::upstream::*;
use crate::{Body, EgressError, MAX_ANSWER_HEADERS};

/// Takes one request, then writes `piece` for as long as it is taken, up to 100 MB; returns
/// how many bytes went out.
fn flooded(
    start: Vec<u8>,
    piece: Vec<u8>,
) -> (std::net::SocketAddr, std::thread::JoinHandle<usize>) {
    upstream(move |listener| {
        let mut frames = Frames::accept(&listener, &[]);
        frames.request().unwrap();
        // The other side is read, so that it is never stuck in writing.
        let mut reading = frames.0.try_clone().unwrap();
        let reader =
            std::thread::spawn(
                move || while reading.read(&mut [0; 4096]).is_ok_and(|read| read > 0) {},
            );
        drop(frames.0.write_all(&start));
        let mut sent = 0;
        while sent < 100_000_000 && frames.0.write_all(&piece).is_ok() {
            sent += piece.len();
        }
        drop(frames.0.shutdown(std::net::Shutdown::Both));
        reader.join().unwrap();
        sent
    })
}

async fn ask(address: std::net::SocketAddr) -> Result<http::Response<crate::Answer>, EgressError> {
    send(&egress(), &PRIOR, get(format!("http://{address}/"))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn endless_heads_are_an_error_and_not_memory() {
    let line = literal("x-a", &"a".repeat(100)).repeat(140);
    let floods = [
        // One head that never ends.
        (
            frame(HEADERS, 0, 1, STATUS_200),
            frame(CONTINUATION, 0, 1, &line),
        ),
        // Nor does this one, and it is empty.
        (
            frame(HEADERS, 0, 1, STATUS_200),
            frame(CONTINUATION, 0, 1, &[]).repeat(1000),
        ),
    ];
    for (number, (start, piece)) in floods.into_iter().enumerate() {
        let (address, upstream) = flooded(start, piece);
        let error = ask(address).await.unwrap_err();
        assert!(
            matches!(
                error,
                EgressError::HeadTooLarge { .. } | EgressError::Protocol { .. }
            ),
            "{number}: {error:?}"
        );
        assert!(!error.is_before_write());
        let sent = tokio::task::spawn_blocking(|| upstream.join().unwrap())
            .await
            .unwrap();
        assert!(sent < 50_000_000, "{number}: {sent}");
    }
}

#[tokio::test]
async fn a_head_is_bounded_in_size_and_number() {
    let many = |count: usize| [STATUS_200.to_vec(), literal("x", "y").repeat(count)].concat();
    // 3 KB that unpack to 128 KB: one entry of the table, named a thousand times.
    let mut bomb = STATUS_200.to_vec();
    bomb.extend([0x40, 1, b'x', 100]);
    bomb.extend([b'b'; 100]);
    bomb.extend([0xbe; 3000]);
    let table = [
        ("as many as fit", many(MAX_ANSWER_HEADERS), true),
        ("one more", many(MAX_ANSWER_HEADERS + 1), false),
        ("a bomb", bomb, false),
    ];
    for (name, head, fits) in table {
        let (address, upstream) = upstream(move |listener| {
            let mut frames = Frames::accept(&listener, &[]);
            let stream = frames.request().unwrap();
            frames
                .send(HEADERS, END_HEADERS | END_STREAM, stream, &head)
                .unwrap();
            frames.count_requests()
        });
        match ask(address).await {
            Ok(answer) => assert!(
                fits && answer.headers().len() == MAX_ANSWER_HEADERS,
                "{name}"
            ),
            Err(error) => assert!(
                !fits
                    && match error {
                        EgressError::HeadTooLarge { .. } => true,
                        // So far beyond that the connection ends with it.
                        EgressError::Protocol { .. } => name == "a bomb",
                        _ => false,
                    },
                "{name}: {error:?}"
            ),
        }
        assert_eq!(
            tokio::task::spawn_blocking(|| upstream.join().unwrap())
                .await
                .unwrap(),
            0
        );
    }
}

#[tokio::test]
async fn what_breaks_the_rules_ends_the_connection() {
    let literal_upper = [STATUS_200.to_vec(), literal("X-Upper", "1")].concat();
    let connection = [STATUS_200.to_vec(), literal("connection", "close")].concat();
    let newline = [STATUS_200.to_vec(), literal("x-a", "b\r\nc: d")].concat();
    let promise = [&2_u32.to_be_bytes()[..], &[0x82, 0x84, 0x86]].concat();
    let table: Vec<(&str, Vec<u8>)> = vec![
        ("a push", frame(PUSH_PROMISE, END_HEADERS, 1, &promise)),
        (
            "no status",
            frame(HEADERS, END_HEADERS | END_STREAM, 1, &literal("x", "y")),
        ),
        (
            "capitals",
            frame(HEADERS, END_HEADERS | END_STREAM, 1, &literal_upper),
        ),
        (
            "a newline in a value",
            frame(HEADERS, END_HEADERS | END_STREAM, 1, &newline),
        ),
        (
            "a connection's header",
            frame(HEADERS, END_HEADERS | END_STREAM, 1, &connection),
        ),
        (
            "a table larger than was allowed",
            frame(
                HEADERS,
                END_HEADERS | END_STREAM,
                1,
                &[0x3f, 0xe1, 0xff, 0x03, 0x88],
            ),
        ),
        ("data before the head", frame(DATA, 0, 1, b"x")),
        ("a frame of 32 KB", frame(DATA, 0, 1, &[0; 32 * 1024])),
        (
            "window beyond its end",
            frame(WINDOW_UPDATE, 0, 0, &0x7fff_ffff_u32.to_be_bytes()),
        ),
        (
            "a head of nobody's",
            frame(HEADERS, END_HEADERS | END_STREAM, 7, STATUS_200),
        ),
        (
            "HTTP/1.1",
            b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n".to_vec(),
        ),
    ];
    for (name, bytes) in table {
        let (address, upstream) = upstream(move |listener| {
            let mut frames = Frames::accept(&listener, &[]);
            frames.request().unwrap();
            frames.0.write_all(&bytes).unwrap();
            frames.count_requests()
        });
        let error = ask(address).await.unwrap_err();
        assert!(
            matches!(error, EgressError::Protocol { .. }),
            "{name}: {error:?}"
        );
        assert_eq!(
            tokio::task::spawn_blocking(|| upstream.join().unwrap())
                .await
                .unwrap(),
            0,
            "{name}"
        );
    }
}

/// What may go on for ever is bounded by the caller's patience, and held in no memory.
#[tokio::test(flavor = "multi_thread")]
async fn endless_chatter_is_neither_an_answer_nor_memory() {
    let settings = frame(SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0]).repeat(100);
    let pings = frame(PING, 0, 0, &[7; 8]).repeat(100);
    // `:status: 103`, as a literal.
    let hints = frame(HEADERS, END_HEADERS, 1, &[8, 3, b'1', b'0', b'3']).repeat(100);
    for (name, piece) in [("settings", settings), ("pings", pings), ("1xx", hints)] {
        let (address, upstream) = flooded(Vec::new(), piece);
        let egress = egress();
        let asking = egress.send(&PRIOR, get(format!("http://{address}/")));
        match tokio::time::timeout(Duration::from_millis(300), asking).await {
            Ok(Err(error)) => assert!(
                matches!(
                    error,
                    EgressError::Protocol { .. } | EgressError::Broken { .. }
                ),
                "{name}: {error:?}"
            ),
            Ok(Ok(answer)) => panic!("{name}: {answer:?}"),
            Err(_) => {}
        }
        drop(egress);
        tokio::task::spawn_blocking(|| upstream.join().unwrap())
            .await
            .unwrap();
    }
}

/// A body without end that counts what is taken from it.
pub(super) struct Endless(pub(super) Arc<AtomicUsize>);

impl HttpBody for Endless {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        const CHUNK: &[u8] = &[b'x'; 16 * 1024];
        self.0.fetch_add(CHUNK.len(), Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(CHUNK)))))
    }
}

#[tokio::test]
async fn an_upstream_that_takes_nothing_is_sent_nothing() {
    // A window of 0, and one without end on a connection that nobody reads.
    for window in [0, 0x7fff_ffff] {
        let (done, ended) = std::sync::mpsc::channel::<()>();
        let (address, upstream) = upstream(move |listener| {
            let mut frames = Frames::accept(&listener, &[(4, window)]);
            if window > 0 {
                let more = 0x7fff_0000_u32.to_be_bytes();
                frames.send(WINDOW_UPDATE, 0, 0, &more).unwrap();
            }
            frames.request().unwrap();
            let _ = ended.recv();
        });
        let taken = Arc::new(AtomicUsize::new(0));
        let body: Body = Endless(Arc::clone(&taken)).boxed_unsync();
        let request = Request::post(format!("http://{address}/"))
            .body(body)
            .unwrap();
        let egress = egress();
        let asking = egress.send(&PRIOR, request);
        assert!(
            tokio::time::timeout(Duration::from_millis(500), asking)
                .await
                .is_err()
        );
        // Kernels hold some megabytes of what was written; we hold next to nothing.
        let most = if window == 0 {
            128 * 1024
        } else {
            16 * 1024 * 1024
        };
        let taken = taken.load(Ordering::Relaxed);
        assert!(taken <= most, "{window}: {taken}");
        drop(done);
        tokio::task::spawn_blocking(|| upstream.join().unwrap())
            .await
            .unwrap();
    }
}
