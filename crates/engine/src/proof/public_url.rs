//! The URL that clients know a door by, and whether a proof is for it.

use caracal_core::RequestPath;
use url::Url;

/// The public URL of a door.
#[derive(Debug)]
pub(super) struct PublicUrl {
    url: Url,
    /// Its path, without a slash at the end.
    base: String,
}

impl PublicUrl {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        url.host()?;
        let base = url.path().trim_end_matches('/').to_owned();
        Some(Self { url, base })
    }

    /// True when `htu` names the URL that a service says was asked for.
    pub(super) fn is_same(htu: &str, asked: &str) -> bool {
        let Ok(url) = Url::parse(asked) else {
            return false;
        };
        if url.host().is_none() {
            return false;
        }
        let path = url.path().to_owned();
        let service = Self {
            url,
            base: String::new(),
        };
        service.is_target(htu, &path)
    }

    /// True when `htu` names `path` at this door (RFC 9449, 4.3): without query and fragment,
    /// host and scheme in any case, the default port written or not, and each character of the
    /// path encoded or not where that makes no difference.
    pub(super) fn is_target(&self, htu: &str, path: &str) -> bool {
        let Ok(named) = Url::parse(htu) else {
            return false;
        };
        let same_origin = named.scheme() == self.url.scheme()
            && named.host() == self.url.host()
            && named.port_or_known_default() == self.url.port_or_known_default()
            && named.username().is_empty()
            && named.password().is_none();
        if !same_origin {
            return false;
        }
        let asked = format!("{}{path}", self.base);
        named.path() == asked
            || match (RequestPath::parse(named.path()), RequestPath::parse(&asked)) {
                (Ok(named), Ok(asked)) => named == asked,
                _ => false,
            }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_same_url_may_be_written_in_several_ways() {
        let door = PublicUrl::parse("https://Gw.example.com").unwrap();
        for htu in [
            "https://gw.example.com/r/a/b%20c",
            "HTTPS://GW.EXAMPLE.COM:443/r/a/b%20c?x=1#y",
            "https://gw.example.com/r/%61/b%20c",
            "https://gw.example.com/r/x/../a/b c",
        ] {
            assert!(door.is_target(htu, "/r/a/b%20c"), "{htu}");
        }
        let based = PublicUrl::parse("https://example.com:8443/gw/").unwrap();
        assert!(based.is_target("https://example.com:8443/gw/r/a", "/r/a"));
        assert!(!based.is_target("https://example.com:8443/r/a", "/r/a"));
        let root = PublicUrl::parse("http://[::1]:8081").unwrap();
        assert!(root.is_target("http://[::1]:8081", "/"));
        assert!(root.is_target("http://[0:0::1]:8081/", "/"));
    }

    #[test]
    fn another_url_is_another() {
        let door = PublicUrl::parse("https://gw.example.com").unwrap();
        for htu in [
            "",
            "/r/a",
            "gw.example.com/r/a",
            "http://gw.example.com/r/a",
            "https://gw.example.com:8443/r/a",
            "https://gw.example.com.evil.com/r/a",
            "https://evil.com/r/a",
            "https://gw.example.com@evil.com/r/a",
            "https://u:p@gw.example.com/r/a",
            "https://gw.example.com/r/b",
            "https://gw.example.com/r/a/b",
            "https://gw.example.com/r",
            "https://gw.example.com/R/a",
            "https://gw.example.com/r%2Fa",
            "https://gw.example.com//r/a",
            "wss://gw.example.com/r/a",
            "data:text/plain,x",
        ] {
            assert!(!door.is_target(htu, "/r/a"), "{htu}");
        }
        let asked = "https://s.example.com/v1/a/";
        assert!(PublicUrl::is_same("https://S.example.com:443/v1/a/", asked));
        for htu in [
            "https://s.example.com/v1/a",
            "https://s.example.com",
            "/v1/a/",
        ] {
            assert!(!PublicUrl::is_same(htu, asked), "{htu}");
        }
        assert!(!PublicUrl::is_same("mailto:a@b", "mailto:a@b"));
        assert!(PublicUrl::parse("nonsense").is_none());
        assert!(PublicUrl::parse("mailto:a@b").is_none());
    }

    proptest! {
        #[test]
        fn only_the_path_that_was_asked_for_fits(asked in "(/[a-c%2F.]{1,3}){1,3}", named in "(/[a-c%2F.]{1,3}){1,3}") {
            let door = PublicUrl::parse("https://g").unwrap();
            if door.is_target(&format!("https://g{named}"), &asked) && named != asked {
                // Then both are the same path in another spelling.
                let url = Url::parse(&format!("https://g{named}")).unwrap();
                let same = RequestPath::parse(url.path()) == RequestPath::parse(&asked);
                prop_assert!(same || url.path() == asked, "{} {}", named, asked);
            }
            let own = format!("https://g{asked}");
            prop_assert!(asked.contains('.') || door.is_target(&own, &asked));
        }
    }
}
