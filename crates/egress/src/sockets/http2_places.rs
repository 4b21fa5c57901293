//! Streams of shared connections: who gets one, who waits, and that waiting sends nothing.

use std::str::FromStr as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::time::Duration;

use caracal_core::ZoneId;
use http::Request;
use http_body_util::BodyExt as _;

use super::http2::{PRIOR, joined};
use super::http2_frames::*;
use super::http2_hostile::Endless;
use super::upstream::*;
use crate::{Body, Destination};

/// `SETTINGS_MAX_CONCURRENT_STREAMS`
const MAX_STREAMS: u16 = 3;
/// The most connections to an origin.
const FULL: usize = 32;
/// Long enough for what must not happen.
const MOMENT: Duration = Duration::from_millis(200);

/// Takes `connections` of one stream each and holds what it is asked there until it is let go;
/// gives how many requests came in all.
fn holding(
    connections: usize,
    seen: tokio::sync::mpsc::UnboundedSender<()>,
) -> (
    std::net::SocketAddr,
    mpsc::Sender<()>,
    std::thread::JoinHandle<usize>,
) {
    let (let_go, held) = mpsc::channel();
    let (address, upstream) = upstream(move |listener| {
        let mut taken: Vec<_> = (0..connections)
            .map(|_| {
                let mut frames = Frames::accept(&listener, &[(MAX_STREAMS, 1)]);
                let stream = frames.request().unwrap();
                seen.send(()).unwrap();
                (frames, stream)
            })
            .collect();
        held.recv().unwrap();
        for (frames, stream) in &mut taken {
            frames.answer(*stream, b"ok");
        }
        let more = taken.iter_mut().map(|(frames, _)| frames.count_requests());
        connections + more.sum::<usize>()
    });
    (address, let_go, upstream)
}

#[tokio::test]
async fn a_request_given_up_while_it_waits_was_never_sent() {
    // One connection and no more to be had, and as many as there may be.
    for connections in [1, FULL] {
        let (seen, mut requests) = tokio::sync::mpsc::unbounded_channel();
        let (address, let_go, upstream) = holding(connections, seen);
        let egress = egress();
        let uri = format!("http://{address}/");
        let mut held = tokio::task::JoinSet::new();
        for _ in 0..connections {
            let (egress, request) = (egress.clone(), get(&uri));
            held.spawn(async move { text(send(&egress, &PRIOR, request).await.unwrap()).await });
            requests.recv().await.unwrap();
        }
        let revoked = tokio::time::timeout(MOMENT, egress.send(&PRIOR, get(&uri)));
        assert!(revoked.await.is_err());
        let_go.send(()).unwrap();
        while let Some(answer) = held.join_next().await {
            assert_eq!(answer.unwrap(), "ok");
        }
        drop(egress);
        assert_eq!(joined(upstream).await, connections);
    }
}

#[tokio::test]
async fn a_request_that_waits_goes_out_when_a_stream_is_free() {
    for by_settings in [false, true] {
        let (seen, mut requests) = tokio::sync::mpsc::unbounded_channel();
        let (let_go, held) = mpsc::channel();
        let (address, upstream) = upstream(move |listener| {
            // Nobody takes another connection.
            let mut frames = Frames::accept(&listener, &[(MAX_STREAMS, 1)]);
            let first = frames.request().unwrap();
            seen.send(()).unwrap();
            held.recv().unwrap();
            if by_settings {
                frames.send(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 2]).unwrap();
                let second = frames.request().unwrap();
                frames.answer(second, b"ok");
                frames.answer(first, b"ok");
            } else {
                frames.answer(first, b"ok");
                let second = frames.request().unwrap();
                frames.answer(second, b"ok");
            }
            frames.count_requests()
        });
        let egress = egress();
        let uri = format!("http://{address}/");
        let ask = || async { text(send(&egress, &PRIOR, get(&uri)).await.unwrap()).await };
        let both = async {
            let mut first = std::pin::pin!(ask());
            tokio::select! {
                _ = &mut first => panic!("answered"),
                _ = requests.recv() => {}
            }
            let mut second = std::pin::pin!(ask());
            assert!(tokio::time::timeout(MOMENT, &mut second).await.is_err());
            let_go.send(()).unwrap();
            tokio::join!(first, second)
        };
        assert_eq!(both.await, ("ok".to_owned(), "ok".to_owned()));
        drop(egress);
        assert_eq!(joined(upstream).await, 0);
    }
}

