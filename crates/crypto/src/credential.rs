//! An opened provider credential.

use caracal_core::Secret;

/// The plaintext of a provider's credential. Only [`crate::Keyring::open_credential`] makes
/// one; it cannot be cloned, printed or serialized, and its memory is wiped when it goes.
///
/// ```compile_fail
/// fn print(credential: &caracal_crypto::Credential) -> String {
///     format!("{credential:?}")
/// }
/// ```
///
/// ```compile_fail
/// fn copy(credential: &caracal_crypto::Credential) -> caracal_crypto::Credential {
///     Clone::clone(credential)
/// }
/// ```
pub struct Credential(Secret);

impl Credential {
    pub(crate) fn new(secret: Secret) -> Self {
        Self(secret)
    }

    /// The plaintext, for the one request that it is put into.
    pub fn expose(&self) -> &[u8] {
        self.0.expose()
    }
}
