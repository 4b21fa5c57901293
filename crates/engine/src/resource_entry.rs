//! A resource made ready for calls.

use std::sync::Arc;

use caracal_core::{AllowedHost, Enforcement, OperationTable, RequestPath, Resource, Version};
use url::{Host, Url};

use crate::FieldError;

/// Where requests of a resource go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// True for TLS.
    pub https: bool,
    /// Host and port.
    pub host: AllowedHost,
    /// The path that stands before every request's path.
    pub base: RequestPath,
    origin: Box<str>,
    authority: Box<str>,
}

impl Upstream {
    /// Parses the upstream of a resource.
    ///
    /// # Errors
    /// Names the field `upstream` and what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        let refuse = |why: &str| FieldError::new("upstream", why);
        let url = Url::parse(text).map_err(|e| refuse(&format!("`{text}` is not a url: {e}")))?;
        let https = match url.scheme() {
            "https" => true,
            "http" => false,
            other => {
                return Err(refuse(&format!(
                    "the scheme `{other}` is not `http` or `https`"
                )));
            }
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refuse("a url must not carry a user name or password")
                .hint("make a provider of kind `basic`"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(refuse("an upstream has no query and no fragment"));
        }
        let host = match url.host() {
            // The dot of the root goes; with more, what is left could be read as an address.
            Some(Host::Domain(name)) => name.strip_suffix('.').unwrap_or(name).to_owned(),
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => format!("[{address}]"),
            None => return Err(refuse("the url has no host")),
        };
        // `https:///./` is read as the host `.`, which is the root of all names.
        if host.is_empty() {
            return Err(refuse("the url has no host"));
        }
        if host.ends_with('.') {
            return Err(refuse("the host ends with more than one dot"));
        }
        let port = url.port().unwrap_or(if https { 443 } else { 80 });
        let path = url.path().strip_suffix('/').unwrap_or_else(|| url.path());
        let base = if path.is_empty() { "/" } else { path };
        let base = RequestPath::parse(base).map_err(|e| refuse(&e.to_string()))?;
        let host = AllowedHost {
            host: host.into(),
            port,
        };
        let (scheme, default) = if https { ("https", 443) } else { ("http", 80) };
        let authority: Box<str> = match port == default {
            true => host.host.clone(),
            false => host.to_string().into(),
        };
        Ok(Self {
            https,
            base,
            origin: format!("{scheme}://{authority}").into(),
            authority,
            host,
        })
    }

    /// True when the host is a loopback name or address: the only place that a credential may
    /// be sent to without TLS.
    pub fn is_loopback(&self) -> bool {
        let host = self.host.host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost"
            || host
                .parse::<std::net::IpAddr>()
                .is_ok_and(|address| address.is_loopback())
    }

    /// True when a credential may be sent here: over TLS, or over plain HTTP to a loopback
    /// upstream that the resource is allowed to have.
    pub fn may_carry_credential(&self, allow_private: bool) -> bool {
        self.https || (self.is_loopback() && allow_private)
    }

    /// `scheme://host:port`, without the default port.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The value of the `Host` header.
    pub fn authority(&self) -> &str {
        &self.authority
    }
}

/// A resource with its parsed upstream and ordered rules.
#[derive(Debug)]
pub struct ResourceEntry {
    resource: Resource,
    version: Version,
    upstream: Option<Arc<Upstream>>,
    operations: OperationTable,
}

impl ResourceEntry {
    pub(crate) fn prepare(resource: Resource, version: Version) -> Result<Self, FieldError> {
        let is_service = resource.enforcement == Enforcement::Service;
        let upstream = match resource.upstream.as_str() {
            "" if is_service => None,
            "" => {
                let error = FieldError::new("upstream", "it is missing");
                return Err(error
                    .hint("say where the Gateway sends requests, or set `enforcement: service`"));
            }
            text => Some(Arc::new(Upstream::parse(text)?)),
        };
        let operations = OperationTable::new(resource.operations.clone())
            .map_err(|e| FieldError::new("operations", e))?;
        Ok(Self {
            resource,
            version,
            upstream,
            operations,
        })
    }

    /// The resource as it is stored.
    pub fn resource(&self) -> &Resource {
        &self.resource
    }

    /// The stored version.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Where its requests go; none: the Gateway forwards none.
    pub fn upstream(&self) -> Option<&Arc<Upstream>> {
        self.upstream.as_ref()
    }

    /// The path that policy sees of a request: where there is an upstream, the one that is sent.
    pub(crate) fn sent(&self, path: &RequestPath) -> RequestPath {
        match &self.upstream {
            Some(upstream) => path.below(&upstream.base),
            None => path.clone(),
        }
    }

    /// The host that policy sees; empty where there is no upstream.
    pub(crate) fn host(&self) -> &str {
        self.upstream.as_ref().map_or("", |up| up.authority())
    }

    /// Its rules.
    pub fn operations(&self) -> &OperationTable {
        &self.operations
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upstreams_are_parsed_once_and_strictly() {
        let upstream = Upstream::parse("https://API.example.com/base/").unwrap();
        assert_eq!(upstream.host.to_string(), "api.example.com:443");
        assert_eq!(upstream.base.to_string(), "/base");
        assert_eq!(upstream.authority(), "api.example.com");
        assert!(!upstream.is_loopback());
        let local = Upstream::parse("http://[::1]:9000").unwrap();
        assert_eq!(local.authority(), "[::1]:9000");
        assert!(local.is_loopback());
        assert!(Upstream::parse("http://2130706433/").unwrap().is_loopback());
        for bad in [
            "",
            "api.example.com",
            "ftp://x",
            "https://u:p@x",
            "https://x?a",
            "https://x#a",
            "unix:/x",
            "https:///./",
            "https://./v1",
            "http://0../v1",
            "http://127.0.0.1..",
        ] {
            assert!(Upstream::parse(bad).is_err(), "{bad} was accepted");
        }
    }
}
