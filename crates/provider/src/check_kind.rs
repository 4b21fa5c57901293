//! Whether a kind says where its credential goes, and whether it may go there.

use caracal_core::ProviderKind;

const MAX_NAME_BYTES: usize = 128;
const MAX_PREFIX_BYTES: usize = 64;
const MAX_USERNAME_BYTES: usize = 256;

/// Headers that no credential may fill: they frame the message, choose the connection or
/// say who is asking, or belong to the Gateway.
const FORBIDDEN: [&str; 22] = [
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "dpop",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "set-cookie",
    "te",
    "trailer",
    "trailers",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-method-override",
    "x-original-url",
    "x-rewrite-url",
];

const FORBIDDEN_PREFIXES: [&str; 6] = [
    "proxy-",
    "x-caracal-",
    "caracal-",
    "x-forwarded-",
    "x-http-method",
    "sec-",
];

/// Checks a kind when a provider is applied.
///
/// # Errors
///
/// A message for people, naming the field and what it may be.
pub fn check_kind(kind: &ProviderKind) -> Result<(), String> {
    match kind {
        ProviderKind::None | ProviderKind::Bearer => Ok(()),
        ProviderKind::Basic { username } => check_username(username),
        ProviderKind::ApiKey {
            header: Some(_),
            query: Some(_),
            ..
        } => Err("`header` and `query` exclude each other; keep one".to_owned()),
        ProviderKind::ApiKey {
            header: None,
            query: None,
            ..
        } => Err("`api_key` needs a `header` or a `query` parameter to put the key in".to_owned()),
        ProviderKind::ApiKey {
            header: None,
            prefix: Some(_),
            ..
        } => Err("`prefix` goes before a key in a header; leave it out with `query`".to_owned()),
        ProviderKind::ApiKey {
            header: None,
            query: Some(name),
            prefix: None,
        } => check_query(name),
        ProviderKind::ApiKey {
            header: Some(name),
            query: None,
            prefix,
        } => {
            check_header(name)?;
            prefix.as_deref().map_or(Ok(()), check_prefix)
        }
    }
}

fn check_header(name: &str) -> Result<(), String> {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if name.is_empty() || name.len() > MAX_NAME_BYTES || !name.bytes().all(token) {
        return Err(format!(
            "`header` is not the name of a header; use 1 to {MAX_NAME_BYTES} letters, digits and hyphens, such as `x-api-key`"
        ));
    }
    let lower = name.to_ascii_lowercase();
    let forbidden = FORBIDDEN.contains(&lower.as_str())
        || FORBIDDEN_PREFIXES
            .iter()
            .any(|prefix| lower.starts_with(prefix));
    // Some servers read `_` in a name as `-`.
    let folded = lower.replace('_', "-");
    if forbidden || (folded != lower && check_header(&folded).is_err()) {
        return Err(format!(
            "the header `{lower}` cannot carry a credential; use one such as `x-api-key`"
        ));
    }
    Ok(())
}

fn check_prefix(prefix: &str) -> Result<(), String> {
    let printable = prefix.bytes().all(|b| matches!(b, b' '..=b'~'));
    if prefix.is_empty() || prefix.len() > MAX_PREFIX_BYTES || prefix.starts_with(' ') || !printable
    {
        return Err(format!(
            "`prefix` must be 1 to {MAX_PREFIX_BYTES} printable ASCII characters and not begin with a space, such as `Token `"
        ));
    }
    Ok(())
}

fn check_query(name: &str) -> Result<(), String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~[]$".contains(&b);
    if name.is_empty() || name.len() > MAX_NAME_BYTES || !name.bytes().all(plain) {
        return Err(format!(
            "`query` is not the name of a parameter; use 1 to {MAX_NAME_BYTES} letters, digits and `-._~[]$`, such as `api_key`"
        ));
    }
    Ok(())
}

