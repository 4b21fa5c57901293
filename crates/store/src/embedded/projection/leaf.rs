//! What is indexed of a leaf. A leaf may have been tampered with: nothing here fails.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};

/// The fields of an event that people search for.
#[derive(Debug, Default, PartialEq, Deserialize)]
pub(super) struct Indexed<'a> {
    #[serde(borrow, default, deserialize_with = "text")]
    pub(super) zone: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "text")]
    pub(super) log: Option<Cow<'a, str>>,
    #[serde(default)]
    pub(super) index: Option<u64>,
    #[serde(borrow, default, deserialize_with = "text")]
    pub(super) id: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "text")]
    pub(super) request_id: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "text")]
    pub(super) time: Option<Cow<'a, str>>,
    #[serde(borrow, default, rename = "type", deserialize_with = "text")]
    pub(super) event_type: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "text")]
    pub(super) decision: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "text")]
    pub(super) application: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "text")]
    pub(super) session: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "text")]
    pub(super) mandate: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "text")]
    pub(super) resource: Option<Cow<'a, str>>,
}

/// A text that is borrowed where nothing in it is escaped, which serde does for a plain `Cow` only.
fn text<'de: 'a, 'a, D: Deserializer<'de>>(from: D) -> Result<Option<Cow<'a, str>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(transparent)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

    Ok(Option::<Text<'a>>::deserialize(from)?.map(|text| text.0))
}

impl<'a> Indexed<'a> {
    /// As much as can be read of it.
    pub(super) fn of(leaf: &'a [u8]) -> Self {
        serde_json::from_slice(leaf).unwrap_or_else(|_| Self::salvage(leaf))
    }

    fn salvage(leaf: &[u8]) -> Self {
        let Ok(serde_json::Value::Object(mut fields)) = serde_json::from_slice(leaf) else {
            return Self::default();
        };
        let index = fields.get("index").and_then(serde_json::Value::as_u64);
        let mut text = |name: &str| match fields.remove(name) {
            Some(serde_json::Value::String(text)) => Some(Cow::Owned(text)),
            _ => None,
        };
        Self {
            zone: text("zone"),
            log: text("log"),
            index,
            id: text("id"),
            request_id: text("request_id"),
            time: text("time"),
            event_type: text("type"),
            decision: text("decision"),
            application: text("application"),
            session: text("session"),
            mandate: text("mandate"),
            resource: text("resource"),
        }
    }

    /// Nanoseconds since 1970.
    pub(super) fn nanoseconds(&self) -> Option<i64> {
        self.time
            .as_deref()?
            .parse::<Timestamp>()
            .ok()
            .map(nanoseconds)
    }
}

/// Reads a leaf as the projection does.
#[cfg(any(test, fuzzing))]
pub(crate) fn read(leaf: &[u8]) {
    let read = Indexed::of(leaf);
    let _ = (read.nanoseconds(), read.index);
}

/// As the index keeps times. The ends of the range stand for everything beyond.
pub(super) fn nanoseconds(time: Timestamp) -> i64 {
    let nanoseconds = time.as_nanosecond();
    i64::try_from(nanoseconds).unwrap_or(if nanoseconds < 0 { i64::MIN } else { i64::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_leaf_keeps_what_can_be_read() {
        let leaf = br#"{"id":"evt_1","zone":7,"log":"log_1","index":3,"time":"1970-01-01T00:00:01Z","new":[]}"#;
        let indexed = Indexed::of(leaf);
        assert_eq!(indexed.id.as_deref(), Some("evt_1"));
        assert_eq!(indexed.zone, None);
        assert_eq!(indexed.index, Some(3));
        assert_eq!(indexed.nanoseconds(), Some(1_000_000_000));
    }

    #[test]
    fn anything_at_all_is_a_leaf_to_the_index() {
        let deep = "[".repeat(100_000);
        for hostile in [
            &b""[..],
            b"\xff\xfe",
            b"null",
            b"{",
            br#"{"index":-1,"time":9}"#,
            deep.as_bytes(),
        ] {
            let indexed = Indexed::of(hostile);
            assert_eq!(indexed.index, None);
            assert_eq!(indexed.nanoseconds(), None);
        }
    }

    #[test]
    fn escapes_are_resolved() {
        assert_eq!(
            Indexed::of(br#"{"resource":"a\u0062"}"#)
                .resource
                .as_deref(),
            Some("ab")
        );
    }
}
