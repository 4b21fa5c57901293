//! HTTP/2 on either side, and on both.
#![expect(
    clippy::disallowed_methods,
    reason = "the test plays a peer, and ends with it"
)]

use std::time::Duration;

use bytes::Bytes;
use h2::{Reason, RecvStream, SendStream, client, server};
use http::{HeaderMap, Request, Response, StatusCode};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::world::World;

const LIMIT: Duration = Duration::from_secs(10);

async fn within<T>(work: impl Future<Output = T>) -> T {
    timeout(LIMIT, work).await.expect("nothing came")
}

/// A client of the Gateway.
async fn connect(world: &World) -> client::SendRequest<Bytes> {
    let stream = TcpStream::connect(world.gateway).await.unwrap();
    let (client, connection) = client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    client.ready().await.unwrap()
}

fn request(mandate: &str, path: &str) -> Request<()> {
    Request::post(format!("http://g{path}"))
        .header("authorization", format!("Bearer {mandate}"))
        .body(())
        .unwrap()
}

fn grpc(mandate: &str, path: &str) -> Request<()> {
    let mut request = request(mandate, path);
    let headers = request.headers_mut();
    headers.insert("content-type", "application/grpc".parse().unwrap());
    headers.insert("te", "trailers".parse().unwrap());
    request
}

/// An upstream's side of a connection.
async fn accept(world: &World) -> server::Connection<TcpStream, Bytes> {
    let (stream, _) = within(world.upstream.accept()).await.unwrap();
    within(server::handshake(stream)).await.unwrap()
}

/// The next request, with what is needed to answer it; the connection goes on by itself.
async fn next(
    mut connection: server::Connection<TcpStream, Bytes>,
) -> (Request<RecvStream>, server::SendResponse<Bytes>) {
    let taken = within(connection.accept()).await.unwrap().unwrap();
    tokio::spawn(async move { while connection.accept().await.is_some() {} });
    taken
}

async fn read(body: &mut RecvStream) -> Result<String, h2::Error> {
    let mut text = Vec::new();
    while let Some(data) = within(body.data()).await {
        let data = data?;
        body.flow_control().release_capacity(data.len()).unwrap();
        text.extend(data);
    }
    Ok(String::from_utf8(text).unwrap())
}

fn answer(content_type: &str) -> Response<()> {
    Response::builder()
        .header("content-type", content_type)
        .body(())
        .unwrap()
}

