//! HTTP/2 upstreams: shared connections, what is sent once and what may be sent again.

use std::time::Duration;

use bytes::Bytes;
use caracal_core::UpstreamProtocol;
use http::Request;
use http_body_util::{BodyExt as _, StreamBody};

use super::http2_frames::*;
use super::upstream::*;
use crate::{Body, Destination, EgressError};

pub(super) const PRIOR: Destination<'static> = Destination {
    zone: None,
    allow_private: true,
    ca_pem: None,
    protocol: UpstreamProtocol::Http2,
};

/// A body of one chunk whose length nobody knows beforehand.
fn streamed(uri: &str) -> Request<Body> {
    let chunk = Ok::<_, std::io::Error>(http_body::Frame::data(Bytes::from_static(b"effect")));
    let body = StreamBody::new(futures_util::stream::iter([chunk]));
    Request::post(uri)
        .body(body.map_err(Into::into).boxed_unsync())
        .unwrap()
}

pub(super) async fn joined<T: Send + 'static>(upstream: std::thread::JoinHandle<T>) -> T {
    tokio::task::spawn_blocking(|| upstream.join().unwrap())
        .await
        .unwrap()
}

#[tokio::test]
async fn requests_of_an_origin_share_a_connection() {
    let (address, upstream) = upstream(|listener| {
        let mut frames = Frames::accept(&listener, &[]);
        drop(listener);
        // All three are open at a time, and are answered the other way round.
        let streams: Vec<_> = (0..3).map(|_| frames.request().unwrap()).collect();
        for stream in streams.iter().rev() {
            frames.answer(*stream, stream.to_string().as_bytes());
        }
        frames.count_requests()
    });
    let egress = egress();
    let uri = format!("http://{address}/");
    // The first opens it; the others meet it while it is being opened.
    let all = (0..3).map(|_| async { text(send(&egress, &PRIOR, get(&uri)).await.unwrap()).await });
    let mut texts = futures_util::future::join_all(all).await;
    texts.sort();
    assert_eq!(texts, ["1", "3", "5"]);
    drop(egress);
    assert_eq!(joined(upstream).await, 0);
}

#[tokio::test]
async fn what_was_not_looked_at_is_sent_once_more() {
    for by_goaway in [false, true] {
        let (address, upstream) = upstream(move |listener| {
            let mut frames = Frames::accept(&listener, &[]);
            let stream = frames.request().unwrap();
            if by_goaway {
                // The last stream that was looked at: none.
                frames.send(GOAWAY, 0, 0, &[0; 8]).unwrap();
                let mut fresh = Frames::accept(&listener, &[]);
                let stream = fresh.request().unwrap();
                fresh.answer(stream, b"second");
                return (frames.count_requests(), fresh.count_requests());
            }
            frames.send(RST_STREAM, 0, stream, &[0, 0, 0, 7]).unwrap();
            let stream = frames.request().unwrap();
            frames.answer(stream, b"second");
            (frames.count_requests(), 0)
        });
        let egress = egress();
        let sent = send(&egress, &PRIOR, get(format!("http://{address}/")))
            .await
            .unwrap();
        assert_eq!(text(sent).await, "second");
        drop(egress);
        assert_eq!(joined(upstream).await, (0, 0));
    }
}

#[tokio::test]
async fn a_refusal_is_not_argued_with() {
    let (address, upstream) = upstream(|listener| {
        let mut frames = Frames::accept(&listener, &[]);
        let mut seen = 0;
        while let Some(stream) = frames.request() {
            seen += 1;
            frames.send(RST_STREAM, 0, stream, &[0, 0, 0, 7]).unwrap();
        }
        seen
    });
    let egress = egress();
    let uri = format!("http://{address}/");
    let error = send(&egress, &PRIOR, get(&uri)).await.unwrap_err();
    assert!(matches!(error, EgressError::Refused { .. }), "{error:?}");
    // Of this one's body something is gone, so there is nothing to send again.
    let error = send(&egress, &PRIOR, streamed(&uri)).await.unwrap_err();
    assert!(matches!(error, EgressError::Refused { .. }), "{error:?}");
    assert!(!error.is_before_write());
    drop(egress);
    assert_eq!(joined(upstream).await, 3);
}

#[tokio::test]
async fn what_was_written_and_refused_stays_written_when_the_second_try_fails() {
    let (address, upstream) = upstream(|listener| {
        let mut frames = Frames::accept(&listener, &[]);
        // Nobody takes a second connection.
        drop(listener);
        frames.request().unwrap();
        frames.send(GOAWAY, 0, 0, &[0; 8]).unwrap();
        frames.count_requests()
    });
    let egress = egress();
    let error = send(&egress, &PRIOR, get(format!("http://{address}/")))
        .await
        .unwrap_err();
    assert!(matches!(error, EgressError::Refused { .. }), "{error:?}");
    assert!(!error.is_before_write());
    drop(egress);
    assert_eq!(joined(upstream).await, 0);
}

