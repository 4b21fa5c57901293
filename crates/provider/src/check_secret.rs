//! Whether a secret fits the place its kind puts it.

use caracal_core::{ProviderKind, Secret};

/// The largest secret, in bytes.
pub const MAX_SECRET_BYTES: usize = 16 * 1024;

/// Checks a secret when it is connected.
///
/// # Errors
///
/// A message for people that holds nothing of the secret.
pub fn check_secret(kind: &ProviderKind, secret: &Secret) -> Result<(), String> {
    if !kind.needs_secret() {
        return Err(format!(
            "a provider of kind `{}` has no secret",
            kind.as_str()
        ));
    }
    check_bytes(kind, secret.expose())
}

pub(crate) fn check_bytes(kind: &ProviderKind, secret: &[u8]) -> Result<(), String> {
    let refuse = |why: &str| Err(why.to_owned());
    if secret.is_empty() {
        return refuse("the secret is empty");
    }
    if secret.len() > MAX_SECRET_BYTES {
        return Err(format!("the secret is over {MAX_SECRET_BYTES} bytes"));
    }
    let Ok(text) = std::str::from_utf8(secret) else {
        return refuse("the secret is not UTF-8 text");
    };
    if text.ends_with(['\n', '\r']) {
        return refuse("the secret ends with a line break; remove it (`printf` writes none)");
    }
    if text.chars().any(char::is_control) {
        return refuse("the secret has a control character");
    }
    let in_header = match kind {
        ProviderKind::Bearer => true,
        ProviderKind::ApiKey { header, .. } => header.is_some(),
        // Encoded on the way, so any text will do.
        ProviderKind::None | ProviderKind::Basic { .. } => false,
    };
    if in_header && !text.is_ascii() {
        return refuse("the secret goes into a header and has a character outside ASCII");
    }
    // HTTP drops them, and the upstream would see another secret.
    if in_header && (text.starts_with(' ') || text.ends_with(' ')) {
        return refuse("the secret goes into a header and begins or ends with a space");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: &ProviderKind, secret: &[u8]) -> Result<(), String> {
        check_secret(kind, &Secret::new(secret.to_vec()))
    }

    fn kinds() -> [ProviderKind; 4] {
        let api_key = |header: Option<&str>, query: Option<&str>| ProviderKind::ApiKey {
            header: header.map(Into::into),
            query: query.map(Into::into),
            prefix: None,
        };
        [
            ProviderKind::Bearer,
            ProviderKind::Basic {
                username: "u".into(),
            },
            api_key(Some("x-api-key"), None),
            api_key(None, Some("key")),
        ]
    }

    #[test]
    fn ordinary_secrets_fit_every_kind() {
        let longest = vec![b'a'; MAX_SECRET_BYTES];
        for kind in kinds() {
            for secret in [
                &b"s"[..],
                b"sk-live_1234",
                b"two words",
                b"a:b/c+d=",
                &longest,
            ] {
                assert_eq!(check(&kind, secret), Ok(()), "{kind:?}");
            }
        }
    }

    #[test]
    fn bad_secrets_fit_no_kind_and_are_not_repeated() {
        let too_long = vec![b'a'; MAX_SECRET_BYTES + 1];
        let bad: [&[u8]; 10] = [
            b"",
            &too_long,
            b"hunter2\n",
            b"hunter2\r\n",
            b"hunter2\r\nx-evil: 1",
            b"hun\tter2",
            b"hunter2\0",
            b"hunter2\x7f",
            b"hunter2\xff",
            "hunter2\u{85}".as_bytes(),
        ];
        for kind in kinds() {
            for secret in bad {
                let message = check(&kind, secret).unwrap_err();
                assert!(!message.contains("hun"), "{message}");
            }
        }
        assert!(check(&ProviderKind::None, b"s").is_err());
    }

    #[test]
    fn headers_take_less_than_encoded_places() {
        let [bearer, basic, header, query] = kinds();
        for secret in ["pässword", " s", "s "] {
            for kind in [&bearer, &header] {
                assert!(check(kind, secret.as_bytes()).is_err(), "{kind:?} {secret}");
            }
            for kind in [&basic, &query] {
                assert_eq!(check(kind, secret.as_bytes()), Ok(()), "{kind:?} {secret}");
            }
        }
    }
}
