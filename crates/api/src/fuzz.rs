//! Bodies of fuzz targets: untrusted bytes go in, a panic says that something broke. They run in
//! `fuzz/` with a fuzzer, and in the test below on the committed corpus.

use axum::extract::Query;
use http::Uri;

use crate::cursor;
use crate::extract::{EVENT_KIND, EventFilter};
use crate::ledger::TilePath;

/// The path of a tile: a tile has one.
pub fn tile_path(data: &[u8]) {
    let text = std::str::from_utf8(data).ok();
    if let Some(tile) = text.and_then(TilePath::parse) {
        assert!((1..=256).contains(&tile.width));
        assert!(text.is_some_and(|text| text.len() <= 64 && !text.contains("..")));
    }
}

/// The filter of a search for events, and the cursor in it.
pub fn event_filter(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let _ = cursor::read(EVENT_KIND, Some(text));
    let Ok(uri) = format!("/v1/zones/a/events?{text}").parse::<Uri>() else {
        return;
    };
    let _ = Query::<EventFilter>::try_from_uri(&uri);
}

#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod replay;

#[cfg(test)]
mod tests {
    use super::replay::{Target, replay};

    #[test]
    fn the_corpus_and_changed_copies_of_it_break_nothing() {
        replay(&[
            Target {
                name: "api_tile_path",
                body: super::tile_path,
                copies: 4000,
            },
            Target {
                name: "api_event_filter",
                body: super::event_filter,
                copies: 4000,
            },
        ]);
    }
}
