//! The body of an answer: bytes of our own, or the upstream's as they come.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use caracal_core::RefusalCode;
use caracal_egress::Answer;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Instant;

use crate::call::Call;
use crate::connection::ConnectionState;
use crate::grpc;
use crate::trailers::clean_answer_trailers;
use crate::upload::UploadState;

/// How long a client may go on with a body that was answered already.
const LATE_BODY: Duration = Duration::from_secs(5);

/// The body of an answer.
pub(crate) struct AnswerBody(Source);

enum Source {
    Whole(Option<Bytes>),
    Forwarded(Box<Forwarded>),
}

/// What the client understands besides bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The last byte.
    Plain,
    /// Trailers.
    Trailers,
    /// The trailers of gRPC, so that a revocation can be told in its words.
    Grpc,
}

/// An upstream's body on its way to the client, frame by frame. Its errors end the connection
/// without the final chunk, so that a cut answer never looks complete.
struct Forwarded {
    incoming: Answer,
    /// Until it has ended, or goes on with its upload alone.
    call: Option<Call>,
    connection: Arc<ConnectionState>,
    upload: Option<Arc<UploadState>>,
    ending: Ending,
}

/// Why a forwarded body ended early. The client sees only that it did.
#[derive(Debug)]
pub(crate) struct CutShort(&'static str);

impl fmt::Display for CutShort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the answer was cut short: `{}`", self.0)
    }
}

impl std::error::Error for CutShort {}

impl AnswerBody {
    /// Bytes of our own.
    pub(crate) fn whole(bytes: Bytes) -> Self {
        Self(Source::Whole(Some(bytes).filter(|bytes| !bytes.is_empty())))
    }

    /// The upstream's bytes, until the revocation of the call or `deadline`.
    pub(crate) fn forwarded(
        incoming: Answer,
        call: Call,
        connection: Arc<ConnectionState>,
        upload: Option<Arc<UploadState>>,
        deadline: Instant,
        ending: Ending,
    ) -> Self {
        if let Some(permit) = call.permit() {
            connection.watch(permit.cut().clone(), deadline);
        }
        let is_complete = incoming.is_end_stream();
        let mut forwarded = Box::new(Forwarded {
            incoming,
            call: Some(call),
            connection,
            upload,
            ending,
        });
        if is_complete {
            forwarded.complete();
        }
        Self(Source::Forwarded(forwarded))
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = CutShort;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CutShort>>> {
        match &mut self.0 {
            Source::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Source::Forwarded(forwarded) => forwarded.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Source::Whole(bytes) => bytes.is_none(),
            Source::Forwarded(forwarded) => forwarded.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Source::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Source::Forwarded(forwarded) => forwarded.incoming.size_hint(),
        }
    }
}

impl Forwarded {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CutShort>>> {
        if let Some(code) = self.call.as_ref().and_then(Call::cut_code) {
            return self.revoked(code);
        }
        loop {
            match ready!(Pin::new(&mut self.incoming).poll_frame(cx)) {
                Some(Ok(frame)) if frame.is_data() => {
                    if self.incoming.is_end_stream() {
                        self.complete();
                    }
                    return Poll::Ready(Some(Ok(frame)));
                }
                Some(Ok(frame)) => match frame.into_trailers() {
                    Ok(trailers) if self.ending != Ending::Plain => {
                        let Some(trailers) = clean_answer_trailers(trailers) else {
                            return self.broken("the trailers of the answer are too large");
                        };
                        self.complete();
                        return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
                    }
                    // They can say what headers must not, and this client did not ask for them.
                    _ => {}
                },
                Some(Err(error)) => {
                    let refused = self.upload.as_ref().and_then(|upload| upload.failure());
                    return match refused {
                        Some(failure) => self.cut_short(failure.reason()),
                        None => self.broken(&error.to_string()),
                    };
                }
                None => {
                    self.complete();
                    return Poll::Ready(None);
                }
            }
        }
    }

    fn complete(&mut self) {
        let Some(mut call) = self.call.take() else {
            return;
        };
        match (&self.upload, call.permit()) {
            (Some(upload), Some(permit)) if self.connection.is_unread() => {
                let deadline = Instant::now() + LATE_BODY;
                self.connection.watch(permit.cut().clone(), deadline);
                upload.outlive(call, deadline);
            }
            _ => {
                self.connection.unwatch();
                call.finish(None);
            }
        }
    }

    /// What is left of the request has nobody to answer for it.
    fn end_upload(&self) {
        if let Some(upload) = &self.upload {
            upload.end_now();
        }
    }

    fn revoked(&mut self, code: RefusalCode) -> Poll<Option<Result<Frame<Bytes>, CutShort>>> {
        let cut = self.cut_short(code.as_str());
        if self.ending != Ending::Grpc {
            return cut;
        }
        let mut trailers = HeaderMap::new();
        grpc::add_end(
            &mut trailers,
            grpc::code_of(code.status()),
            match code {
                RefusalCode::MandateRevoked => {
                    "mandate_revoked: the mandate was revoked while the call went on"
                }
                _ => "policy_denied: what the call was allowed by was changed while it went on",
            },
        );
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }

    fn broken(&mut self, why: &str) -> Poll<Option<Result<Frame<Bytes>, CutShort>>> {
        metrics::counter!("caracal_gateway_upstream_failures_total", "kind" => "answer_broke")
            .increment(1);
        tracing::warn!(why, "the answer of an upstream broke off");
        self.cut_short("upstream_broke")
    }

    fn cut_short(&mut self, reason: &'static str) -> Poll<Option<Result<Frame<Bytes>, CutShort>>> {
        self.end_upload();
        self.connection.unwatch();
        if let Some(call) = &mut self.call {
            call.finish(Some(reason));
        }
        Poll::Ready(Some(Err(CutShort(reason))))
    }
}

impl Drop for Forwarded {
    fn drop(&mut self) {
        if self.call.as_ref().and_then(Call::permit).is_some() {
            self.end_upload();
            self.connection.unwatch();
        }
    }
}
