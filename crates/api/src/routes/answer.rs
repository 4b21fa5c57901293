//! The shapes of good answers.

use axum::Json;
use axum::response::{IntoResponse, Response};
use caracal_core::Name;
use caracal_engine::{Admin, Listing, Versioned};
use caracal_wire::Page;
use http::header::{CONTENT_TYPE, ETAG, LOCATION};
use http::{HeaderValue, StatusCode};
use serde::Serialize;

use crate::cursor;
use crate::refusal::Refusal;

/// One object with its version as a strong tag.
pub(crate) fn object<T: Serialize>(version: u64, view: T) -> Response {
    let mut response = Json(view).into_response();
    tag(&mut response, version);
    response
}

/// A new object and where it is; on a dry run nothing was created.
pub(crate) fn created<T: Serialize>(admin: &Admin, version: u64, place: &str, view: T) -> Response {
    if admin.dry_run {
        return Json(view).into_response();
    }
    let mut response = (StatusCode::CREATED, Json(view)).into_response();
    tag(&mut response, version);
    if let Ok(place) = HeaderValue::from_str(place) {
        response.headers_mut().insert(LOCATION, place);
    }
    response
}

fn tag(response: &mut Response, version: u64) {
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{version}\"")) {
        response.headers_mut().insert(ETAG, tag);
    }
}

/// The name that a list of this kind goes on after.
pub(crate) fn after_name(kind: &str, text: Option<&str>) -> Result<Option<Name>, Refusal> {
    let key = cursor::read(kind, text)?;
    key.map(|key| key.parse())
        .transpose()
        .map_err(|_| Refusal::unreadable("cursor", "this cursor is not from this list"))
}

/// A page of objects that the engine lists by name.
pub(crate) fn page<T, V>(
    kind: &str,
    listing: Listing<T>,
    view: fn(Versioned<T>) -> V,
) -> Json<Page<V>> {
    Json(Page {
        items: listing.items.into_iter().map(view).collect(),
        next_cursor: listing.next.map(|name| cursor::write(kind, name)),
    })
}

/// A page of objects that the engine lists whole, in the order of their keys: those after the
/// cursor's key, which need not exist any more.
pub(crate) fn page_of_all<T, V>(
    kind: &str,
    all: impl IntoIterator<Item = T>,
    is_after: impl Fn(&T, &str) -> bool,
    key: impl Fn(&T) -> String,
    (limit, after): (usize, Option<String>),
    view: impl Fn(T) -> V,
) -> Json<Page<V>> {
    let rest = all
        .into_iter()
        .filter(|item| after.as_ref().is_none_or(|after| is_after(item, after)));
    let mut rest = rest.peekable();
    let mut items = Vec::new();
    let mut last = None;
    while items.len() < limit {
        let Some(item) = rest.next() else { break };
        last = Some(key(&item));
        items.push(view(item));
    }
    let next_cursor = rest.peek().and(last).map(|key| cursor::write(kind, key));
    Json(Page { items, next_cursor })
}

/// JSON texts, one on each line.
pub(crate) fn lines(texts: impl IntoIterator<Item = Vec<u8>>) -> Response {
    let mut body = Vec::new();
    for text in texts {
        body.extend_from_slice(&text);
        body.push(b'\n');
    }
    ([(CONTENT_TYPE, "application/x-ndjson")], body).into_response()
}
