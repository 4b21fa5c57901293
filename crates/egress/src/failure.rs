//! From the client's errors to ours.

use std::error::Error;
use std::io;

use hyper_util::client::legacy;

use crate::EgressError;

/// Says in our words why the client gave no answer.
pub(crate) fn explain(error: &legacy::Error, host: &str) -> EgressError {
    if let Some(own) = find::<EgressError>(error) {
        return own.clone();
    }
    let host = Box::from(host);
    if error.is_connect() && is_unopened(error) {
        let why = "the connection that another request was opening came to nothing".into();
        return EgressError::Unreachable { host, why };
    }
    if error.is_connect() {
        // Everything else that fails while connecting is an error of ours already.
        let why = match find::<rustls::Error>(error) {
            Some(tls) => tls.to_string(),
            None => innermost(error),
        };
        return EgressError::Tls {
            host,
            why: why.into(),
        };
    }
    let Some(cause) = find::<hyper::Error>(error) else {
        let written = error.connect_info().is_some();
        return EgressError::Broken {
            host,
            why: innermost(error).into(),
            written,
        };
    };
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
        let written = !is_unwritten(error);
        EgressError::Broken {
            host,
            why: innermost(error).into(),
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

/// Why a request may go out once more, if it may.
pub(crate) fn find_second_chance(error: &legacy::Error) -> Option<&'static str> {
    let refused = || find::<h2::Error>(error).is_some_and(is_refusal);
    if error.is_connect() {
        // It waited for a connection that another request was opening, and that came to nothing.
        return is_unopened(error).then_some("unopened");
    }
    if is_unwritten(error) {
        Some("unwritten")
    } else if refused() {
        Some("refused")
    } else {
        None
    }
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
pub(crate) fn is_unwritten(error: &legacy::Error) -> bool {
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
