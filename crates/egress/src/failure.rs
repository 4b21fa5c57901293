//! From the client's errors to ours.

use std::error::Error;
use std::io;

use hyper_util::client::legacy;

use crate::EgressError;

/// Why a client gave no answer.
pub(crate) enum Failure {
    /// No shared connection could be opened.
    Opening(EgressError),
    /// A request that had its connection for itself.
    Alone(legacy::Error),
    /// A request on a shared connection.
    Shared(hyper::Error),
}

impl Failure {
    /// Says it in our words.
    pub(crate) fn explain(&self, host: &str) -> EgressError {
        match self {
            Self::Opening(error) => error.clone(),
            Self::Shared(error) => explain_open(error, host, !error.is_canceled()),
            Self::Alone(error) => explain_alone(error, host),
        }
    }

    /// False only if certainly no byte of the request was written.
    pub(crate) fn is_written(&self) -> bool {
        !self.explain("").is_before_write()
    }

    /// Why the request may go out once more, if it may.
    pub(crate) fn find_second_chance(&self) -> Option<&'static str> {
        match self {
            // Whoever waited for a connection has done so twice already.
            Self::Opening(_) => None,
            Self::Shared(error) if error.is_canceled() => Some("unwritten"),
            Self::Shared(error) => find::<h2::Error>(error)
                .is_some_and(is_refusal)
                .then_some("refused"),
            // It waited for a connection that another request was opening, and that came to
            // nothing.
            Self::Alone(error) if error.is_connect() => is_unopened(error).then_some("unopened"),
            Self::Alone(error) => is_unwritten(error).then_some("unwritten"),
        }
    }
}

fn explain_alone(error: &legacy::Error, host: &str) -> EgressError {
    if error.is_connect() && is_unopened(error) {
        let why = "the connection that another request was opening came to nothing".into();
        let host = host.into();
        return EgressError::Unreachable { host, why };
    }
    if error.is_connect() {
        return explain_opening(error, host);
    }
    let written = !is_unwritten(error);
    match find::<hyper::Error>(error) {
        Some(cause) => explain_open(cause, host, written),
        None => EgressError::Broken {
            host: host.into(),
            why: innermost(error).into(),
            written,
        },
    }
}

/// Why a connection could not be opened.
pub(crate) fn explain_opening(error: &(dyn Error + 'static), host: &str) -> EgressError {
    if let Some(own) = find::<EgressError>(error) {
        return own.clone();
    }
    // Everything else that fails while connecting is an error of ours already.
    let why = match find::<rustls::Error>(error) {
        Some(tls) => tls.to_string(),
        None => innermost(error),
    };
    EgressError::Tls {
        host: host.into(),
        why: why.into(),
    }
}

/// Why an open connection brought no answer; `written` unless certainly no byte of the request
/// was.
pub(crate) fn explain_open(cause: &hyper::Error, host: &str, written: bool) -> EgressError {
    let host = Box::from(host);
    if let Some(cause) = find::<h2::Error>(cause)
        && !cause.is_io()
    {
        return of_http2(cause, host);
    }
    if cause.is_parse_too_large() {
        EgressError::HeadTooLarge { host }
    } else if cause.is_parse() {
        EgressError::Protocol {
            host,
            why: cause.to_string().into(),
        }
    } else if cause.is_user() {
        EgressError::RequestBody {
            host,
            why: innermost(cause).into(),
        }
    } else {
        EgressError::Broken {
            host,
            why: innermost(cause).into(),
            written,
        }
    }
}

/// What an upstream did over HTTP/2, or what we could not make of it.
fn of_http2(cause: &h2::Error, host: Box<str>) -> EgressError {
    let why = cause.to_string().into();
    if is_refusal(cause) {
        EgressError::Refused { host }
    } else if cause.is_remote() {
        EgressError::Broken {
            host,
            why,
            written: true,
        }
    } else if cause.is_reset() && cause.reason() == Some(h2::Reason::REFUSED_STREAM) {
        // The library drops an answer with too large a head in this way, and no other.
        EgressError::HeadTooLarge { host }
    } else {
        EgressError::Protocol { host, why }
    }
}

/// True if the upstream said that it did not look at the request (RFC 9113, 8.7).
fn is_refusal(cause: &h2::Error) -> bool {
    let of_stream = cause.is_reset() && cause.reason() == Some(h2::Reason::REFUSED_STREAM);
    let of_connection = cause.is_go_away() && cause.reason() == Some(h2::Reason::NO_ERROR);
    cause.is_remote() && (of_stream || of_connection)
}

/// True if the pool gave up on a connection that others were opening. The errors of opening
/// itself are ours, those of TLS, or those of HTTP.
fn is_unopened(error: &legacy::Error) -> bool {
    find::<EgressError>(error).is_none()
        && find::<rustls::Error>(error).is_none()
        && find::<hyper::Error>(error).is_none()
        && find::<io::Error>(error).is_none()
}

/// True if certainly no byte of the request was written: it never met a connection, or the
/// connection closed while the request was still in the queue before it.
fn is_unwritten(error: &legacy::Error) -> bool {
    error.connect_info().is_none()
        || find::<hyper::Error>(error).is_some_and(hyper::Error::is_canceled)
}

/// The first error of type `E` in the chain, also inside [`io::Error`], which hides the
/// error it carries from `source`.
fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        next = inside(error);
    }
    None
}

fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut last = error;
    while let Some(next) = inside(last) {
        last = next;
    }
    last.to_string()
}

fn inside<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error
        .downcast_ref::<io::Error>()
        .and_then(io::Error::get_ref)
    {
        Some(carried) => Some(carried),
        None => error.source(),
    }
}
