//! Plaintext secrets.

use zeroize::Zeroizing;

/// A plaintext secret. It cannot be printed, cloned, compared or serialized, and its
/// memory is wiped when it goes.
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes the bytes over. Copies that the caller made before are the caller's to wipe.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The plaintext. Hand it to the one place that needs it and keep no copy.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The plaintext as text, when it is UTF-8.
    pub fn expose_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text.into_bytes())
    }
}
