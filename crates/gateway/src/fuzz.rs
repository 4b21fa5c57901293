//! Bodies of fuzz targets: untrusted bytes go in, a panic says that something broke. They run in
//! `fuzz/` with a fuzzer, and in the test below on the committed corpus.

use caracal_core::{MandateSlot, RequestPath};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, Version};

use crate::framing;
use crate::mandate::{check_places, find_mandate};
use crate::query::Query;
use crate::route::find_route;

/// A query: without a slot nothing of it is lost, and a slot that was taken out is gone.
pub fn query(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Ok(query) = Query::parse(Some(text)) else {
        return;
    };
    let write = |names: &[&str]| {
        let (mut target, mut separator) = (String::new(), '?');
        query.write_without(names.iter().copied(), &mut target, &mut separator);
        target
    };
    let kept: Vec<&str> = text.split('&').filter(|pair| !pair.is_empty()).collect();
    assert_eq!(
        write(&[]).trim_start_matches('?'),
        kept.join("&").trim_start_matches('?')
    );
    let without = write(&["key"]);
    if let Ok(again) = Query::parse(without.strip_prefix('?')) {
        assert!(again.pairs().iter().all(|pair| pair.name != "key"));
    }
}

/// The head of a request: `METHOD target` on the first line, headers on the others.
pub fn head(data: &[u8]) {
    let mut lines = data.split(|byte| *byte == b'\n');
    let first = String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
    let (method, target) = first.split_once(' ').unwrap_or(("GET", &first));
    let (Ok(method), Ok(uri)) = (Method::from_bytes(method.as_bytes()), target.parse::<Uri>())
    else {
        return;
    };
    let mut headers = HeaderMap::new();
    for line in lines.take(100) {
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let name = HeaderName::from_bytes(parts.next().unwrap_or_default());
        let value = HeaderValue::from_bytes(parts.next().unwrap_or_default().trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    let allowed = framing::check(&method, &uri, Version::HTTP_11, &headers).is_ok();
    assert!(!allowed || headers.get_all("host").iter().count() == 1);
    if let Ok(path) = RequestPath::parse(uri.path()) {
        let _ = find_route(&path, &headers);
    }
    let Ok(query) = Query::parse(uri.query()) else {
        return;
    };
    let is_ours = |text: &str| text.starts_with("ey");
    let slots = [
        MandateSlot::Header("x-api-key".into()),
        MandateSlot::Query("key".into()),
        MandateSlot::BasicPassword,
    ];
    if let Ok(found) = find_mandate(&headers, &query, &is_ours) {
        let _ = check_places(&found, &headers, &query, &slots, &is_ours);
        let _ = check_places(&found, &headers, &query, &[], &is_ours);
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
        replay(&[
            Target {
                name: "gateway_query",
                body: super::query,
                copies: 5000,
            },
            Target {
                name: "gateway_head",
                body: super::head,
                copies: 4000,
            },
        ]);
    }
}
