//! Upstreams and requests for the tests.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Empty, Full};

use crate::{Answer, Body, Destination, Egress, EgressError, EgressRules};

pub(super) const PRIVATE: Destination<'static> = Destination {
    zone: None,
    allow_private: true,
    ca_pem: None,
    protocol: caracal_core::UpstreamProtocol::Auto,
};

/// Nothing in these tests takes this long unless it hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// An upstream on loopback that does what `act` says; joining gives what it returns.
pub(super) fn upstream<T: Send + 'static>(
    act: impl FnOnce(TcpListener) -> T + Send + 'static,
) -> (SocketAddr, JoinHandle<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (address, std::thread::spawn(move || act(listener)))
}

pub(super) fn accept(listener: &TcpListener) -> TcpStream {
    let (stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Reads up to and including the next blank line; `None` at the end of the stream.
pub(super) fn read_head(stream: &mut impl Read) -> Option<String> {
    read_until(stream, b"\r\n\r\n")
}

pub(super) fn read_until(stream: &mut impl Read, end: &[u8]) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(end) {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return None,
        }
    }
    Some(String::from_utf8(head).unwrap())
}

pub(super) fn answer(stream: &mut impl Write, body: &str) {
    let length = body.len();
    let text = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}");
    stream.write_all(text.as_bytes()).unwrap();
}

/// A way out that allows loopback.
pub(super) fn egress() -> Egress {
    Egress::new(EgressRules {
        allow_private: true,
        forbidden: Vec::new(),
    })
    .unwrap()
}

pub(super) fn get(uri: impl AsRef<str>) -> Request<Body> {
    let body = Empty::new().map_err(|never| match never {}).boxed_unsync();
    Request::get(uri.as_ref()).body(body).unwrap()
}

pub(super) fn post(uri: impl AsRef<str>, text: &'static str) -> Request<Body> {
    let body = Full::new(Bytes::from_static(text.as_bytes()));
    Request::post(uri.as_ref())
        .body(body.map_err(|never| match never {}).boxed_unsync())
        .unwrap()
}

pub(super) async fn send(
    egress: &Egress,
    destination: &Destination<'_>,
    request: Request<Body>,
) -> Result<Response<Answer>, EgressError> {
    tokio::time::timeout(PATIENCE, egress.send(destination, request))
        .await
        .unwrap()
}

pub(super) async fn text(answer: Response<Answer>) -> String {
    let body = tokio::time::timeout(PATIENCE, answer.into_body().collect())
        .await
        .unwrap();
    String::from_utf8(body.unwrap().to_bytes().to_vec()).unwrap()
}
