//! Finding the mandate in a request, and mandates where none belong.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use caracal_core::{MandateSlot, RefusalCode};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};

use crate::query::Query;
use crate::refused::Refused;

/// The shortest text that is looked into: no JWT is shorter.
const MIN_JWT: usize = 32;

/// A mandate's text and where it stood.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Found<'r> {
    pub(crate) text: Cow<'r, str>,
    place: Place<'r>,
}

#[derive(Debug, PartialEq, Eq)]
enum Place<'r> {
    Bearer,
    Dpop,
    Header(&'r str),
    Query(&'r str),
    BasicPassword,
}

impl Found<'_> {
    /// True when it came with the scheme `DPoP`.
    pub(crate) fn is_dpop(&self) -> bool {
        self.place == Place::Dpop
    }
}

/// Finds the one mandate of a request. `is_ours` tells whether a text is a JWT of an issuer
/// of this instance.
///
/// # Errors
/// `mandate_missing`, `mandate_misplaced` for a mandate that stands only where none can.
pub(crate) fn find_mandate<'r>(
    headers: &'r HeaderMap,
    query: &'r Query<'_>,
    is_ours: &impl Fn(&str) -> bool,
) -> Result<Found<'r>, Refused> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let authorization = values.next();
    if values.next().is_some() {
        return Err(Refused::malformed(
            "`Authorization` stands there more than once",
        ));
    }
    let mut basic = None;
    if let Some(value) = authorization {
        match scheme(value) {
            Some(("bearer", text)) => {
                return Ok(Found {
                    text: Cow::Borrowed(text),
                    place: Place::Bearer,
                });
            }
            Some(("dpop", text)) => {
                return Ok(Found {
                    text: Cow::Borrowed(text),
                    place: Place::Dpop,
                });
            }
            Some(("basic", text)) => basic = basic_credentials(text),
            _ => {}
        }
    }
    if let Some(password) = basic
        .as_deref()
        .and_then(|pair| pair.split_once(':'))
        .map(|p| p.1)
        && looks_like_jwt(password)
        && is_ours(password)
    {
        let text = Cow::Owned(password.to_owned());
        return Ok(Found {
            text,
            place: Place::BasicPassword,
        });
    }
    for (name, value) in headers {
        let Ok(text) = value.to_str() else { continue };
        let text = match scheme(value) {
            Some(("bearer", text)) => text,
            _ => text.trim(),
        };
        if looks_like_jwt(text) && is_ours(text) {
            return Ok(Found {
                text: Cow::Borrowed(text),
                place: Place::Header(name.as_str()),
            });
        }
    }
    for pair in query.pairs() {
        if looks_like_jwt(&pair.value) && is_ours(&pair.value) {
            let text = Cow::Borrowed(&*pair.value);
            return Ok(Found {
                text,
                place: Place::Query(&pair.name),
            });
        }
    }
    let hidden = basic.is_some_and(|pair| holds_ours(&pair, is_ours));
    if hidden || is_misplaced(headers, query, &[], is_ours) {
        return Err(misplaced());
    }
    Err(Refused::code(
        RefusalCode::MandateMissing,
        "the request carries no mandate",
    )
    .hint("send `Authorization: Bearer MANDATE`; `caracal run` does it for a program"))
}

/// Refuses a mandate in a place that the resource does not name, and further ones elsewhere.
///
/// # Errors
/// `mandate_misplaced`.
pub(crate) fn check_places(
    found: &Found<'_>,
    headers: &HeaderMap,
    query: &Query<'_>,
    slots: &[MandateSlot],
    is_ours: &impl Fn(&str) -> bool,
) -> Result<(), Refused> {
    let named = match found.place {
        Place::Bearer | Place::Dpop => true,
        Place::BasicPassword => slots.contains(&MandateSlot::BasicPassword),
        Place::Header(own) => slots.iter().any(|slot| is_header(slot, own)),
        Place::Query(own) => slots.iter().any(|slot| is_query(slot, own)),
    };
    if named && !is_misplaced(headers, query, slots, is_ours) {
        Ok(())
    } else {
        Err(misplaced())
    }
}

/// True when a header or parameter that is no slot holds a mandate. `Authorization` is left
/// out: it never goes upstream as it came.
fn is_misplaced(
    headers: &HeaderMap,
    query: &Query<'_>,
    slots: &[MandateSlot],
    is_ours: &impl Fn(&str) -> bool,
) -> bool {
    let in_header = headers.iter().any(|(name, value)| {
        may_hold_jwt(value.as_bytes())
            && name != AUTHORIZATION
            && !slots.iter().any(|slot| is_header(slot, name.as_str()))
            && holds_ours(&String::from_utf8_lossy(value.as_bytes()), is_ours)
    });
    in_header
        || query.pairs().iter().any(|pair| {
            !slots.iter().any(|slot| is_query(slot, &pair.name))
                && (holds_ours(&pair.value, is_ours) || holds_ours(&pair.name, is_ours))
        })
}

fn misplaced() -> Refused {
    Refused::code(
        RefusalCode::MandateMisplaced,
        "a mandate stands where the resource does not take it",
    )
    .hint("send `Authorization: Bearer MANDATE`, or name the place under `mandate_in` of the resource")
}

fn is_header(slot: &MandateSlot, own: &str) -> bool {
    matches!(slot, MandateSlot::Header(name) if name.eq_ignore_ascii_case(own))
}

fn is_query(slot: &MandateSlot, own: &str) -> bool {
    matches!(slot, MandateSlot::Query(name) if name == own)
}

/// The lower-case scheme of a credential, where it is one that matters here, and the rest.
fn scheme(value: &HeaderValue) -> Option<(&'static str, &str)> {
    let text = value.to_str().ok()?.trim();
    let (own, rest) = text.split_once([' ', '\t'])?;
    let known = ["bearer", "dpop", "basic"]
        .into_iter()
        .find(|s| s.eq_ignore_ascii_case(own))?;
    Some((known, rest.trim_start_matches([' ', '\t'])))
}

fn basic_credentials(text: &str) -> Option<String> {
    STANDARD
        .decode(text)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
}

/// Looks for a mandate anywhere in a text, such as in a cookie.
fn holds_ours(text: &str, is_ours: &impl Fn(&str) -> bool) -> bool {
    if !may_hold_jwt(text.as_bytes()) {
        return false;
    }
    let foreign = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '='));
    text.split(foreign).any(|piece| {
        // `session=eyJ…` in a cookie; an equals sign within a JWT is padding, after a dot.
        let (before, after) = piece.split_once('=').unwrap_or(("", piece));
        let inner = if before.contains('.') { piece } else { after };
        looks_like_jwt(inner) && is_ours(inner)
    })
}

fn looks_like_jwt(text: &str) -> bool {
    may_hold_jwt(text.as_bytes())
}

/// A cheap look before the expensive one.
fn may_hold_jwt(bytes: &[u8]) -> bool {
    bytes.len() >= MIN_JWT && memchr::memchr_iter(b'.', bytes).nth(1).is_some()
}

#[cfg(test)]
mod tests;