fn trailers(fields: &[(&'static str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in fields {
        map.append(*name, value.parse().unwrap());
    }
    map
}

/// Opens a stream of answers from end to end and returns both ends of it.
async fn open(
    world: &World,
    mandate: &str,
    content_type: &str,
) -> (Response<RecvStream>, SendStream<Bytes>, SendStream<Bytes>) {
    let mut client = connect(world).await;
    let (answering, upload) = client
        .send_request(grpc(mandate, "/v1/pkg.Service/Method"), false)
        .unwrap();
    let (_, mut respond) = next(accept(world).await).await;
    let mut sending = respond.send_response(answer(content_type), false).unwrap();
    sending
        .send_data(Bytes::from_static(b"one"), false)
        .unwrap();
    let mut got = within(answering).await.unwrap();
    assert_eq!(got.status(), StatusCode::OK);
    let first = within(got.body_mut().data()).await.unwrap().unwrap();
    assert_eq!(first, "one");
    (got, sending, upload)
}

#[tokio::test]
async fn a_client_of_http2_reaches_an_upstream_of_http1() {
    let world = World::start().await;
    let mandate = world.mandate(&["api"]).await;
    let mut client = connect(&world).await;
    let (answering, mut upload) = client
        .send_request(request(&mandate, "/v1/m?a=b"), false)
        .unwrap();
    upload.send_data(Bytes::from_static(b"abc"), false).unwrap();
    let mut upstream = world.accept().await;
    let head = upstream.head().await;
    assert_eq!(head.first, "POST /v1/m?a=b HTTP/1.1");
    let address = world.upstream.local_addr().unwrap().to_string();
    assert_eq!(head.get("host"), Some(&*address));
    assert_eq!(head.get("transfer-encoding"), Some("chunked"));
    assert_eq!(head.get("authorization"), Some("Bearer upstream-s3cret"));
    assert_eq!((head.get("te"), head.get("content-length")), (None, None));
    upstream.expect("3\r\nabc\r\n").await;
    upload.send_trailers(trailers(&[("x-after", "1")])).unwrap();
    // Over HTTP/1.1 there are none.
    upstream.expect("0\r\n\r\n").await;
    upstream
        .send(
            "HTTP/1.1 200 OK\r\nConnection: X-Own\r\nX-Own: 1\r\nKeep-Alive: 1\r\n\
             Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 7\r\nSet-Cookie: a=b\r\n\r\n",
        )
        .await;
    let mut got = within(answering).await.unwrap();
    for gone in ["connection", "x-own", "keep-alive", "transfer-encoding"] {
        assert_eq!(got.headers().get(gone), None, "{gone}");
    }
    assert_eq!(read(got.body_mut()).await.unwrap(), "ok");
    let after = within(got.body_mut().trailers()).await.unwrap().unwrap();
    assert_eq!(after, trailers(&[("x-sum", "7")]));
    let id = got.headers()["caracal-request-id"].to_str().unwrap();
    assert_eq!(world.finished(id).await, (Some(200), None));
}

#[tokio::test]
async fn a_client_of_http1_reaches_an_upstream_of_http2() {
    let world = World::start().await;
    let mandate = world.mandate(&["rpc"]).await;
    let mut client = world.client().await;
    client
        .send(format!(
            "POST /v1/m HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer {mandate}\r\nTE: trailers\r\n\
             Connection: TE\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nX-After: 1\r\n\r\n"
        ))
        .await;
    let (mut seen, mut respond) = next(accept(&world).await).await;
    let address = world.upstream.local_addr().unwrap().to_string();
    assert_eq!(seen.uri().to_string(), format!("http://{address}/v1/m"));
    for gone in ["te", "connection", "transfer-encoding", "host"] {
        assert_eq!(seen.headers().get(gone), None, "{gone}");
    }
    assert_eq!(read(seen.body_mut()).await.unwrap(), "ab");
    assert_eq!(within(seen.body_mut().trailers()).await.unwrap(), None);
    let mut sending = respond.send_response(answer("text/plain"), false).unwrap();
    sending.send_data(Bytes::from_static(b"ok"), false).unwrap();
    sending.send_trailers(trailers(&[("x-sum", "7")])).unwrap();
    let head = client.head().await;
    assert_eq!(head.first, "HTTP/1.1 200 OK");
    client.expect("2\r\nok\r\n0\r\n\r\n").await;
}

#[tokio::test]
async fn a_call_of_grpc_passes_from_end_to_end() {
    let world = World::start().await;
    let mandate = world.mandate(&["rpc"]).await;
    let mut client = connect(&world).await;
    let (answering, mut upload) = client
        .send_request(grpc(&mandate, "/v1/pkg.Service/Method"), false)
        .unwrap();
    let (mut seen, mut respond) = next(accept(&world).await).await;
    assert_eq!(seen.headers()["te"], "trailers");
    assert_eq!(seen.headers()["content-type"], "application/grpc");
    let mut sending = respond
        .send_response(answer("application/grpc"), false)
        .unwrap();
    // Both sides speak in turns.
    let mut got = within(answering).await.unwrap();
    for (ask, say) in [("a", "A"), ("b", "B")] {
        upload.send_data(Bytes::from(ask), false).unwrap();
        assert_eq!(within(seen.body_mut().data()).await.unwrap().unwrap(), ask);
        sending.send_data(Bytes::from(say), false).unwrap();
        assert_eq!(within(got.body_mut().data()).await.unwrap().unwrap(), say);
    }
    let spoken = [("x-after", "1"), ("x-caracal-resource", "x"), ("host", "x")];
    upload.send_trailers(trailers(&spoken)).unwrap();
    assert!(within(seen.body_mut().data()).await.is_none());
    let after = within(seen.body_mut().trailers()).await.unwrap().unwrap();
    assert_eq!(after, trailers(&[("x-after", "1")]));
    let end = [
        ("grpc-status", "0"),
        ("caracal-receipt", "x"),
        ("set-cookie", "a"),
    ];
    sending.send_trailers(trailers(&end)).unwrap();
    assert!(within(got.body_mut().data()).await.is_none());
    let after = within(got.body_mut().trailers()).await.unwrap().unwrap();
    assert_eq!(after, trailers(&[("grpc-status", "0")]));
    let id = got.headers()["caracal-request-id"].to_str().unwrap();
    assert_eq!(world.finished(id).await, (Some(200), None));
}

#[tokio::test]
async fn a_revocation_ends_grpc_as_unauthenticated_and_the_rest_as_a_reset() {
    for (content_type, told) in [("application/grpc", true), ("text/event-stream", false)] {
        let world = World::start().await;
        let mandate = world.mandate(&["rpc"]).await;
        let (mut got, mut sending, _upload) = open(&world, &mandate, content_type).await;
        assert_eq!(world.revoke(&mandate).await, 1);
        let end = within(got.body_mut().data()).await;
        if told {
            assert!(end.is_none(), "{end:?}");
            let after = within(got.body_mut().trailers()).await.unwrap().unwrap();
            assert_eq!(after["grpc-status"], "16");
        } else {
            let error = end.unwrap().unwrap_err();
            assert!(
                error.is_reset() && error.reason() != Some(Reason::NO_ERROR),
                "{error:?}"
            );
        }
        // The upstream is not left in the belief that it is still heard.
        let reset = within(std::future::poll_fn(|cx| sending.poll_reset(cx))).await;
        assert!(reset.is_ok(), "{reset:?}");
        let id = got.headers()["caracal-request-id"].to_str().unwrap();
        let ended = (Some(200), Some("mandate_revoked".to_owned()));
        assert_eq!(world.finished(id).await, ended);
    }
}

#[tokio::test]
async fn a_revocation_cuts_a_stream_of_http2_whose_client_does_not_read() {
    let world = World::start().await;
    let mandate = world.mandate(&["rpc"]).await;
    let (got, mut sending, mut upload) = open(&world, &mandate, "application/grpc").await;
    // More than all windows on the way hold.
    let flood = async {
        loop {
            sending.reserve_capacity(16_384);
            let room = std::future::poll_fn(|cx| sending.poll_capacity(cx)).await;
            let Some(Ok(room)) = room else { return };
            sending
                .send_data(Bytes::from(vec![b'x'; room]), false)
                .unwrap();
        }
    };
    let _ = timeout(Duration::from_millis(500), flood).await;
    assert_eq!(world.revoke(&mandate).await, 1);
    let id = got.headers()["caracal-request-id"].to_str().unwrap();
    let ended = (Some(200), Some("mandate_revoked".to_owned()));
    assert_eq!(world.finished(id).await, ended);
    world.wait_for_calls(0).await;
    // Nothing goes on in either direction, although the client has not ended its request.
    let reset = within(std::future::poll_fn(|cx| sending.poll_reset(cx))).await;
    assert!(reset.is_ok(), "{reset:?}");
    let reset = within(std::future::poll_fn(|cx| upload.poll_reset(cx))).await;
    assert!(reset.is_ok(), "{reset:?}");
}

#[tokio::test]
async fn a_revocation_ends_an_upload_of_http2_after_its_answer() {
    let world = World::start().await;
    let mandate = world.mandate(&["rpc"]).await;
    let mut client = connect(&world).await;
    let (answering, mut upload) = client
        .send_request(grpc(&mandate, "/v1/pkg.Service/Method"), false)
        .unwrap();
    let (mut taken, mut respond) = next(accept(&world).await).await;
    respond.send_response(answer("text/plain"), true).unwrap();
    let got = within(answering).await.unwrap();
    upload
        .send_data(Bytes::from_static(b"late"), false)
        .unwrap();
    let late = within(taken.body_mut().data()).await.unwrap().unwrap();
    assert_eq!(late, "late");
    let began = std::time::Instant::now();
    assert_eq!(world.revoke(&mandate).await, 1);
    let cut = within(taken.body_mut().data()).await.unwrap();
    assert!(cut.unwrap_err().is_reset());
    assert!(began.elapsed() < Duration::from_secs(3), "not at once");
    let id = got.headers()["caracal-request-id"].to_str().unwrap();
    let ended = (Some(200), Some("mandate_revoked".to_owned()));
    assert_eq!(world.finished(id).await, ended);
}

/// A call that waits for a stream of its upstream.
#[tokio::test]
async fn a_call_revoked_while_it_waits_for_a_stream_never_reaches_the_upstream() {
    let world = World::start().await;
    let held = world.mandate(&["rpc"]).await;
    let mut client = connect(&world).await;
    let path = "/v1/pkg.Service/Method";
    let (first, _upload) = client.send_request(grpc(&held, path), false).unwrap();
    let (stream, _) = within(world.upstream.accept()).await.unwrap();
    let mut server = server::Builder::new();
    let mut upstream: server::Connection<TcpStream, Bytes> =
        within(server.max_concurrent_streams(1).handshake(stream))
            .await
            .unwrap();
    let (_, mut respond) = within(upstream.accept()).await.unwrap().unwrap();
    // The settings are taken note of before the next call comes.
    let mut ping = upstream.ping_pong().unwrap();
    tokio::select! {
        pong = ping.ping(h2::Ping::opaque()) => drop(pong.unwrap()),
        more = upstream.accept() => panic!("{more:?}"),
    }
    let revoked = world.mandate(&["rpc"]).await;
    let (waiting, _upload) = client.send_request(grpc(&revoked, path), true).unwrap();
    world.wait_for_calls(2).await;
    assert_eq!(world.revoke(&revoked).await, 1);
    let refused = within(waiting).await.unwrap();
    assert_eq!(refused.headers()["caracal-refusal-code"], "mandate_revoked");
    respond.send_response(answer("text/plain"), true).unwrap();
    let (marker, _upload) = client
        .send_request(grpc(&held, "/v1/marker"), true)
        .unwrap();
    let (next, mut respond) = within(upstream.accept()).await.unwrap().unwrap();
    assert_eq!(next.uri().path(), "/v1/marker", "the revoked call went out");
    respond.send_response(answer("text/plain"), true).unwrap();
    tokio::spawn(async move { while upstream.accept().await.is_some() {} });
    assert_eq!(within(first).await.unwrap().status(), StatusCode::OK);
    assert_eq!(within(marker).await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_a_reset() {
    let world = World::start().await;
    let mandate = world.mandate(&["rpc"]).await;
    let (mut got, mut sending, _upload) = open(&world, &mandate, "text/plain").await;
    sending.send_reset(Reason::INTERNAL_ERROR);
    let end = within(got.body_mut().data()).await;
    assert!(end.unwrap().unwrap_err().is_reset());
    let id = got.headers()["caracal-request-id"].to_str().unwrap();
    let ended = (Some(200), Some("upstream_broke".to_owned()));
    assert_eq!(world.finished(id).await, ended);
}

#[tokio::test]
async fn a_client_that_takes_its_stream_back_ends_the_call_and_no_other() {
    let world = World::start().await;
    let mandate = world.mandate(&["rpc"]).await;
    let mut client = connect(&world).await;
    let path = "/v1/pkg.Service/Method";
    let (gone, mut upload) = client.send_request(grpc(&mandate, path), false).unwrap();
    let (stays, mut other) = client.send_request(grpc(&mandate, path), false).unwrap();
    let mut upstream = accept(&world).await;
    let mut both = Vec::new();
    for _ in 0..2 {
        both.push(within(upstream.accept()).await.unwrap().unwrap());
    }
    tokio::spawn(async move { while upstream.accept().await.is_some() {} });
    upload.send_reset(Reason::CANCEL);
    drop(gone);
    world.wait_for_calls(1).await;
    other.send_data(Bytes::new(), true).unwrap();
    for (_, respond) in &mut both {
        let _ = respond.send_response(answer("application/grpc"), true);
    }
    assert_eq!(within(stays).await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn refusals_are_in_the_words_that_the_client_understands() {
    let world = World::start().await;
    let mandate = world.mandate(&["rpc"]).await;
    let mut client = connect(&world).await;
    let table = [
        (grpc("nonsense", "/v1/m"), "16", "mandate_invalid"),
        (grpc(&mandate, "/v2/m"), "7", "operation_not_declared"),
        (grpc(&mandate, "/v1//m"), "3", "path_invalid"),
    ];
    for (request, status, code) in table {
        // The call goes on while it is refused: nobody waits for its body.
        let (answering, _upload) = client.send_request(request, false).unwrap();
        let got = within(answering).await.unwrap();
        assert_eq!(got.status(), StatusCode::OK);
        let headers = got.headers();
        assert_eq!(headers["content-type"], "application/grpc");
        assert_eq!(headers["grpc-status"], status, "{code}");
        assert_eq!(headers["caracal-refusal"], "1");
        assert_eq!(headers["caracal-refusal-code"], code);
        let message = headers["grpc-message"].to_str().unwrap();
        assert!(message.starts_with(&format!("{code}: ")), "{message}");
        assert!(got.body().is_end_stream());
    }
    let (answering, _upload) = client
        .send_request(request("nonsense", "/v1/m"), false)
        .unwrap();
    let mut got = within(answering).await.unwrap();
    assert_eq!(got.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(got.headers()["content-type"], "application/problem+json");
    assert_eq!(got.headers().get("connection"), None);
    let body = read(got.body_mut()).await.unwrap();
    assert!(body.contains("mandate_invalid"), "{body}");
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused_over_http2_too() {
    let world = World::start().await;
    let mandate = world.mandate(&["strict"]).await;
    let mut client = connect(&world).await;
    let mut declared = request(&mandate, "/v1/m");
    declared
        .headers_mut()
        .insert("content-length", "11".parse().unwrap());
    let (answering, _upload) = client.send_request(declared, false).unwrap();
    assert_eq!(within(answering).await.unwrap().status(), 413);
    assert!(world.is_left_alone().await);

    let (answering, mut upload) = client
        .send_request(request(&mandate, "/v1/m"), false)
        .unwrap();
    upload
        .send_data(Bytes::from_static(b"hello "), false)
        .unwrap();
    let mut upstream = world.accept().await;
    upstream.head().await;
    upstream.expect("6\r\nhello \r\n").await;
    upload
        .send_data(Bytes::from_static(b"world"), false)
        .unwrap();
    let got = within(answering).await.unwrap();
    assert_eq!(got.status(), 413);
    assert_eq!(
        upstream.rest().await,
        "",
        "the upstream saw a complete body"
    );
}
