//! The body of an answer.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::shared::Place;

/// The body of an answer, as it comes. Dropping it ends what is left of the request.
#[derive(Debug)]
pub struct Answer {
    incoming: Incoming,
    /// Given back after the body is gone.
    _place: Option<Arc<Place>>,
}

impl Answer {
    /// On a connection of its own.
    pub(crate) const fn alone(incoming: Incoming) -> Self {
        Self {
            incoming,
            _place: None,
        }
    }

    /// On a connection that others use too.
    pub(crate) const fn shared(incoming: Incoming, place: Arc<Place>) -> Self {
        Self {
            incoming,
            _place: Some(place),
        }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.incoming).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
