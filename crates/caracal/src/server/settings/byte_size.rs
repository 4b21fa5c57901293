//! A number of bytes, as people write it.

use std::str::FromStr;

use serde::Deserialize;

/// A number of bytes: plain, or with one of the units KiB, MiB, GiB and TiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub(crate) struct ByteSize(pub(crate) u64);

/// In `server.toml` it may be a number or a text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Bytes(u64),
    Text(String),
}

impl TryFrom<Written> for ByteSize {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        match written {
            Written::Bytes(bytes) => Ok(Self(bytes)),
            Written::Text(text) => text.parse(),
        }
    }
}

impl FromStr for ByteSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let trimmed = text.trim();
        let digits = trimmed.trim_end_matches(|c: char| !c.is_ascii_digit());
        let unit = trimmed.get(digits.len()..).unwrap_or_default().trim();
        let shift = match unit {
            "" | "B" => Some(0),
            "KiB" => Some(10),
            "MiB" => Some(20),
            "GiB" => Some(30),
            "TiB" => Some(40),
            _ => None,
        };
        let number: Option<u64> = digits.parse().ok();
        number
            .zip(shift)
            .and_then(|(number, shift)| number.checked_mul(1_u64 << shift))
            .map(Self)
            .ok_or_else(|| format!("`{text}` is no size; use for example `500MiB` or `20GiB`"))
    }
}

impl std::fmt::Display for ByteSize {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_as_people_write_them() {
        for (text, bytes) in [
            ("0", 0),
            ("4096", 4096),
            ("1KiB", 1024),
            (" 20 MiB ", 20 << 20),
            ("3GiB", 3 << 30),
            ("1TiB", 1 << 40),
        ] {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}");
            assert_eq!(ByteSize(bytes).to_string().parse(), Ok(ByteSize(bytes)));
        }
        for text in ["", "MiB", "1MB", "-1", "1.5GiB", "99999999999TiB", "1 2"] {
            assert!(text.parse::<ByteSize>().is_err(), "{text}");
        }
    }
}
