//! JSON without repeated keys.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Accepts any JSON in which no object repeats a key. Parsers differ in which of two
/// values they take, and a verifier and a resource must not read different mandates.
struct UniqueJson;

/// True when the bytes are JSON and no object in it repeats a key.
pub(crate) fn is_unique_json(json: &[u8]) -> bool {
    serde_json::from_slice::<UniqueJson>(json).is_ok()
}

impl<'de> Deserialize<'de> for UniqueJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Walk)
    }
}

struct Walk;

impl<'de> Visitor<'de> for Walk {
    type Value = UniqueJson;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without repeated keys")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<UniqueJson, A::Error> {
        let mut seen = BTreeSet::new();
        while let Some(key) = map.next_key::<String>()? {
            if !seen.insert(key) {
                return Err(A::Error::custom("a key is repeated"));
            }
            map.next_value::<UniqueJson>()?;
        }
        Ok(UniqueJson)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<UniqueJson, A::Error> {
        while seq.next_element::<UniqueJson>()?.is_some() {}
        Ok(UniqueJson)
    }

    fn visit_bool<E>(self, _: bool) -> Result<UniqueJson, E> {
        Ok(UniqueJson)
    }

    fn visit_i64<E>(self, _: i64) -> Result<UniqueJson, E> {
        Ok(UniqueJson)
    }

    fn visit_u64<E>(self, _: u64) -> Result<UniqueJson, E> {
        Ok(UniqueJson)
    }

    fn visit_f64<E>(self, _: f64) -> Result<UniqueJson, E> {
        Ok(UniqueJson)
    }

    fn visit_str<E>(self, _: &str) -> Result<UniqueJson, E> {
        Ok(UniqueJson)
    }

    fn visit_unit<E>(self) -> Result<UniqueJson, E> {
        Ok(UniqueJson)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<UniqueJson, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| UniqueJson)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_key_is_refused_at_any_depth() {
        for good in [
            "{}",
            "[]",
            "1",
            "null",
            r#"{"a":1,"b":[{"a":1.5},{"a":-2}],"c":{"a":true,"b":"x"}}"#,
        ] {
            assert!(is_unique_json(good.as_bytes()), "{good}");
        }
        for bad in [
            "",
            "{",
            "{} {}",
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"x":{"a":1,"a":2}}"#,
            r#"[{"x":[{"a":1,"b":2,"a":3}]}]"#,
            &"[".repeat(100_000),
        ] {
            assert!(!is_unique_json(bad.as_bytes()), "{bad:.40}");
        }
    }
}
