//! What a sink may be pointed at.

use caracal_core::{Secret, SinkKind};
use caracal_crypto::WebhookKey;
use url::Url;

use crate::FieldError;

/// The longest URL of a sink.
const MAX_URL: usize = 2048;

/// Checks the URL of a sink.
pub(crate) fn check_url(field: &str, text: &str, allow_private: bool) -> Result<(), FieldError> {
    // The text is not repeated: it may be a secret.
    let refuse = |why: &str| Err(FieldError::new(field, why));
    if text.len() > MAX_URL {
        return refuse("a url of a sink has at most 2048 bytes");
    }
    let Ok(url) = Url::parse(text) else {
        return refuse("it is not a url");
    };
    match url.scheme() {
        "https" => {}
        "http" if allow_private => {}
        "http" => {
            return Err(FieldError::new(field, "messages go out over `https`").hint(
                "use `https`, or a receiver in your own network with `allow_private: true`",
            ));
        }
        _ => return refuse("the scheme is not `https`"),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return refuse("a url must not carry a user name or password");
    }
    if url.fragment().is_some() || url.host_str().is_none_or(str::is_empty) {
        return refuse("a url of a sink has a host and no fragment");
    }
    Ok(())
}

/// Checks the secret of a sink.
pub(crate) fn check_secret(
    kind: &SinkKind,
    secret: &Secret,
    allow_private: bool,
) -> Result<(), FieldError> {
    let text = secret.expose_str().unwrap_or_default();
    match kind {
        SinkKind::Webhook { .. } if WebhookKey::parse(text).is_none() => Err(FieldError::new(
            "secret",
            "the key of a webhook is `whsec_` and 24 to 64 bytes in base64",
        )
        .hint("`echo whsec_$(openssl rand -base64 32)` makes one")),
        SinkKind::Webhook { .. } => Ok(()),
        SinkKind::Slack => check_url("secret", text, allow_private),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_goes_to_https_or_into_the_own_network() {
        assert!(check_url("url", "https://a.example/x?token=1", false).is_ok());
        assert!(check_url("url", "http://a.example/", false).is_err());
        assert!(check_url("url", "http://127.0.0.1:9/", true).is_ok());
        for bad in [
            "",
            "a",
            "file:///etc",
            "https://u:p@a.example/",
            "https://a.example/#x",
        ] {
            assert!(check_url("url", bad, true).is_err(), "{bad}");
        }
        let error = check_url("secret", "hunter2", true).unwrap_err();
        assert!(!error.message.contains("hunter2"));
    }
}