fn check_username(username: &str) -> Result<(), String> {
    if username.contains(':') {
        return Err("`username` cannot have a colon; the part after it is the secret".to_owned());
    }
    if username.len() > MAX_USERNAME_BYTES || username.chars().any(char::is_control) {
        return Err(format!(
            "`username` must be at most {MAX_USERNAME_BYTES} bytes without control characters"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn api_key(header: Option<&str>, query: Option<&str>, prefix: Option<&str>) -> ProviderKind {
        ProviderKind::ApiKey {
            header: header.map(Into::into),
            query: query.map(Into::into),
            prefix: prefix.map(Into::into),
        }
    }

    #[test]
    fn usable_kinds() {
        let long = "a".repeat(MAX_NAME_BYTES);
        for kind in [
            ProviderKind::None,
            ProviderKind::Bearer,
            ProviderKind::Basic {
                username: "user".into(),
            },
            ProviderKind::Basic {
                username: String::new(),
            },
            ProviderKind::Basic {
                username: "jürgen@example.com".into(),
            },
            api_key(Some("x-api-key"), None, None),
            api_key(Some("X-API-Key"), None, None),
            api_key(Some("authorization"), None, Some("Token ")),
            api_key(Some("api_key"), None, Some("Key=")),
            api_key(Some(&long), None, None),
            api_key(Some("hosting"), None, None),
            api_key(None, Some("key"), None),
            api_key(None, Some("auth[key]"), None),
        ] {
            assert_eq!(check_kind(&kind), Ok(()), "{kind:?}");
        }
    }

    #[test]
    fn forbidden_headers_in_any_spelling() {
        for name in [
            "host",
            "Host",
            "connection",
            "content-length",
            "Transfer-Encoding",
            "te",
            "trailer",
            "upgrade",
            "keep-alive",
            "proxy-authorization",
            "Proxy-Connection",
            "expect",
            "cookie",
            "x-caracal-resource",
            "caracal-receipt",
            "dpop",
            "DPoP",
            "forwarded",
            "x-forwarded-for",
            "X-Forwarded-Host",
            "x-http-method-override",
            "x-http-method",
            "x-method-override",
            "x-original-url",
            "x-rewrite-url",
            "content-type",
            "sec-websocket-key",
            "content_length",
            "Transfer_Encoding",
            "x_forwarded_for",
            "x_caracal_resource",
        ] {
            let refused = check_kind(&api_key(Some(name), None, None)).unwrap_err();
            assert!(refused.contains("cannot carry"), "{name}: {refused}");
        }
    }

    #[test]
    fn unusable_kinds() {
        let long = "a".repeat(MAX_NAME_BYTES + 1);
        for kind in [
            api_key(None, None, None),
            api_key(None, None, Some("Token ")),
            api_key(Some("x-api-key"), Some("key"), None),
            api_key(None, Some("key"), Some("Token ")),
            api_key(Some(""), None, None),
            api_key(Some(&long), None, None),
            api_key(Some("x api"), None, None),
            api_key(Some("x-api:"), None, None),
            api_key(Some(":authority"), None, None),
            api_key(Some("x-api\r\nhost"), None, None),
            api_key(Some("x-äpi"), None, None),
            api_key(Some("x-api-key"), None, Some("")),
            api_key(Some("x-api-key"), None, Some(" Token")),
            api_key(Some("x-api-key"), None, Some("Token\r\n")),
            api_key(Some("x-api-key"), None, Some("Tökén ")),
            api_key(Some("x-api-key"), None, Some(&"p".repeat(65))),
            api_key(None, Some(""), None),
            api_key(None, Some("a&b"), None),
            api_key(None, Some("a=b"), None),
            api_key(None, Some("a%20"), None),
            api_key(None, Some("a b"), None),
            api_key(None, Some(&long), None),
            ProviderKind::Basic {
                username: "a:b".into(),
            },
            ProviderKind::Basic {
                username: "a\nb".into(),
            },
            ProviderKind::Basic {
                username: "a".repeat(257),
            },
        ] {
            assert!(check_kind(&kind).is_err(), "{kind:?}");
        }
    }
}
