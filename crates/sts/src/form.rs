//! Form bodies, parsed strictly: a parameter that is sent twice is refused, since two
//! readers might see different ones (RFC 6749, section 3.2).

use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use caracal_core::Secret;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http_body_util::LengthLimitError;
use url::form_urlencoded;

use crate::answer::Refused;
use crate::router::MAX_FORM_BYTES;

/// The longest value of one parameter, in bytes.
const MAX_VALUE_BYTES: usize = 16 * 1024;
/// The most parameters of one form.
const MAX_PARAMETERS: usize = 100;
/// What may be sent several times (RFC 8707, RFC 8693).
const REPEATABLE: [&str; 2] = ["resource", "audience"];

/// How long a form may take to come. Nobody has said who they are until then, and each holds one
/// of the door's connections.
const FORM_TIMEOUT: Duration = Duration::from_secs(10);

/// Reads the body of a request, bounded in size and time.
pub(crate) async fn posted(body: Body) -> Result<Bytes, Refused> {
    let refuse = |status, why| Refused::new(status, "invalid_request", why);
    match tokio::time::timeout(FORM_TIMEOUT, to_bytes(body, MAX_FORM_BYTES)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) if is_too_long(&error) => {
            let why = format!("the body is longer than {MAX_FORM_BYTES} bytes");
            Err(refuse(413, why))
        }
        Ok(Err(_)) => Err(refuse(400, "the body cannot be read".to_owned())),
        Err(_) => {
            let why = format!("the body took longer than {} s", FORM_TIMEOUT.as_secs());
            Err(refuse(408, why))
        }
    }
}

fn is_too_long(error: &axum::Error) -> bool {
    std::error::Error::source(error).is_some_and(|source| source.is::<LengthLimitError>())
}

/// The parameters of a form.
pub(crate) struct Form(Vec<(String, String)>);

impl Form {
    /// The form of a request that has none.
    pub(crate) fn none() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn parse(headers: &HeaderMap, body: &Bytes) -> Result<Self, Refused> {
        let media_type = headers
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok());
        let essence = media_type
            .unwrap_or_default()
            .split(';')
            .next()
            .unwrap_or_default()
            .trim();
        if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            let why = "the body must be `application/x-www-form-urlencoded`";
            return Err(Refused::new(415, "invalid_request", why));
        }
        let text = std::str::from_utf8(body)
            .map_err(|_| Refused::invalid_request("the body is not UTF-8"))?;
        let mut pairs: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            if pairs.len() == MAX_PARAMETERS {
                let why = format!("at most {MAX_PARAMETERS} parameters");
                return Err(Refused::invalid_request(why));
            }
            if value.len() > MAX_VALUE_BYTES || name.len() > 128 {
                let why = format!("`{}` is longer than {MAX_VALUE_BYTES} bytes", shown(&name));
                return Err(Refused::invalid_request(why));
            }
            if value.contains('\0') || value.contains(char::REPLACEMENT_CHARACTER) {
                let why = format!("`{}` has characters that no value has", shown(&name));
                return Err(Refused::invalid_request(why));
            }
            let repeatable = REPEATABLE.contains(&name.as_ref());
            if !repeatable && pairs.iter().any(|(held, _)| *held == name) {
                let why = format!("`{}` is sent twice", shown(&name));
                return Err(Refused::invalid_request(why));
            }
            pairs.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(pairs))
    }

    /// A parameter; an empty one counts as absent (RFC 6749, section 3.1).
    pub(crate) fn find(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(held, value)| held == name && !value.is_empty())
            .map(|(_, v)| v.as_str())
    }

    /// Every value of a repeatable parameter.
    pub(crate) fn list(&self, name: &str) -> Vec<String> {
        let held = self
            .0
            .iter()
            .filter(|(held, value)| held == name && !value.is_empty());
        held.map(|(_, value)| value.clone()).collect()
    }

    /// A secret parameter, taken out of the form.
    pub(crate) fn take_secret(&mut self, name: &str) -> Option<Secret> {
        let (_, value) = self
            .0
            .iter_mut()
            .find(|(held, value)| held == name && !value.is_empty())?;
        Some(Secret::from(std::mem::take(value)))
    }
}

fn shown(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &str) -> Result<Form, Refused> {
        let mut headers = HeaderMap::new();
        headers.insert(
            CONTENT_TYPE,
            "application/x-www-form-urlencoded; charset=utf-8"
                .parse()
                .unwrap(),
        );
        Form::parse(&headers, &Bytes::copy_from_slice(body.as_bytes()))
    }

    /// A client that has begun a body and says nothing more.
    struct Silent;

    impl http_body::Body for Silent {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
            std::task::Poll::Pending
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_is_bounded_in_size_and_time() {
        let silent = posted(Body::new(Silent)).await.err().unwrap();
        assert_eq!((silent.status, silent.code), (408, "invalid_request"));
        let long = posted(Body::from("a".repeat(MAX_FORM_BYTES + 1))).await;
        assert_eq!(long.err().unwrap().status, 413);
        let form = posted(Body::from("a=b")).await;
        assert_eq!(form.unwrap_or_else(|_| unreachable!()), "a=b");
    }

    #[test]
    fn only_resource_may_come_twice() {
        let form = parse("resource=a&resource=b&scope=x+y").unwrap_or_else(|_| unreachable!());
        assert_eq!(form.list("resource"), ["a", "b"]);
        assert_eq!(form.find("scope"), Some("x y"));
        let twice = parse("scope=a&scope=b").err().unwrap();
        assert_eq!((twice.status, twice.code), (400, "invalid_request"));
        assert!(parse("scope=a&sc%6Fpe=b").is_err());
    }

    #[test]
    fn oversized_and_malformed_forms_are_refused() {
        assert!(parse(&format!("scope={}", "a".repeat(MAX_VALUE_BYTES + 1))).is_err());
        assert!(parse("a=1&").is_ok());
        let many: String = (0..200).map(|i| format!("p{i}=1&")).collect();
        assert!(parse(&many).is_err());
        assert!(parse("scope=%ff").is_err());
        assert!(parse("scope=a%00").is_err());
        let json = Form::parse(&HeaderMap::new(), &Bytes::from_static(b"{}"))
            .err()
            .unwrap();
        assert_eq!(json.status, 415);
    }
}
