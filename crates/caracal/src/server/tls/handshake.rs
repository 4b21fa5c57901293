//! The beginning of TLS on a connection.

use std::convert::Infallible;

use bytes::Bytes;
use caracal_connection::{DoorRules, Protocol};
use http::header::{CONNECTION, CONTENT_TYPE};
use http::{HeaderValue, Response};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::{Encrypted, Tls};

/// The first byte of every TLS connection.
const HANDSHAKE: u8 = 0x16;
const PLAIN_REFUSED: &[u8] = br#"{"type":"about:blank","title":"this door speaks TLS","status":400,"code":"tls_required","detail":"a request without TLS came to a door that speaks only TLS","hint":"use `https://`"}"#;

impl Tls {
    /// Ends TLS on a connection, within the time for a head. Whoever speaks HTTP without TLS is
    /// told. None when there is nothing to go on with.
    pub(crate) async fn accept(
        &self,
        stream: TcpStream,
        rules: &DoorRules,
    ) -> Option<(Encrypted, Protocol)> {
        let closing = async {
            rules.stopping.token().cancelled().await;
            tokio::time::sleep(rules.stopping.lame_duck()).await;
        };
        let limit = rules.limits.head_timeout;
        let (outcome, accepted) = tokio::select! {
            shaken = tokio::time::timeout(limit, self.shake(stream)) => {
                shaken.unwrap_or(("timeout", None))
            }
            () = closing => ("closing", None),
        };
        metrics::counter!("caracal_tls_handshakes_total", "door" => rules.door, "outcome" => outcome)
            .increment(1);
        accepted
    }

    async fn shake(&self, stream: TcpStream) -> (&'static str, Option<(Encrypted, Protocol)>) {
        let mut first = [0];
        match stream.peek(&mut first).await {
            Ok(1) => {}
            _ => return ("gone", None),
        }
        if first.contains(&HANDSHAKE) {
            return match self.acceptor.accept(stream).await {
                Ok(stream) => {
                    let protocol = Protocol::of_alpn(stream.get_ref().1.alpn_protocol());
                    ("ok", Some((Encrypted(stream), protocol)))
                }
                Err(error) => {
                    tracing::debug!(%error, "a TLS handshake failed");
                    ("failed", None)
                }
            };
        }
        if first.first().is_some_and(u8::is_ascii_alphabetic) {
            refuse_plain(stream).await;
            return ("plain_http", None);
        }
        ("no_tls", None)
    }
}

/// Answers the first request, whatever it is.
async fn refuse_plain(stream: TcpStream) {
    let service = service_fn(|_| async {
        let mut answer = Response::new(Full::new(Bytes::from_static(PLAIN_REFUSED)));
        *answer.status_mut() = http::StatusCode::BAD_REQUEST;
        let json = HeaderValue::from_static("application/problem+json");
        answer.headers_mut().insert(CONTENT_TYPE, json);
        let close = HeaderValue::from_static("close");
        answer.headers_mut().insert(CONNECTION, close);
        Ok::<_, Infallible>(answer)
    });
    let answering = http1::Builder::new()
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    // A client that does not listen is told nothing.
    let _ = answering.await;
}
