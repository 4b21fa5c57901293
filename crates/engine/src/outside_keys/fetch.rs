//! Fetching a key set, by way of an issuer's metadata where need be.

use std::time::Duration;

use caracal_crypto::{ClientKeys, ClientKeysError};
use caracal_egress::{Destination, FetchError};
use serde::Deserialize;
use url::Url;

use super::KeyPlace;
use crate::Engine;

/// The largest document that is read, in bytes.
const MAX_DOCUMENT_BYTES: usize = 256 * 1024;
/// How long each of the documents may take.
const FETCH_TIME: Duration = Duration::from_millis(2500);
/// The longest URL.
const MAX_URL_BYTES: usize = 2048;

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoKeys {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("the server has no way out")]
    NoWayOut,
    #[error("the metadata are no JSON object with `issuer` and `jwks_uri`")]
    Metadata,
    #[error("the metadata are of another issuer")]
    OtherIssuer,
    #[error("`jwks_uri` of the metadata: {0}")]
    Url(&'static str),
    #[error(transparent)]
    Keys(#[from] ClientKeysError),
}

impl NoKeys {
    /// The word for it in metrics.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Fetch(error) => error.kind(),
            Self::NoWayOut => "no_way_out",
            Self::Metadata | Self::Url(_) => "bad_metadata",
            Self::OtherIssuer => "other_issuer",
            Self::Keys(_) => "bad_keys",
        }
    }
}

#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    jwks_uri: String,
}

impl Engine {
    pub(super) async fn fetch_keys(&self, place: &KeyPlace) -> Result<ClientKeys, NoKeys> {
        if !place.is_issuer {
            return Ok(ClientKeys::parse_published(
                &self.fetch(place, &place.url).await?,
            )?);
        }
        // OpenID Connect Discovery 1.0, section 4.
        let issuer = place.url.trim_end_matches('/');
        let metadata = format!("{issuer}/.well-known/openid-configuration");
        let read = self.fetch(place, &metadata).await?;
        let read: Metadata = serde_json::from_slice(&read).map_err(|_| NoKeys::Metadata)?;
        if read.issuer != *place.url {
            return Err(NoKeys::OtherIssuer);
        }
        check_url(&read.jwks_uri, place.allow_private).map_err(NoKeys::Url)?;
        Ok(ClientKeys::parse_published(
            &self.fetch(place, &read.jwks_uri).await?,
        )?)
    }

    async fn fetch(&self, place: &KeyPlace, url: &str) -> Result<Vec<u8>, NoKeys> {
        let egress = self.0.outside_keys.egress.get().ok_or(NoKeys::NoWayOut)?;
        let destination = Destination {
            zone: Some(place.zone),
            allow_private: place.allow_private,
            ..Destination::default()
        };
        let fetched = egress.fetch_json(&destination, url, MAX_DOCUMENT_BYTES, FETCH_TIME);
        Ok(fetched.await?)
    }
}

/// Checks where keys may be fetched: whoever can change what comes back can be anybody, so
/// plain HTTP is for loopback alone.
pub(crate) fn check_url(text: &str, allow_private: bool) -> Result<(), &'static str> {
    let no_url = "an `https` URL of at most 2048 bytes, without a user or a fragment";
    let url = Url::parse(text).map_err(|_| no_url)?;
    let is_plain = text.len() <= MAX_URL_BYTES
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && url.fragment().is_none()
        && !caracal_core::has_hidden_characters(text);
    let is_loopback = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    match url.scheme() {
        _ if !is_plain => Err(no_url),
        "https" => Ok(()),
        "http" if is_loopback && allow_private => Ok(()),
        "http" => Err("`http` is for a loopback address with `allow_private: true` alone"),
        _ => Err(no_url),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_over_tls_or_from_this_machine() {
        for (text, private, expected) in [
            ("https://issuer.example", false, true),
            ("https://issuer.example/a/b?p=x", false, true),
            ("http://issuer.example", true, false),
            ("http://127.0.0.1:8080/jwks", true, true),
            ("http://localhost:1", true, true),
            ("http://[::1]:1", true, true),
            ("http://127.0.0.1:8080/jwks", false, false),
            ("http://10.0.0.1", true, false),
            ("https://user@issuer.example", false, false),
            ("https://issuer.example/#x", false, false),
            ("spiffe://acme.example", true, false),
            ("file:///etc/passwd", true, false),
            ("issuer.example", true, false),
        ] {
            assert_eq!(check_url(text, private).is_ok(), expected, "{text}");
        }
        let long = format!("https://issuer.example/{}", "x".repeat(MAX_URL_BYTES));
        assert!(check_url(&long, false).is_err());
    }
}
