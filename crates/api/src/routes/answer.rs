//! The shapes of good answers.

use axum::Json;
use axum::response::{IntoResponse, Response};
use caracal_core::Name;
use caracal_engine::{Admin, IdListing, Listing, Versioned};
use caracal_wire::Page;
use http::header::{CONTENT_TYPE, ETAG, LOCATION};
use http::{HeaderValue, StatusCode};
use serde::Serialize;

use crate::cursor;
use crate::refusal::Refusal;

/// A page ends after the item that takes it over this size: objects may be large.
const MAX_PAGE_BYTES: usize = 8 * 1024 * 1024;

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
    after_id(kind, text)
}

/// A page of objects that the engine lists by name.
pub(crate) fn page<T, V: Serialize>(
    kind: &str,
    listing: Listing<T>,
    view: fn(Versioned<T>) -> V,
    name: fn(&V) -> &str,
) -> Json<Page<V>> {
    let more = listing.next.is_some();
    let views = listing.items.into_iter().map(view);
    let items = views.map(|view| (name(&view).to_owned(), view));
    fill(kind, items, more, usize::MAX)
}

/// A page of objects that the engine lists by id.
pub(crate) fn page_by_id<T, V: Serialize>(
    kind: &str,
    listing: IdListing<T>,
    view: impl Fn(Versioned<T>) -> V,
    id: fn(&V) -> &str,
) -> Json<Page<V>> {
    let views = listing.items.into_iter().map(view);
    let items = views.map(|view| (id(&view).to_owned(), view));
    fill(kind, items, listing.has_more, usize::MAX)
}

/// The id that a list of this kind goes on after.
pub(crate) fn after_id<T: std::str::FromStr>(
    kind: &str,
    text: Option<&str>,
) -> Result<Option<T>, Refusal> {
    let key = cursor::read(kind, text)?;
    key.map(|key| key.parse())
        .transpose()
        .map_err(|_| Refusal::unreadable("cursor", "this cursor is not from this list"))
}

/// A page of objects that the engine lists whole, in the order of their keys: those after the
/// cursor's key, which need not exist any more.
pub(crate) fn page_of_all<T, V: Serialize>(
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
    let items = rest.map(|item| (key(&item), view(item)));
    fill(kind, items, false, limit)
}

/// Fills a page from items with their keys. It ends early when it becomes too large; `more`
/// says that there are others after these.
fn fill<V: Serialize>(
    kind: &str,
    items: impl Iterator<Item = (String, V)>,
    more: bool,
    limit: usize,
) -> Json<Page<V>> {
    let mut items = items.peekable();
    let mut page = Vec::new();
    let (mut bytes, mut last) = (0_usize, None);
    while page.len() < limit && bytes < MAX_PAGE_BYTES {
        let Some((key, view)) = items.next() else {
            break;
        };
        bytes += serde_json::to_vec(&view).map_or(0, |json| json.len());
        last = Some(key);
        page.push(view);
    }
    let more = more || items.peek().is_some();
    Json(Page {
        items: page,
        next_cursor: last.filter(|_| more).map(|key| cursor::write(kind, key)),
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_large_objects_ends_early_and_goes_on() {
        let large = "x".repeat(MAX_PAGE_BYTES / 2);
        let items = |after: usize| {
            let large = large.clone();
            (after..5).map(move |i| (i.to_string(), format!("{i}{large}")))
        };
        let Json(first) = fill("k", items(0), false, 100);
        assert_eq!(first.items.len(), 2);
        assert_eq!(first.next_cursor, Some(cursor::write("k", 1)));
        let Json(last) = fill("k", items(4), false, 100);
        assert_eq!((last.items.len(), last.next_cursor), (1, None));
        let Json(more) = fill("k", items(4), true, 100);
        assert_eq!(more.next_cursor, Some(cursor::write("k", 4)));
        let Json(none) = fill("k", items(5), false, 100);
        assert_eq!((none.items.len(), none.next_cursor), (0, None));
    }
}
