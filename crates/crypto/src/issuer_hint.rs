//! Recognising a mandate where none belongs.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::Value;

/// Longer texts are not looked into: no mandate of ours is that long.
const MAX_BYTES: usize = 16 * 1024;

/// The `iss` of anything that looks like a JWT. **Unchecked**: it serves only to refuse a
/// mandate in a place where it would be sent on.
///
/// It is lenient on purpose (padding, any algorithm, any signature, white space around),
/// so that no other spelling slips through. It does not strip a scheme such as `Bearer `.
pub fn find_issuer(token: &str) -> Option<String> {
    let token = token.trim();
    if token.len() > MAX_BYTES {
        return None;
    }
    let mut parts = token.split('.');
    let (header, claims) = (parts.next()?, parts.next()?);
    parts.next()?;
    json(header)?.get("alg")?;
    json(claims)?.get("iss")?.as_str().map(str::to_owned)
}

fn json(part: &str) -> Option<Value> {
    let plain = part
        .trim_end_matches('=')
        .replace('+', "-")
        .replace('/', "_");
    let config = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true);
    let bytes = GeneralPurpose::new(&alphabet::URL_SAFE, config)
        .decode(plain)
        .ok()?;
    serde_json::from_slice(&bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base64url::encode;

    #[test]
    fn the_issuer_of_anything_like_a_jwt_is_found() {
        let header = encode(br#"{"alg":"RS256"}"#);
        let claims = encode(br#"{"iss":"https://a/zones/z"}"#);
        for token in [
            format!("{header}.{claims}.c2ln"),
            format!("{header}.{claims}."),
            format!(" {header}.{claims}=.c2ln "),
            format!("{header}.{claims}.not base64.more"),
        ] {
            assert_eq!(
                find_issuer(&token).as_deref(),
                Some("https://a/zones/z"),
                "{token}"
            );
        }
    }

    #[test]
    fn other_texts_have_no_issuer() {
        let header = encode(br#"{"alg":"none"}"#);
        for text in [
            String::new(),
            "sk-live-123".to_owned(),
            "a.b.c".to_owned(),
            "..".to_owned(),
            format!("{header}.{}", encode(br#"{"iss":"x"}"#)),
            format!("{header}.{}.", encode(br#"{"iss":1}"#)),
            format!("{header}.{}.", encode(b"[]")),
            format!("{}.{}.", encode(b"{}"), encode(br#"{"iss":"x"}"#)),
            format!(
                "{header}.{}.{}",
                encode(br#"{"iss":"x"}"#),
                "a".repeat(20_000)
            ),
        ] {
            assert_eq!(find_issuer(&text), None, "{text:.80}");
        }
    }
}
