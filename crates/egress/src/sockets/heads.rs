//! Heads of answers that are too large or no heads at all.

use std::io::Write as _;
use std::net::TcpListener;

use super::upstream::*;
use crate::{EgressError, MAX_ANSWER_HEADERS};

/// Sends `start`, then `piece` up to 100 MB; returns how many bytes went out.
fn flood(listener: TcpListener, start: &str, piece: &[u8]) -> usize {
    let mut stream = accept(&listener);
    read_head(&mut stream).unwrap();
    stream.write_all(start.as_bytes()).unwrap();
    let mut sent = 0;
    while sent < 100_000_000 && stream.write_all(piece).is_ok() {
        sent += piece.len();
    }
    sent
}

#[tokio::test]
async fn endless_heads_are_an_error_and_not_memory() {
    let line = format!("x-a: {}\r\n", "a".repeat(1000)).repeat(60);
    let floods = [
        ("HTTP/1.1 200 OK\r\n", line),
        ("HTTP/1.1 200 OK\r\nx-a: ", "a".repeat(60_000)),
        ("HTTP/1.1 200 ", "a".repeat(60_000)),
    ];
    for (start, piece) in floods {
        let (address, upstream) =
            upstream(move |listener| flood(listener, start, piece.as_bytes()));
        let egress = egress();
        let error = send(&egress, &PRIVATE, get(format!("http://{address}/")))
            .await
            .unwrap_err();
        assert!(
            matches!(error, EgressError::HeadTooLarge { .. }),
            "{start}: {error:?}"
        );
        assert!(!error.is_before_write());
        // What the kernels' buffers took; we took 64 KiB.
        let sent = tokio::task::spawn_blocking(|| upstream.join().unwrap())
            .await
            .unwrap();
        assert!(sent < 50_000_000, "{sent}");
    }
}

#[tokio::test]
async fn the_number_of_headers_is_bounded() {
    for (count, fits) in [(MAX_ANSWER_HEADERS, true), (MAX_ANSWER_HEADERS + 1, false)] {
        let (address, upstream) = upstream(move |listener| {
            let mut stream = accept(&listener);
            read_head(&mut stream).unwrap();
            let more = "x: y\r\n".repeat(count - 1);
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n{more}\r\n");
            stream.write_all(head.as_bytes()).unwrap();
        });
        match send(&egress(), &PRIVATE, get(format!("http://{address}/"))).await {
            Ok(answer) => assert!(fits && answer.headers().len() == count),
            Err(error) => assert!(
                !fits && matches!(error, EgressError::HeadTooLarge { .. }),
                "{error:?}"
            ),
        }
        upstream.join().unwrap();
    }
}

#[tokio::test]
async fn what_is_not_http_is_an_error() {
    for garbage in [
        "SSH-2.0-OpenSSH_9.2\r\n",
        "<html>\r\n\r\n",
        "HTTP/1.1 abc\r\n\r\n",
    ] {
        let (address, upstream) = upstream(move |listener| {
            let mut stream = accept(&listener);
            read_head(&mut stream).unwrap();
            stream.write_all(garbage.as_bytes()).unwrap();
        });
        let error = send(&egress(), &PRIVATE, get(format!("http://{address}/")))
            .await
            .unwrap_err();
        assert!(
            matches!(error, EgressError::Protocol { .. }),
            "{garbage}: {error:?}"
        );
        assert!(!error.is_before_write());
        upstream.join().unwrap();
    }
}
