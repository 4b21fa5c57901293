//! How a caller authenticates: `client_secret_basic`, `client_secret_post`, `private_key_jwt`
//! (RFC 7523), or a session mandate as a bearer token (RFC 6750) or with a proof (RFC 9449).
//!
//! Requests with a JSON body have no form for an assertion: there it is the password of HTTP
//! Basic. No client secret looks like a JWT.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use caracal_core::Secret;
use caracal_engine::{CallerCredentials, ClientAssertion, ClientCredentials};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use url::form_urlencoded;

use crate::answer::Refused;
use crate::form::Form;

/// The type of assertions that are JWTs (RFC 7523, section 2.2).
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The grant whose assertion says who asks, or for whom (RFC 7523, section 2.1).
pub(crate) const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// True when a request says who its client is beside any `assertion`.
pub(crate) fn authenticates(headers: &HeaderMap, form: &Form) -> bool {
    let named = ["client_secret", "client_assertion"];
    headers.contains_key(AUTHORIZATION) || named.iter().any(|name| form.find(name).is_some())
}

/// Reads the client's credentials from the header or the form; not from both.
pub(crate) fn credentials(
    headers: &HeaderMap,
    form: &mut Form,
) -> Result<CallerCredentials, Refused> {
    let named = named_client(form)?;
    let posted = form.take_secret("client_secret");
    let asserted = assertion(form, named.clone())?;
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let header = values.next();
    if values.next().is_some() {
        return Err(Refused::invalid_request(
            "there are several `Authorization` headers",
        ));
    }
    if let Some(asserted) = asserted {
        if header.is_some() || posted.is_some() {
            return Err(Refused::invalid_request(
                "use `client_assertion` or another way to authenticate, not both",
            ));
        }
        return Ok(CallerCredentials::Assertion(asserted));
    }
    match (header, posted) {
        (Some(_), Some(_)) => Err(Refused::invalid_request(
            "use the `Authorization` header or `client_secret`, not both",
        )),
        (Some(value), None) if session_mandate(value).is_some() => {
            let mandate = session_mandate(value).unwrap_or_default();
            Ok(CallerCredentials::Session(mandate.to_owned()))
        }
        (Some(value), None) => {
            let (client_id, secret) = value.to_str().ok().and_then(basic).ok_or_else(|| {
                Refused::new(
                    401,
                    "invalid_client",
                    "the `Authorization` header is neither HTTP Basic nor a session mandate",
                )
            })?;
            if named.is_some_and(|named| named != client_id) {
                let why = "the header and the form name different clients";
                return Err(Refused::invalid_request(why));
            }
            Ok(match secret.expose_str().filter(|text| is_jwt(text)) {
                Some(text) => CallerCredentials::Assertion(ClientAssertion {
                    // Tokens of outside issuers need no name beside them.
                    client_id: Some(client_id).filter(|named| !named.is_empty()),
                    text: text.to_owned(),
                }),
                None => CallerCredentials::Client(ClientCredentials { client_id, secret }),
            })
        }
        (None, Some(secret)) => {
            let client_id =
                named.ok_or_else(|| Refused::invalid_request("`client_id` is required"))?;
            Ok(CallerCredentials::Client(ClientCredentials {
                client_id,
                secret,
            }))
        }
        (None, None) if form.find("grant_type") == Some(JWT_BEARER) => {
            let text = form.find("assertion");
            let text = text.ok_or_else(|| Refused::invalid_request("`assertion` is required"))?;
            Ok(CallerCredentials::Assertion(ClientAssertion {
                client_id: named,
                text: text.to_owned(),
            }))
        }
        (None, None) => {
            let why = "the client does not authenticate: use HTTP Basic, `client_secret` or \
                       `client_assertion`";
            Err(Refused::new(401, "invalid_client", why))
        }
    }
}

/// The assertion of a form (RFC 7521, section 4.2).
fn assertion(form: &Form, named: Option<String>) -> Result<Option<ClientAssertion>, Refused> {
    let found = (
        form.find("client_assertion"),
        form.find("client_assertion_type"),
    );
    match found {
        (None, None) => Ok(None),
        (Some(text), Some(ASSERTION_TYPE)) => Ok(Some(ClientAssertion {
            client_id: named,
            text: text.to_owned(),
        })),
        (Some(_), _) => {
            let why = format!("`client_assertion_type` must be `{ASSERTION_TYPE}`");
            Err(Refused::invalid_request(why))
        }
        (None, Some(_)) => Err(Refused::invalid_request("`client_assertion` is required")),
    }
}

/// A JSON object in base64url, and two more parts.
fn is_jwt(text: &str) -> bool {
    text.starts_with("eyJ") && text.bytes().filter(|byte| *byte == b'.').count() == 2
}

/// The mandate of `Bearer` or `DPoP` credentials.
fn session_mandate(value: &HeaderValue) -> Option<&str> {
    let (scheme, mandate) = value.to_str().ok()?.split_once(' ')?;
    let is_mandate = ["bearer", "dpop"]
        .iter()
        .any(|known| scheme.eq_ignore_ascii_case(known));
    is_mandate.then(|| mandate.trim())
}

/// `client_id`, or `application_id`, which is accepted in its place.
fn named_client(form: &Form) -> Result<Option<String>, Refused> {
    match (form.find("client_id"), form.find("application_id")) {
        (Some(a), Some(b)) if a != b => Err(Refused::invalid_request(
            "`client_id` and `application_id` differ",
        )),
        (a, b) => Ok(a.or(b).map(str::to_owned)),
    }
}

/// RFC 6749, section 2.3.1: both parts are form-encoded inside the Basic credentials.
fn basic(header: &str) -> Option<(String, Secret)> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = STANDARD.decode(encoded.trim()).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((form_decode(id), Secret::from(form_decode(secret))))
}

fn form_decode(text: &str) -> String {
    // A lone value: parsing `=text` gives it back decoded, unless it holds a raw separator.
    if text.contains(['&', '=']) {
        return text.to_owned();
    }
    let encoded = format!("={text}");
    form_urlencoded::parse(encoded.as_bytes())
        .next()
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_credentials_are_form_decoded() {
        let header = format!("Basic {}", STANDARD.encode("app_1:a%2Bb"));
        let (id, secret) = basic(&header).unwrap();
        assert_eq!(id, "app_1");
        assert_eq!(secret.expose(), b"a+b");
        for bad in ["Basic", "Basic !", "Bearer abc", "Basic YQ=="] {
            assert!(basic(bad).is_none(), "{bad} was accepted");
        }
    }
}
