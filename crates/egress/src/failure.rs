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
