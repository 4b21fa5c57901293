//! High-entropy secrets that are handed to people and programs.

use caracal_core::Secret;
use zeroize::Zeroizing;

use crate::{base64url, constant_time_eq, hex, random_bytes, sha256};

/// A secret of 256 random bits after a prefix that says what it is. Store only its digest:
/// with so much entropy a plain SHA-256 cannot be turned back.
pub struct SecretText(Secret);

impl SecretText {
    /// A new secret: the prefix and base64url of 32 random bytes.
    pub fn new(prefix: &str) -> Self {
        let bytes = Zeroizing::new(random_bytes::<32>());
        let random = Zeroizing::new(base64url::encode(bytes.as_slice()));
        // Allocated once, so that no half-written copy stays behind.
        let mut text = String::with_capacity(prefix.len() + random.len());
        text.push_str(prefix);
        text.push_str(&random);
        Self(Secret::from(text))
    }

    /// The text, to be shown once.
    pub fn text(&self) -> &Secret {
        &self.0
    }

    /// The digest of the whole text, in hex, for [`secret_matches`].
    pub fn sha256_hex(&self) -> String {
        hex(&sha256(self.0.expose()))
    }
}

/// True when the presented text has this digest (lower-case hex). The comparison takes
/// the same time wherever the two differ.
pub fn secret_matches(presented: &[u8], sha256_hex: &str) -> bool {
    constant_time_eq(hex(&sha256(presented)).as_bytes(), sha256_hex.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_text_matches() {
        let secret = SecretText::new("cs_");
        let text = secret.text().expose_str().unwrap();
        assert!(text.starts_with("cs_") && text.len() == 3 + 43);
        assert!(secret_matches(text.as_bytes(), &secret.sha256_hex()));
        assert!(!secret_matches(&text.as_bytes()[3..], &secret.sha256_hex()));
        assert!(!secret_matches(
            text.as_bytes(),
            &SecretText::new("cs_").sha256_hex()
        ));
        assert!(!secret_matches(b"", ""));
        assert!(!secret_matches(text.as_bytes(), &secret.sha256_hex()[..63]));
        assert!(!secret_matches(
            secret.sha256_hex().as_bytes(),
            &secret.sha256_hex()
        ));
    }
}
