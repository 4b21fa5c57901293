//! Bodies that tell how fast the client is.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::Exchange;
use crate::activity::Busy;

/// The body of a request that notes when it is waited for.
#[derive(Debug)]
pub struct Paced {
    body: Incoming,
    exchange: Arc<Exchange>,
}

impl Paced {
    /// Wraps the body of the exchange's request.
    pub fn new(body: Incoming, exchange: Arc<Exchange>) -> Self {
        Self { body, exchange }
    }
}

impl Body for Paced {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        match &polled {
            Poll::Pending => self.exchange.body_waits(),
            Poll::Ready(Some(Ok(frame))) => {
                let length = frame.data_ref().map_or(0, Bytes::len);
                self.exchange.body_came(length);
                if self.body.is_end_stream() {
                    self.exchange.body_read();
                }
            }
            Poll::Ready(Some(Err(_))) => {}
            Poll::Ready(None) => self.exchange.body_read(),
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The body of an answer, which notes whether the client takes it.
pub(crate) struct Given<B> {
    body: B,
    exchange: Arc<Exchange>,
    _busy: Busy,
}

impl<B> Given<B> {
    pub(crate) fn new(body: B, exchange: Arc<Exchange>, busy: Busy) -> Self {
        exchange.answer_begins();
        Self {
            body,
            exchange,
            _busy: busy,
        }
    }
}

impl<B: Body + Unpin> Body for Given<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Ok(_))) => self.exchange.answer_given(),
            _ => self.exchange.answer_taken(),
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B> Drop for Given<B> {
    fn drop(&mut self) {
        self.exchange.answer_taken();
    }
}
