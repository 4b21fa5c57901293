//! `traceparent` and `tracestate` (W3C Trace Context), as clients send them.
//!
//! What is valid goes upstream as it came: this process records no spans, so a parent of ours
//! would name one that nobody ever reports. What is not valid goes nowhere, and where there is
//! nothing, nothing is invented.

use caracal_core::TraceId;
use http::header::HeaderName;
use http::{HeaderMap, HeaderValue};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The longest `traceparent`; later versions of the standard may add to the 55 bytes of the
/// first.
const MAX_PARENT_BYTES: usize = 128;
/// The most of `tracestate`, all its lines together. The standard asks for 512 at least.
const MAX_STATE_BYTES: usize = 1024;
/// The most entries that the standard lets a `tracestate` have.
const MAX_STATE_ENTRIES: usize = 32;

/// Removes what is not valid, and says which trace the request belongs to.
pub(crate) fn clean(headers: &mut HeaderMap) -> Option<TraceId> {
    let trace = find(headers);
    if trace.is_none() {
        // A state without its parent says nothing (3.3).
        headers.remove(TRACEPARENT);
        headers.remove(TRACESTATE);
    } else if !is_good_state(headers) {
        headers.remove(TRACESTATE);
    }
    trace
}

/// The trace that the request belongs to, when it says so once and validly.
pub(crate) fn find(headers: &HeaderMap) -> Option<TraceId> {
    let mut values = headers.get_all(TRACEPARENT).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => read(value),
        _ => None,
    }
}

/// Reads `version-trace-parent-flags`. A version that is not known may go on after that.
fn read(value: &HeaderValue) -> Option<TraceId> {
    let text = value.to_str().ok()?;
    if text.len() > MAX_PARENT_BYTES {
        return None;
    }
    let is_hex = |text: &str, length: usize| {
        text.len() == length
            && text
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let mut parts = text.split('-');
    let (version, trace) = (parts.next()?, parts.next()?);
    let (parent, flags) = (parts.next()?, parts.next()?);
    let is_known = version == "00";
    let is_good = is_hex(version, 2)
        && version != "ff"
        && is_hex(parent, 16)
        && parent.bytes().any(|b| b != b'0')
        && is_hex(flags, 2)
        && !(is_known && parts.next().is_some());
    trace.parse().ok().filter(|_| is_good)
}

fn is_good_state(headers: &HeaderMap) -> bool {
    let (mut bytes, mut entries) = (0, 0);
    headers.get_all(TRACESTATE).iter().all(|value| {
        bytes += value.len();
        let Ok(text) = value.to_str() else {
            return false;
        };
        bytes <= MAX_STATE_BYTES
            && text.split(',').map(str::trim).all(|entry| {
                entries += usize::from(!entry.is_empty());
                entries <= MAX_STATE_ENTRIES && (entry.is_empty() || is_good_entry(entry))
            })
    })
}

fn is_good_entry(entry: &str) -> bool {
    let Some((key, value)) = entry.split_once('=') else {
        return false;
    };
    let is_key = |b: u8| {
        b.is_ascii_lowercase()
            || b.is_ascii_digit()
            || matches!(b, b'_' | b'-' | b'*' | b'/' | b'@')
    };
    (1..=256).contains(&key.len())
        && key.bytes().all(is_key)
        && (1..=256).contains(&value.len())
        && value
            .bytes()
            .all(|b| (b' '..=b'~').contains(&b) && b != b'=')
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn after(given: &[(&'static str, &str)]) -> (Option<String>, Vec<String>) {
        let mut headers = HeaderMap::new();
        for (name, value) in given {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        let trace = clean(&mut headers).map(|id| id.to_string());
        let left = headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()));
        (trace, left.collect())
    }

    #[test]
    fn a_valid_parent_passes_as_it_is() {
        for good in [
            GOOD,
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
            "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-later",
        ] {
            let (trace, left) = after(&[("traceparent", good)]);
            assert_eq!(trace.as_deref(), Some("0af7651916cd43dd8448eb211c80319c"));
            assert_eq!(left, [format!("traceparent: {good}")]);
        }
        assert_eq!(
            after(&[("accept", "x")]),
            (None, vec!["accept: x".to_owned()])
        );
    }

    #[test]
    fn an_invalid_parent_goes_nowhere_and_takes_its_state_along() {
        let long = format!("cc-{}-{}", &GOOD[3..], "x".repeat(100));
        for bad in [
            "",
            "00",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
            "0-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "secret",
            &long,
        ] {
            let given = [("traceparent", bad), ("tracestate", "a=1")];
            assert_eq!(after(&given), (None, Vec::new()), "{bad}");
        }
        let twice = [("traceparent", GOOD), ("traceparent", GOOD)];
        assert_eq!(after(&twice), (None, Vec::new()));
    }

    #[test]
    fn a_state_is_bounded() {
        let many = vec!["a=1"; 33].join(",");
        let long = format!("a={},b={0},c={0},d={0},e={0}", "x".repeat(250));
        for (state, passes) in [
            ("a=1", true),
            ("rojo=00f067aa0ba902b7,congo@x=t61rcWkgMzE", true),
            ("a=1,,b=2", true),
            (&*many, false),
            (&*long, false),
            ("A=1", false),
            ("a", false),
            ("a=", false),
            ("=1", false),
            ("a=1=2", false),
        ] {
            let (trace, left) = after(&[("traceparent", GOOD), ("tracestate", state)]);
            assert!(trace.is_some());
            assert_eq!(left.len() == 2, passes, "{state}");
        }
    }
}
