//! From an opened credential to what is added to one request.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use caracal_core::{Injection, ProviderKind, Secret};
use caracal_crypto::Credential;

use crate::check_secret::check_bytes;
use crate::slots::AUTHORIZATION;
use crate::{InjectError, check_kind};

/// Puts a credential where its kind says. A kind without a secret injects nothing.
///
/// Every header value is printable ASCII; values of query parameters are decoded text,
/// encoded by whoever writes the URI.
///
/// # Errors
///
/// [`InjectError`]; then nothing may be sent.
pub fn inject(
    kind: &ProviderKind,
    credential: Option<&Credential>,
) -> Result<Injection, InjectError> {
    if !kind.needs_secret() {
        return Ok(Injection::default());
    }
    check_kind(kind).map_err(InjectError::BadKind)?;
    let secret = credential.ok_or(InjectError::NoSecret)?.expose();
    check_bytes(kind, secret).map_err(InjectError::BadSecret)?;

    let header = |name: &str, value| Injection {
        headers: vec![(name.into(), value)],
        query: Vec::new(),
    };
    match kind {
        ProviderKind::None => Ok(Injection::default()),
        ProviderKind::Bearer => Ok(header(AUTHORIZATION, joined(&[b"Bearer ", secret]))),
        ProviderKind::Basic { username } => {
            basic(username, secret).map(|value| header(AUTHORIZATION, value))
        }
        ProviderKind::ApiKey {
            header: Some(name),
            prefix,
            ..
        } => {
            let prefix = prefix.as_deref().unwrap_or("");
            Ok(header(
                &name.to_ascii_lowercase(),
                joined(&[prefix.as_bytes(), secret]),
            ))
        }
        ProviderKind::ApiKey {
            query: Some(name), ..
        } => Ok(Injection {
            headers: Vec::new(),
            query: vec![(name.as_str().into(), joined(&[secret]))],
        }),
        ProviderKind::ApiKey { .. } => Err(InjectError::BadKind("it names no place".to_owned())),
    }
}

/// The parts in a buffer that never grows: growing would leave a copy behind unwiped.
fn joined(parts: &[&[u8]]) -> Secret {
    let mut bytes = Vec::with_capacity(parts.iter().map(|part| part.len()).sum());
    for part in parts {
        bytes.extend_from_slice(part);
    }
    Secret::new(bytes)
}

fn basic(username: &str, secret: &[u8]) -> Result<Secret, InjectError> {
    const SCHEME: &[u8] = b"Basic ";
    let too_long = || InjectError::BadSecret("it is too long".to_owned());
    let plain = joined(&[username.as_bytes(), b":", secret]);
    let encoded = base64::encoded_len(plain.expose().len(), true).ok_or_else(too_long)?;
    let mut value = vec![0; SCHEME.len() + encoded];
    let (scheme, rest) = value
        .split_at_mut_checked(SCHEME.len())
        .ok_or_else(too_long)?;
    scheme.copy_from_slice(SCHEME);
    STANDARD
        .encode_slice(plain.expose(), rest)
        .map_err(|_| too_long())?;
    Ok(Secret::new(value))
}

#[cfg(test)]
mod tests;
