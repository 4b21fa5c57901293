//! What is spoken to an upstream.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The HTTP version that is spoken to an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UpstreamProtocol {
    /// HTTP/1.1, which every upstream speaks.
    #[default]
    Auto,
    /// HTTP/1.1 always.
    Http1,
    /// HTTP/2 always; in the clear without asking first ("prior knowledge").
    Http2,
}

impl UpstreamProtocol {
    /// The word of the zone file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Http1 => "http1",
            Self::Http2 => "http2",
        }
    }

    /// True for the default, which stored resources leave out.
    pub fn is_auto(&self) -> bool {
        *self == Self::Auto
    }
}

impl FromStr for UpstreamProtocol {
    type Err = &'static str;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        [Self::Auto, Self::Http1, Self::Http2]
            .into_iter()
            .find(|protocol| protocol.as_str() == word)
            .ok_or("use `auto`, `http1` or `http2`")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_means_itself() {
        for word in ["auto", "http1", "http2"] {
            let protocol: UpstreamProtocol = word.parse().unwrap();
            assert_eq!(protocol.as_str(), word);
            let json = serde_json::to_string(&protocol).unwrap();
            assert_eq!(json, format!("\"{word}\""));
        }
        for word in ["", "h2c", "HTTP2", "http3"] {
            assert!(word.parse::<UpstreamProtocol>().is_err(), "{word}");
        }
    }
}
