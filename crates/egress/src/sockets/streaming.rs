//! Bodies pass chunk by chunk, both ways at once.

use std::io::{Read as _, Write as _};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body::{Body as HttpBody, Frame};
use http_body_util::BodyExt as _;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc;

use super::upstream::*;
use crate::{Body, EgressError};

type Chunk = Result<Bytes, Box<dyn std::error::Error + Send + Sync>>;

/// A body fed by a channel.
struct Fed(mpsc::Receiver<Chunk>);

impl HttpBody for Fed {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.0
            .poll_recv(cx)
            .map(|chunk| chunk.map(|chunk| chunk.map(Frame::data)))
    }
}

fn fed(uri: String) -> (mpsc::Sender<Chunk>, Request<Body>) {
    let (feed, chunks) = mpsc::channel(1);
    (
        feed,
        Request::post(uri).body(Fed(chunks).boxed_unsync()).unwrap(),
    )
}

/// Each side sends its next chunk only after it saw the other's last, so a body that is
/// collected anywhere never arrives.
#[tokio::test]
async fn both_bodies_stream() {
    let (address, upstream) = upstream(|listener| {
        let mut stream = accept(&listener);
        let head = read_head(&mut stream).unwrap();
        assert!(head.contains("transfer-encoding: chunked"), "{head}");
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
            .unwrap();
        for (asked, said) in [("one", "1"), ("two", "2"), ("six", "6")] {
            assert_eq!(read_until(&mut stream, b"\r\n").unwrap(), "3\r\n");
            assert_eq!(
                read_until(&mut stream, b"\r\n").unwrap(),
                format!("{asked}\r\n")
            );
            write!(stream, "1\r\n{said}\r\n").unwrap();
        }
        assert_eq!(read_until(&mut stream, b"0\r\n\r\n").unwrap(), "0\r\n\r\n");
        stream.write_all(b"0\r\n\r\n").unwrap();
    });
    let (feed, request) = fed(format!("http://{address}/"));
    let mut answer = send(&egress(), &PRIVATE, request).await.unwrap();
    for (ask, said) in [("one", "1"), ("two", "2"), ("six", "6")] {
        feed.send(Ok(Bytes::from_static(ask.as_bytes())))
            .await
            .unwrap();
        let frame = answer.body_mut().frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), said);
    }
    drop(feed);
    assert!(answer.body_mut().frame().await.is_none());
    upstream.join().unwrap();
}

#[tokio::test]
async fn a_request_body_that_fails_is_no_complete_request() {
    let (address, upstream) = upstream(|listener| {
        let mut stream = accept(&listener);
        read_head(&mut stream).unwrap();
        let mut rest = String::new();
        // Ends with a reset or an end, never with the last chunk.
        drop(stream.read_to_string(&mut rest));
        rest
    });
    let (feed, request) = fed(format!("http://{address}/"));
    feed.send(Ok(Bytes::from_static(b"half"))).await.unwrap();
    let egress = egress();
    let failing = async {
        feed.send(Err("the caller went away".into())).await.unwrap();
    };
    let (sent, ()) = tokio::join!(send(&egress, &PRIVATE, request), failing);
    let error = sent.unwrap_err();
    assert!(
        matches!(error, EgressError::RequestBody { .. }),
        "{error:?}"
    );
    assert!(!error.is_before_write());
    let rest = tokio::task::spawn_blocking(|| upstream.join().unwrap())
        .await
        .unwrap();
    assert!(!rest.ends_with("0\r\n\r\n"), "{rest}");
}

#[tokio::test]
async fn an_answer_cut_short_is_an_error_in_its_body() {
    let (address, upstream) = upstream(|listener| {
        let mut stream = accept(&listener);
        read_head(&mut stream).unwrap();
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")
            .unwrap();
    });
    let answer = send(&egress(), &PRIVATE, get(format!("http://{address}/")))
        .await
        .unwrap();
    upstream.join().unwrap();
    assert!(answer.into_body().collect().await.is_err());
}

#[tokio::test]
async fn connections_can_be_upgraded() {
    let (address, upstream) = upstream(|listener| {
        let mut stream = accept(&listener);
        let head = read_head(&mut stream).unwrap();
        assert!(head.contains("upgrade: echo"), "{head}");
        let switch =
            b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";
        stream.write_all(switch).unwrap();
        let mut word = [0; 4];
        stream.read_exact(&mut word).unwrap();
        stream.write_all(&word).unwrap();
    });
    let mut request = get(format!("http://{address}/"));
    request
        .headers_mut()
        .insert("connection", "upgrade".parse().unwrap());
    request
        .headers_mut()
        .insert("upgrade", "echo".parse().unwrap());
    let answer = send(&egress(), &PRIVATE, request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::SWITCHING_PROTOCOLS);
    let mut stream = TokioIo::new(hyper::upgrade::on(answer).await.unwrap());
    stream.write_all(b"ping").await.unwrap();
    let mut word = [0; 4];
    stream.read_exact(&mut word).await.unwrap();
    assert_eq!(&word, b"ping");
    upstream.join().unwrap();
}
