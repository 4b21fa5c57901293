//! What a claim of somebody else's token has to say.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::has_hidden_characters;

/// The longest pattern, in bytes.
pub const MAX_CLAIM_PATTERN_BYTES: usize = 512;

/// A value, or the beginning of one with `*` behind it. A `*` anywhere else is a star.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClaimPattern(String);

/// Why a text is no pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ClaimPatternError {
    /// It says nothing.
    #[error("a condition is a value, or the beginning of one and `*`; this one is empty")]
    Empty,
    /// It is longer than [`MAX_CLAIM_PATTERN_BYTES`].
    #[error("a condition has at most 512 bytes")]
    TooLong,
    /// It holds characters that nobody sees.
    #[error("a condition has no control characters and none that change the direction of text")]
    Hidden,
    /// It is true of everything.
    #[error("`*` alone is true of everybody: say how the value begins")]
    Everything,
    /// It is true of names that merely begin alike.
    #[error(
        "what stands before `*` ends in `/`, `:` or another separator, so that `acme*` does not let `acme-evil` in"
    )]
    NoBorder,
}

impl ClaimPattern {
    /// True when this is what the pattern says.
    pub fn matches(&self, value: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(beginning) => value.starts_with(beginning),
            None => value == self.0,
        }
    }

    /// The text of the pattern.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ClaimPattern {
    type Err = ClaimPatternError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Err(ClaimPatternError::Empty);
        }
        if text.len() > MAX_CLAIM_PATTERN_BYTES {
            return Err(ClaimPatternError::TooLong);
        }
        if has_hidden_characters(text) {
            return Err(ClaimPatternError::Hidden);
        }
        if let Some(beginning) = text.strip_suffix('*') {
            let last = beginning.chars().next_back();
            let last = last.ok_or(ClaimPatternError::Everything)?;
            if last == '*' {
                return Err(ClaimPatternError::Everything);
            }
            if last.is_alphanumeric() {
                return Err(ClaimPatternError::NoBorder);
            }
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for ClaimPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for ClaimPattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ClaimPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> ClaimPattern {
        text.parse().unwrap()
    }

    #[test]
    fn a_value_is_exact_and_a_beginning_ends_at_a_border() {
        let exact = pattern("repo:acme/x");
        assert!(exact.matches("repo:acme/x"));
        for other in [
            "repo:acme/x2",
            "repo:acme",
            "",
            "REPO:acme/x",
            "repo:acme/x*",
        ] {
            assert!(!exact.matches(other), "{other}");
        }
        let beginning = pattern("repo:acme/*");
        for (value, expected) in [
            ("repo:acme/x", true),
            ("repo:acme/", true),
            ("repo:acme", false),
            ("repo:acme-evil/x", false),
            ("x repo:acme/x", false),
        ] {
            assert_eq!(beginning.matches(value), expected, "{value}");
        }
        // A star within is a star.
        assert!(pattern("a*b").matches("a*b"));
        assert!(!pattern("a*b").matches("axb"));
    }

    #[test]
    fn what_would_let_others_in_is_no_pattern() {
        for (text, expected) in [
            ("", ClaimPatternError::Empty),
            ("*", ClaimPatternError::Everything),
            ("**", ClaimPatternError::Everything),
            ("repo:acme*", ClaimPatternError::NoBorder),
            ("a\u{202e}b", ClaimPatternError::Hidden),
            ("a\nb", ClaimPatternError::Hidden),
        ] {
            assert_eq!(text.parse::<ClaimPattern>(), Err(expected), "{text:?}");
        }
        let long = "x".repeat(MAX_CLAIM_PATTERN_BYTES + 1);
        assert_eq!(
            long.parse::<ClaimPattern>(),
            Err(ClaimPatternError::TooLong)
        );
    }
}