#[tokio::test]
async fn what_is_given_up_frees_its_stream() {
    let (seen, mut requests) = tokio::sync::mpsc::unbounded_channel();
    let (address, upstream) = upstream(move |listener| {
        let mut frames = Frames::accept(&listener, &[(MAX_STREAMS, 1)]);
        frames.request().unwrap();
        seen.send(()).unwrap();
        let second = frames.request().unwrap();
        frames.answer(second, b"ok");
        frames.count_requests()
    });
    let egress = egress();
    let uri = format!("http://{address}/");
    tokio::select! {
        _ = egress.send(&PRIOR, get(&uri)) => panic!("answered"),
        _ = requests.recv() => {}
    }
    assert_eq!(
        text(send(&egress, &PRIOR, get(&uri)).await.unwrap()).await,
        "ok"
    );
    drop(egress);
    assert_eq!(joined(upstream).await, 0);
}

/// Far more requests than streams, some of which are given up at any moment: whoever stays is
/// served, and nobody waits for a place that is free.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everyone_who_waits_is_served() {
    let (address, _upstream) = upstream(|listener| {
        while let Ok((stream, _)) = listener.accept() {
            std::thread::spawn(move || {
                let mut frames = Frames::over(stream, &[(MAX_STREAMS, 2)])?;
                while let Some(stream) = frames.request() {
                    frames.send(HEADERS, END_HEADERS, stream, STATUS_200).ok()?;
                    frames.send(DATA, END_STREAM, stream, b"ok").ok()?;
                }
                Some(())
            });
        }
    });
    let egress = egress();
    let mut asking = tokio::task::JoinSet::new();
    for n in 0..2000_u64 {
        let (egress, request) = (egress.clone(), get(format!("http://{address}/")));
        asking.spawn(async move {
            if n % 5 == 0 {
                let patience = Duration::from_micros(n);
                let _ = tokio::time::timeout(patience, egress.send(&PRIOR, request)).await;
            } else {
                let answer = send(&egress, &PRIOR, request).await.unwrap();
                assert_eq!(text(answer).await, "ok");
            }
        });
    }
    while let Some(asked) = asking.join_next().await {
        asked.unwrap();
    }
}

#[tokio::test]
async fn zones_share_no_connection() {
    let (address, upstream) = upstream(|listener| {
        let mut ours = Frames::accept(&listener, &[]);
        let stream = ours.request().unwrap();
        ours.answer(stream, b"ours");
        let mut theirs = Frames::accept(&listener, &[]);
        let stream = theirs.request().unwrap();
        theirs.answer(stream, b"theirs");
        let stream = ours.request().unwrap();
        ours.answer(stream, b"ours");
        (ours.count_requests(), theirs.count_requests())
    });
    let egress = egress();
    let zone = |number: u8| Destination {
        zone: ZoneId::from_str(&format!("zone_01900000-0000-7000-8000-00000000000{number}")).ok(),
        ..PRIOR
    };
    assert_ne!(zone(1).zone, None);
    for (number, body) in [(1, "ours"), (2, "theirs"), (1, "ours")] {
        let request = get(format!("http://{address}/"));
        let sent = send(&egress, &zone(number), request).await.unwrap();
        assert_eq!(text(sent).await, body);
    }
    drop(egress);
    assert_eq!(joined(upstream).await, (0, 0));
}

/// What is written to a connection that takes nothing lies in a queue, from which nothing is
/// taken back.
#[tokio::test]
async fn a_connection_that_takes_no_bytes_takes_no_requests() {
    let (done, ended) = mpsc::channel::<()>();
    let (address, _upstream) = upstream(move |listener| {
        let mut stuck = Frames::accept(&listener, &[(4, 0x7fff_ffff)]);
        let more = 0x7fff_0000_u32.to_be_bytes();
        stuck.send(WINDOW_UPDATE, 0, 0, &more).unwrap();
        stuck.request().unwrap();
        let mut other = Frames::accept(&listener, &[]);
        let stream = other.request().unwrap();
        other.answer(stream, b"ok");
        let _ = ended.recv();
    });
    let taken = Arc::default();
    let body: Body = Endless(Arc::clone(&taken)).boxed_unsync();
    let uri = format!("http://{address}/");
    let egress = egress();
    let endless = Request::post(&uri).body(body).unwrap();
    let mut endless = std::pin::pin!(egress.send(&PRIOR, endless));
    // Until nothing more is taken.
    let mut before = 0;
    loop {
        assert!(tokio::time::timeout(MOMENT, &mut endless).await.is_err());
        let now = taken.load(Ordering::Relaxed);
        if now > 0 && now == before {
            break;
        }
        before = now;
    }
    let sent = send(&egress, &PRIOR, get(&uri)).await.unwrap();
    assert_eq!(text(sent).await, "ok");
    drop(done);
}
