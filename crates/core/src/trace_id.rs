//! The id of a trace that a request belongs to (W3C Trace Context).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The id of a trace: 16 bytes, not all zero, written as 32 lower-case hex digits. A client
/// chose it; it joins what we record with what others record, and proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId(u128);

/// The text is no trace id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a trace id is 32 lower-case hex digits that are not all 0")]
pub struct TraceIdError;

impl FromStr for TraceId {
    type Err = TraceIdError;

    fn from_str(text: &str) -> Result<Self, TraceIdError> {
        let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if text.len() != 32 || !text.bytes().all(is_hex) {
            return Err(TraceIdError);
        }
        match u128::from_str_radix(text, 16) {
            Ok(0) | Err(_) => Err(TraceIdError),
            Ok(id) => Ok(Self(id)),
        }
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl Serialize for TraceId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TraceId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_standard_writes_is_read() {
        let good = "0af7651916cd43dd8448eb211c80319c";
        let id: TraceId = good.parse().unwrap();
        assert_eq!(id.to_string(), good);
        assert_eq!(serde_json::to_value(id).unwrap(), good);
        let low = "00000000000000000000000000000001";
        assert_eq!(low.parse::<TraceId>().unwrap().to_string(), low);
        for bad in [
            "",
            "0af7651916cd43dd8448eb211c80319",
            "0af7651916cd43dd8448eb211c80319c0",
            "0AF7651916CD43DD8448EB211C80319C",
            "00000000000000000000000000000000",
            "+af7651916cd43dd8448eb211c80319c",
            "0af7651916cd43dd8448eb211c80319g",
        ] {
            assert!(bad.parse::<TraceId>().is_err(), "{bad}");
        }
    }
}
