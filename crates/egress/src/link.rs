//! One open connection.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::MaybeHttpsStream;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::Instant;

/// How long a connection that many requests share takes new ones. After that the name is
/// resolved and its addresses are checked again.
const MAX_SHARED_AGE: Duration = Duration::from_secs(600);

type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;

/// A connection to a checked address, counted while it is open.
pub(crate) struct Link {
    stream: Stream,
    opened: Opened,
    open: metrics::Gauge,
}

/// When a connection was opened; in the extensions of the answers that came over it.
#[derive(Clone, Copy)]
pub(crate) struct Opened {
    at: Instant,
}

impl Opened {
    pub(crate) fn is_old(self) -> bool {
        self.at.elapsed() > MAX_SHARED_AGE
    }
}

impl Link {
    pub(crate) fn new(stream: Stream, is_http2: bool) -> Self {
        let protocol = if is_http2 { "http2" } else { "http1" };
        let open = metrics::gauge!("caracal_egress_connections", "protocol" => protocol);
        open.increment(1);
        metrics::counter!("caracal_egress_connections_opened_total", "protocol" => protocol)
            .increment(1);
        Self {
            stream,
            opened: Opened { at: Instant::now() },
            open,
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.open.decrement(1);
    }
}

impl Connection for Link {
    fn connected(&self) -> Connected {
        self.stream.connected().extra(self.opened)
    }
}

impl Read for Link {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl Write for Link {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }
}
