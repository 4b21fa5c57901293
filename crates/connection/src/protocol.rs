//! Which version of HTTP a client speaks.

use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use crate::DoorRules;

/// The first bytes of HTTP/2; no request of HTTP/1 begins like that.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// How long to wait for the rest of a preface that came in pieces.
const PIECE: Duration = Duration::from_millis(5);

/// A version of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// HTTP/1.0 and HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
}

impl Protocol {
    /// What the client's first bytes say, without taking them: HTTP/2 begins with a preface. While
    /// nothing comes, nothing is held for the connection. None when the client goes, sends
    /// nothing for the time of an idle connection, or the door closes.
    pub async fn find(stream: &TcpStream, rules: &DoorRules) -> Option<Self> {
        let closing = async {
            rules.stopping.token().cancelled().await;
            sleep(rules.stopping.lame_duck()).await;
        };
        let limit = rules.limits.idle_timeout;
        tokio::select! {
            biased;
            found = timeout(limit, look(stream, rules.limits.head_timeout)) => found.ok()?,
            () = closing => None,
        }
    }

    /// What TLS agreed on. Without an agreement it is HTTP/1.
    pub fn of_alpn(agreed: Option<&[u8]>) -> Self {
        match agreed {
            Some(b"h2") => Self::Http2,
            _ => Self::Http1,
        }
    }
}

async fn look(stream: &TcpStream, head_timeout: Duration) -> Option<Protocol> {
    let mut seen = [0; PREFACE.len()];
    let mut began = None;
    loop {
        let length = stream.peek(&mut seen).await.ok()?;
        let seen = seen.get(..length)?;
        if seen.is_empty() {
            return None;
        }
        if !PREFACE.starts_with(seen) {
            return Some(Protocol::Http1);
        }
        if length == PREFACE.len() {
            return Some(Protocol::Http2);
        }
        let began = began.get_or_insert_with(Instant::now);
        if began.elapsed() > head_timeout {
            return None;
        }
        sleep(PIECE).await;
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    use super::*;
    use crate::{Limits, Stopping, TrustedProxies};

    async fn found(pieces: &[&[u8]]) -> Option<Protocol> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        client.set_nodelay(true).unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let mut rules = DoorRules {
            door: "test",
            limits: Limits::default(),
            proxies: TrustedProxies::default(),
            stopping: Stopping::default(),
        };
        rules.limits.head_timeout = Duration::from_millis(100);
        let sending = async {
            for piece in pieces {
                client.write_all(piece).await.unwrap();
                sleep(Duration::from_millis(10)).await;
            }
            client
        };
        let (found, _client) = tokio::join!(Protocol::find(&stream, &rules), sending);
        found
    }

    #[tokio::test]
    async fn the_first_bytes_tell_the_version() {
        assert_eq!(found(&[b"GET / HTTP/1.1\r\n"]).await, Some(Protocol::Http1));
        assert_eq!(found(&[b"P", b"OST / HTTP"]).await, Some(Protocol::Http1));
        assert_eq!(
            found(&[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nx"]).await,
            Some(Protocol::Http2)
        );
        assert_eq!(
            found(&[b"PRI * HTTP/2.0", b"\r\n\r\nSM\r\n\r\n"]).await,
            Some(Protocol::Http2)
        );
        // Half a preface is no conversation.
        assert_eq!(found(&[b"PRI * HT"]).await, None);
    }
}
