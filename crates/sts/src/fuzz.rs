//! Bodies of fuzz targets: untrusted bytes go in, a panic says that something broke. They run in
//! `fuzz/` with a fuzzer, and in the test below on the committed corpus.

use axum::body::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};

use crate::client::credentials;
use crate::form::Form;

/// The form of the token endpoint: `Authorization` and `Content-Type` on a line each, then the body.
pub fn form(data: &[u8]) {
    let mut lines = data.splitn(3, |byte| *byte == b'\n');
    let mut headers = HeaderMap::new();
    for name in [AUTHORIZATION, CONTENT_TYPE] {
        let value = lines.next().unwrap_or_default();
        if let Ok(value) = HeaderValue::from_bytes(value)
            && !value.is_empty()
        {
            headers.insert(name, value);
        }
    }
    let body = Bytes::copy_from_slice(lines.next().unwrap_or_default());
    let Ok(mut form) = Form::parse(&headers, &body) else {
        return;
    };
    let _ = credentials(&headers, &mut form);
    for name in ["resource", "audience", "scope", "grant_type"] {
        let list = form.list(name);
        assert!(list.iter().all(|value| !value.contains('\0')));
        // Only what may be repeated has several values.
        assert!(list.len() <= 1 || ["resource", "audience"].contains(&name));
    }
}

#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod replay;

#[cfg(test)]
mod tests {
    use super::replay::{Target, replay};

    #[test]
    fn the_corpus_and_changed_copies_of_it_break_nothing() {
        replay(&[Target {
            name: "sts_form",
            body: super::form,
            copies: 4000,
        }]);
    }
}
