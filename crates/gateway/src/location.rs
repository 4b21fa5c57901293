//! Where an answer points to.

use caracal_engine::Upstream;
use http::HeaderValue;
use url::Url;

use crate::query::names_any;

/// What is needed to turn an upstream's URL into one of the Gateway's.
pub(crate) struct Rewriter<'a> {
    /// The upstream.
    pub(crate) upstream: &'a Upstream,
    /// The URL that was asked, without its query.
    pub(crate) asked: &'a str,
    /// The resource's URL at the Gateway.
    pub(crate) gateway_url: &'a str,
    /// The parameters that the provider fills. An upstream that repeats the query of a request
    /// in a redirect must not hand the credential to the client.
    pub(crate) secret_parameters: &'a [String],
}

impl Rewriter<'_> {
    /// The value for the client; none when the upstream's is not a URL.
    pub(crate) fn rewrite(&self, value: &HeaderValue) -> Option<HeaderValue> {
        let text = std::str::from_utf8(value.as_bytes()).ok()?;
        let mut target = Url::parse(self.asked).ok()?.join(text).ok()?;
        self.drop_secrets(&mut target);
        let Some(rest) = self.rest_within(&target) else {
            return HeaderValue::try_from(String::from(target)).ok();
        };
        let mut own = format!("{}{rest}", self.gateway_url);
        if let Some(query) = target.query() {
            own.push('?');
            own.push_str(query);
        }
        if let Some(fragment) = target.fragment() {
            own.push('#');
            own.push_str(fragment);
        }
        HeaderValue::try_from(own).ok()
    }

    /// The path below the upstream's, when the URL lies within it.
    fn rest_within<'t>(&self, target: &'t Url) -> Option<&'t str> {
        let base = Url::parse(&format!("{}{}", self.upstream.origin(), self.upstream.base)).ok()?;
        let is_same = target.scheme() == base.scheme()
            && target.host_str()?.trim_end_matches('.') == base.host_str()?
            && target.port_or_known_default() == base.port_or_known_default()
            && target.username().is_empty()
            && target.password().is_none();
        let rest = target
            .path()
            .strip_prefix(base.path().trim_end_matches('/'))?;
        let at_segment = rest.is_empty() || rest.starts_with('/');
        // The Gateway writes the root of a resource without a slash.
        let rest = if rest == "/" { "" } else { rest };
        (is_same && at_segment).then_some(rest)
    }

    fn drop_secrets(&self, target: &mut Url) {
        let names = || self.secret_parameters.iter().map(String::as_str);
        let Some(query) = target.query() else { return };
        if !query.split('&').any(|raw| names_any(raw, names())) {
            return;
        }
        let kept: Vec<_> = query
            .split('&')
            .filter(|raw| !names_any(raw, names()))
            .collect();
        let kept = kept.join("&");
        target.set_query(Some(kept.as_str()).filter(|kept| !kept.is_empty()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(upstream: &str, asked: &str, value: &str) -> Option<String> {
        let upstream = Upstream::parse(upstream).unwrap();
        let rewriter = Rewriter {
            upstream: &upstream,
            asked,
            gateway_url: "https://g/zones/z/r/n",
            secret_parameters: &["key".to_owned()],
        };
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        rewriter
            .rewrite(&value)
            .map(|v| String::from_utf8_lossy(v.as_bytes()).into_owned())
    }

    #[test]
    fn locations_within_the_upstream_lead_to_the_gateway() {
        let (up, asked) = (
            "https://api.example.com/base",
            "https://api.example.com/base/a/b",
        );
        let table: &[(&str, Option<&str>)] = &[
            (
                "https://api.example.com/base/x?y=1#z",
                Some("https://g/zones/z/r/n/x?y=1#z"),
            ),
            (
                "https://API.example.com:443/base/x",
                Some("https://g/zones/z/r/n/x"),
            ),
            (
                "https://api.example.com./base/x",
                Some("https://g/zones/z/r/n/x"),
            ),
            (
                "https://api.example.com/base",
                Some("https://g/zones/z/r/n"),
            ),
            ("//api.example.com/base/x", Some("https://g/zones/z/r/n/x")),
            ("/base/x", Some("https://g/zones/z/r/n/x")),
            ("c", Some("https://g/zones/z/r/n/a/c")),
            ("../c", Some("https://g/zones/z/r/n/c")),
            ("?page=2", Some("https://g/zones/z/r/n/a/b?page=2")),
            ("", Some("https://g/zones/z/r/n/a/b")),
            (
                "/base/x?key=s3cret&a=1",
                Some("https://g/zones/z/r/n/x?a=1"),
            ),
            ("/base/x?k%65y=s3cret", Some("https://g/zones/z/r/n/x")),
            ("/other", Some("https://api.example.com/other")),
            ("/based", Some("https://api.example.com/based")),
            ("/base/../x", Some("https://api.example.com/x")),
            (
                "http://api.example.com/base/x",
                Some("http://api.example.com/base/x"),
            ),
            (
                "https://api.example.com:444/base",
                Some("https://api.example.com:444/base"),
            ),
            (
                "https://u:p@api.example.com/base",
                Some("https://u:p@api.example.com/base"),
            ),
            ("https://other/x?key=s3cret", Some("https://other/x")),
            (
                "https://api.example.com.evil/base",
                Some("https://api.example.com.evil/base"),
            ),
            ("myapp://done", Some("myapp://done")),
            ("https://[bad", None),
        ];
        for (value, expected) in table {
            assert_eq!(rewritten(up, asked, value).as_deref(), *expected, "{value}");
        }
    }

    #[test]
    fn an_upstream_without_a_path_is_rewritten_whole() {
        let (up, asked) = ("http://127.0.0.1:9000", "http://127.0.0.1:9000/a");
        for (value, expected) in [
            ("/x", "https://g/zones/z/r/n/x"),
            ("/", "https://g/zones/z/r/n"),
            ("http://127.0.0.1:9000", "https://g/zones/z/r/n"),
            ("http://127.0.0.1:9001/x", "http://127.0.0.1:9001/x"),
        ] {
            assert_eq!(
                rewritten(up, asked, value).as_deref(),
                Some(expected),
                "{value}"
            );
        }
    }
}
