//! Large bodies pass through and stay nowhere, also when whoever reads them stops.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use axum::body::{Body, Bytes};
use http::{Method, Request, Response, Version};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpSocket;

use crate::harness::{Authority, LargeBody, Memory, Progress, READERS_BUFFER, Reader, Stack, dial};

const MIB: u64 = 1024 * 1024;
/// What the server may take more than before, whatever passes through it.
const GROWTH: u64 = 32 * MIB;
/// What may be between sender and reader when the reader stops. Nearly all of it is the kernel's:
/// at the server's own end it lets a connection take up to 32 MiB in and 4 MiB out.
const BETWEEN: u64 = 48 * MIB;

fn length() -> u64 {
    match std::env::var_os("CARACAL_TEST_LONG") {
        Some(_) => 1024 * MIB,
        None => 64 * MIB,
    }
}

/// Reads a body to its end. Early, and halfway, it stops until the sender cannot go on.
async fn read_slowly(mut body: Incoming, sent: &Progress) -> u64 {
    let mut reader = Reader::default();
    let mut stops = [length() / 2, MIB].to_vec();
    while let Some(frame) = body.frame().await {
        reader.take(&frame.unwrap().into_data().unwrap());
        if stops.last().is_some_and(|stop| reader.bytes() >= *stop) {
            stops.pop();
            let between = sent.standstill().await - reader.bytes();
            assert!(between < BETWEEN, "{between} bytes wait somewhere");
        }
    }
    assert!(stops.is_empty(), "it was shorter than wanted");
    reader.bytes()
}

/// An upstream that sends and takes large bodies over either version of HTTP.
struct LargeUpstream {
    url: String,
    /// How far the body that is under way was sent, whichever way it goes.
    sent: Arc<Mutex<Progress>>,
    seen: Arc<Mutex<Option<Version>>>,
}

impl LargeUpstream {
    async fn start() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(READERS_BUFFER).unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(16).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let sent = Arc::new(Mutex::new(Progress::default()));
        let seen = Arc::new(Mutex::new(None));
        let (shared, version) = (Arc::clone(&sent), Arc::clone(&seen));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (shared, version) = (Arc::clone(&shared), Arc::clone(&version));
                let service = service_fn(move |request: Request<Incoming>| {
                    *version.lock().unwrap() = Some(request.version());
                    let sent = shared.lock().unwrap().clone();
                    async move {
                        Ok::<_, Infallible>(Response::new(match *request.method() {
                            Method::GET => Body::new(LargeBody::new(length(), &sent)),
                            _ => Body::from(
                                read_slowly(request.into_body(), &sent).await.to_string(),
                            ),
                        }))
                    }
                });
                tokio::spawn(async move {
                    let builder = auto::Builder::new(TokioExecutor::new());
                    // A connection that is given up is no fault here.
                    let _ = builder
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self { url, sent, seen }
    }

    /// How far the next body has come.
    fn next(&self) -> Progress {
        let progress = Progress::default();
        *self.sent.lock().unwrap() = progress.clone();
        progress
    }
}

async fn send(
    url: &str,
    version: Version,
    authority: Option<&Authority>,
    request: Request<Body>,
) -> Response<Incoming> {
    let stream = TokioIo::new(dial(url, version, authority).await);
    let answer = if version == Version::HTTP_2 {
        let handshake = http2::handshake(TokioExecutor::new(), stream).await;
        let (mut client, connection) = handshake.unwrap();
        tokio::spawn(connection);
        client.send_request(request).await
    } else {
        let (mut client, connection) = http1::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        client.send_request(request).await
    };
    answer.unwrap()
}

struct Case<'c> {
    stack: &'c Stack,
    upstream: &'c LargeUpstream,
    authority: Option<&'c Authority>,
    mandate: &'c str,
}

