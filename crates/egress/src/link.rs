//! One open connection.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::MaybeHttpsStream;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpInfo};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;

/// A connection to a checked address, counted while it is open.
pub(crate) struct Link {
    stream: Stream,
    stalled: Stalled,
    open: metrics::Gauge,
}

/// True while the kernel takes no more bytes for a connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stalled(Arc<AtomicBool>);

impl Stalled {
    pub(crate) fn get(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    fn note<T>(&self, written: &Poll<T>) {
        self.0.store(written.is_pending(), Ordering::Release);
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
            stalled: Stalled::default(),
            open,
        }
    }

    /// The address it leads to.
    pub(crate) fn remote(&self) -> Option<SocketAddr> {
        let mut extras = http::Extensions::new();
        self.connected().get_extras(&mut extras);
        extras.get().map(HttpInfo::remote_addr)
    }

    pub(crate) fn stalled(&self) -> Stalled {
        self.stalled.clone()
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.open.decrement(1);
    }
}

impl Connection for Link {
    fn connected(&self) -> Connected {
        self.stream.connected()
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
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.stalled.note(&written);
        written
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
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.stalled.note(&written);
        written
    }
}
