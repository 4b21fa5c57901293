//! A request body that comes back if nobody read from it.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};

use crate::Body;
use crate::shared::Place;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A body that, dropped before anyone read from it, goes back to its [`Shelf`]: the client
/// drops a request that it could not begin to send.
pub(crate) struct HeldBody {
    body: Option<Body>,
    untouched: bool,
    shelf: Shelf,
    /// Given back after the body is gone.
    place: Option<Arc<Place>>,
}

/// Where an unread body comes back to.
#[derive(Clone, Default)]
pub(crate) struct Shelf(Arc<Mutex<Option<Body>>>);

impl Shelf {
    pub(crate) fn hold(&self, body: Body) -> HeldBody {
        HeldBody {
            body: Some(body),
            untouched: true,
            shelf: self.clone(),
            place: None,
        }
    }

    pub(crate) fn take(&self) -> Option<Body> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl HeldBody {
    /// Keeps a place on a shared connection until this body is gone.
    pub(crate) fn occupy(&mut self, place: Arc<Place>) {
        self.place = Some(place);
    }
}

impl HttpBody for HeldBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.untouched = false;
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

impl Drop for HeldBody {
    fn drop(&mut self) {
        if self.untouched {
            *self.shelf.0.lock().unwrap_or_else(PoisonError::into_inner) = self.body.take();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::{BodyExt as _, Full};

    fn body() -> Body {
        Full::new(Bytes::from_static(b"hello"))
            .map_err(|never| match never {})
            .boxed_unsync()
    }

    #[tokio::test]
    async fn an_unread_body_comes_back_whole() {
        let shelf = Shelf::default();
        let held = shelf.hold(body());
        assert_eq!(held.size_hint().exact(), Some(5));
        assert!(!held.is_end_stream());
        drop(held);
        let back = shelf.take().unwrap().collect().await.unwrap().to_bytes();
        assert_eq!(back, "hello");
        assert!(shelf.take().is_none());
    }

    #[tokio::test]
    async fn a_read_body_does_not() {
        let shelf = Shelf::default();
        let mut held = shelf.hold(body());
        held.frame().await.unwrap().unwrap();
        drop(held);
        assert!(shelf.take().is_none());
    }
}