impl Case<'_> {
    fn request(
        &self,
        method: Method,
        version: Version,
        resource: &str,
        body: Body,
    ) -> Request<Body> {
        let path = format!("/r/{resource}/body");
        let request = Request::builder()
            .method(method)
            .version(version)
            .header("authorization", format!("Bearer {}", self.mandate));
        let request = match version {
            Version::HTTP_2 => request.uri(format!("{}{path}", self.stack.gateway)),
            _ => request.uri(path).header("host", "localhost"),
        };
        request.body(body).unwrap()
    }

    /// Lets a body pass down and another up, holds the server to its memory, and tells figures.
    async fn pass(&self, version: Version, resource: &str, upstream_version: Version) -> String {
        let gateway = &self.stack.gateway;
        let mut told = format!("client {version:?}, upstream {upstream_version:?}");
        for direction in ["down", "up"] {
            let sent = self.upstream.next();
            let memory = Memory::watch(self.stack.pid());
            let begun = std::time::Instant::now();
            if direction == "down" {
                let request = self.request(Method::GET, version, resource, Body::empty());
                let answer = send(gateway, version, self.authority, request).await;
                assert_eq!(answer.status(), 200);
                assert_eq!(read_slowly(answer.into_body(), &sent).await, length());
            } else {
                let body = Body::new(LargeBody::new(length(), &sent));
                let request = self.request(Method::POST, version, resource, body);
                let answer = send(gateway, version, self.authority, request).await;
                assert_eq!(answer.status(), 200);
                let read = answer.into_body().collect().await.unwrap().to_bytes();
                assert_eq!(read, Bytes::from(length().to_string()));
            }
            assert_eq!(*self.upstream.seen.lock().unwrap(), Some(upstream_version));
            let growth = memory.highest_growth();
            told += &format!(
                "; {} MiB {direction} in {:?}, {} KiB more",
                length() / MIB,
                begun.elapsed(),
                growth / 1024
            );
            assert!(growth < GROWTH, "{growth} bytes more in memory");
        }
        told
    }
}

fn zone_file(upstream: &LargeUpstream) -> String {
    let resource = |name: &str, protocol: &str| {
        format!(
            r#"
  - name: {name}
    upstream: {}
    upstream_protocol: {protocol}
    allow_private: true
    scopes: [{name}:use]
    operations:
      - {{ method: GET, path: "/**", scope: {name}:use }}
      - {{ method: POST, path: "/**", scope: {name}:use }}"#,
            upstream.url
        )
    };
    format!(
        "zone: large\napplications: [{{ name: anton }}]\npolicies: [{{ name: all, cedar: 'permit (principal, action, \
         resource);' }}]\nresources:{}{}\n",
        resource("one", "http1"),
        resource("two", "http2")
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn large_bodies_stay_nowhere() {
    let upstream = LargeUpstream::start().await;
    let stack = Stack::start();
    let applied = stack.apply(&zone_file(&upstream));
    let client = stack.client(&applied, "anton");
    for (resource, upstream_version) in [("one", Version::HTTP_11), ("two", Version::HTTP_2)] {
        let mandate = client.mint(&format!("resource://{resource}"), "").await;
        let case = Case {
            stack: &stack,
            upstream: &upstream,
            authority: None,
            mandate: &mandate,
        };
        for version in [Version::HTTP_11, Version::HTTP_2] {
            println!("{}", case.pass(version, resource, upstream_version).await);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn large_bodies_stay_nowhere_under_tls() {
    let upstream = LargeUpstream::start().await;
    let mut stack = Stack::new();
    let authority = Authority::serve(&mut stack);
    stack.up();
    let applied = stack.apply(&zone_file(&upstream));
    let client = stack.client(&applied, "anton").trusting(&authority);
    let mandate = client.mint("resource://one", "").await;
    let case = Case {
        stack: &stack,
        upstream: &upstream,
        authority: Some(&authority),
        mandate: &mandate,
    };
    for version in [Version::HTTP_11, Version::HTTP_2] {
        println!("TLS: {}", case.pass(version, "one", Version::HTTP_11).await);
    }
}