#[tokio::test]
async fn a_reset_or_an_end_is_never_replayed() {
    type End = fn(&mut Frames, u32);
    let ends: [End; 4] = [
        |frames, stream| frames.send(RST_STREAM, 0, stream, &[0, 0, 0, 8]).unwrap(),
        |frames, stream| frames.send(RST_STREAM, 0, stream, &[0, 0, 0, 2]).unwrap(),
        |frames, _| frames.0.shutdown(std::net::Shutdown::Both).unwrap(),
        // It looked at stream 1, says so, and goes.
        |frames, _| {
            frames
                .send(GOAWAY, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0])
                .unwrap();
            frames.0.shutdown(std::net::Shutdown::Both).unwrap();
        },
    ];
    for (number, end) in ends.into_iter().enumerate() {
        let (address, upstream) = upstream(move |listener| {
            let mut frames = Frames::accept(&listener, &[]);
            let stream = frames.request().unwrap();
            end(&mut frames, stream);
            let more = frames.count_requests();
            listener.set_nonblocking(true).unwrap();
            (more, listener.accept().is_err())
        });
        let egress = egress();
        let error = send(&egress, &PRIOR, get(format!("http://{address}/")))
            .await
            .unwrap_err();
        assert!(
            matches!(error, EgressError::Broken { written: true, .. }),
            "{number}: {error:?}"
        );
        drop(egress);
        assert_eq!(joined(upstream).await, (0, true), "{number}");
    }
}

#[tokio::test]
async fn a_dead_connection_is_left_behind() {
    let (address, upstream) = upstream(|listener| {
        let mut dead = Frames::accept(&listener, &[]);
        dead.request().unwrap();
        // It stays open and says nothing more.
        let mut alive = Frames::accept(&listener, &[]);
        let stream = alive.request().unwrap();
        alive.answer(stream, "alive".as_bytes());
        (dead.count_requests(), alive.count_requests())
    });
    let egress = egress();
    let uri = format!("http://{address}/");
    let given_up =
        tokio::time::timeout(Duration::from_millis(1100), egress.send(&PRIOR, get(&uri)));
    assert!(given_up.await.is_err());
    let sent = send(&egress, &PRIOR, get(&uri)).await.unwrap();
    assert_eq!(text(sent).await, "alive");
    drop(egress);
    assert_eq!(joined(upstream).await, (0, 0));
}

#[tokio::test]
async fn a_client_that_does_not_read_stops_nobody_else() {
    const SLOW: usize = 40;
    let (address, upstream) = upstream(|listener| {
        let mut frames = Frames::accept(&listener, &[]);
        for _ in 0..SLOW {
            let stream = frames.request().unwrap();
            frames
                .send(HEADERS, END_HEADERS, stream, STATUS_200)
                .unwrap();
            // All that this stream's window takes.
            for _ in 0..16 {
                frames.send(DATA, 0, stream, &[b'x'; 16_384]).unwrap();
            }
        }
        let stream = frames.request().unwrap();
        frames.answer(stream, b"quick");
        frames.count_requests()
    });
    let egress = egress();
    let uri = format!("http://{address}/");
    let mut unread = Vec::new();
    for _ in 0..SLOW {
        unread.push(send(&egress, &PRIOR, get(&uri)).await.unwrap());
    }
    let quick = send(&egress, &PRIOR, get(&uri)).await.unwrap();
    assert_eq!(text(quick).await, "quick");
    drop((unread, egress));
    assert_eq!(joined(upstream).await, 0);
}

/// Without an answer nobody can tell which version a peer speaks; in the clear HTTP/2 is
/// spoken only where the destination says so.
#[tokio::test]
async fn in_the_clear_nothing_is_guessed() {
    for protocol in [UpstreamProtocol::Auto, UpstreamProtocol::Http1] {
        let (address, upstream) = upstream(|listener| {
            let mut stream = accept(&listener);
            let head = read_head(&mut stream).unwrap();
            answer(&mut stream, "one");
            head
        });
        let destination = Destination { protocol, ..PRIOR };
        let sent = send(&egress(), &destination, get(format!("http://{address}/")))
            .await
            .unwrap();
        assert_eq!(text(sent).await, "one");
        assert!(joined(upstream).await.starts_with("GET / HTTP/1.1\r\n"));
    }
}
