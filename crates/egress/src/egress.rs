//! The way out.

use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use http::header::HOST;
use http::{Method, Request, Response, Uri, Version};
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use hyper_util::client::legacy::connect::HttpInfo;

use crate::cache::{Cache, SystemTrust};
use crate::connector::host_and_port;
use crate::held_body::Shelf;
use crate::resolver::Resolver;
use crate::{ConnectedTo, Destination, EgressError, EgressRules, failure, trust};

/// A request's body: read as the upstream takes it, never collected.
pub type Body = UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

/// The largest head of an answer (status line and headers), in bytes.
pub const MAX_ANSWER_HEAD_BYTES: usize = 64 * 1024;
/// The largest number of headers of an answer.
pub const MAX_ANSWER_HEADERS: usize = 100;

/// The way out. Clones share connections and rules.
#[derive(Clone)]
pub struct Egress(Arc<Inner>);

struct Inner {
    allow_private: bool,
    resolver: Resolver,
    system: SystemTrust,
    cache: RwLock<Arc<Cache>>,
}

impl Egress {
    /// A way out under these rules. Reads nothing and connects nowhere yet.
    ///
    /// # Errors
    ///
    /// If TLS cannot be set up at all.
    pub fn new(rules: EgressRules) -> Result<Self, EgressError> {
        let resolver = Resolver::new(rules.forbidden);
        let cache = RwLock::new(Arc::new(Cache::new(resolver.clone())?));
        let system = SystemTrust::default();
        Ok(Self(Arc::new(Inner {
            allow_private: rules.allow_private,
            resolver,
            system,
            cache,
        })))
    }

    /// Replaces the list of our own listeners. Idle connections are given up, so that none
    /// outlives the rule it was opened under; answers under way go on.
    pub fn set_forbidden(&self, forbidden: Vec<SocketAddr>) {
        self.0.resolver.set_forbidden(forbidden);
        if let Ok(fresh) = Cache::new(self.0.resolver.clone()) {
            *self.0.cache.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(fresh);
        }
    }

    /// Checks PEM text for [`Destination::ca_pem`] without connecting.
    ///
    /// # Errors
    ///
    /// [`EgressError::BadCa`].
    pub fn check_ca(pem: &str) -> Result<(), EgressError> {
        trust::own_roots(pem).map(|_| ())
    }

    /// The addresses of `host` (a name or an address) that [`Self::send`] would connect to
    /// now, at most 16, in order and never empty. Takes at most 5 s.
    ///
    /// # Errors
    ///
    /// [`EgressError::Forbidden`], `Unresolvable`, `Timeout` or `BadTarget`.
    pub async fn resolve_checked(
        &self,
        destination: &Destination<'_>,
        host: &str,
        port: u16,
    ) -> Result<Vec<SocketAddr>, EgressError> {
        self.0
            .resolver
            .resolve(host, port, self.narrow(destination).allow_private)
            .await
    }

    /// Sends a request to its absolute `http` or `https` URI over HTTP/1.1 and returns as
    /// soon as the head of the answer is there; both bodies stream. The answer's extensions
    /// hold [`ConnectedTo`].
    ///
    /// `Host` is always that of the URI. Redirects are answers like any other. The request
    /// is sent once: only if a pooled connection turned out to be closed before any byte of
    /// it was written does it go out on another. How long the answer may take is the
    /// caller's to bound; dropping the future closes the connection.
    ///
    /// # Errors
    ///
    /// See [`EgressError`]; [`EgressError::is_before_write`] tells whether the upstream can
    /// have seen any of the request.
    pub async fn send(
        &self,
        destination: &Destination<'_>,
        request: Request<Body>,
    ) -> Result<Response<Incoming>, EgressError> {
        let (host, https) = target(request.method(), request.uri())?;
        let cache = Arc::clone(&self.0.cache.read().unwrap_or_else(PoisonError::into_inner));
        let client = cache
            .get(&self.narrow(destination), https, &self.0.system)
            .await?;

        let (mut parts, body) = request.into_parts();
        parts.version = Version::HTTP_11;
        parts.headers.remove(HOST);
        // What a door noted about its own connection is nothing of this one's.
        parts.extensions.clear();

        let shelf = Shelf::default();
        let first = Request::from_parts(parts.clone(), shelf.hold(body));
        let mut answer = client.request(first).await;
        if let Err(error) = &answer
            && !error.is_connect()
            && failure::is_unwritten(error)
            && let Some(body) = shelf.take()
        {
            answer = client
                .request(Request::from_parts(parts, shelf.hold(body)))
                .await;
        }
        let mut answer = answer.map_err(|error| failure::explain(&error, &host))?;
        if let Some(info) = answer.extensions_mut().remove::<HttpInfo>() {
            answer
                .extensions_mut()
                .insert(ConnectedTo(info.remote_addr()));
        }
        Ok(answer)
    }

    /// Private addresses need the instance's word and the destination's.
    fn narrow<'a>(&self, destination: &Destination<'a>) -> Destination<'a> {
        Destination {
            allow_private: destination.allow_private && self.0.allow_private,
            ..*destination
        }
    }
}

/// Host and port for messages, and whether the URI is `https`.
fn target(method: &Method, uri: &Uri) -> Result<(String, bool), EgressError> {
    if method == Method::CONNECT {
        return Err(EgressError::BadTarget(
            "`CONNECT` opens tunnels, and none are allowed",
        ));
    }
    if uri
        .authority()
        .is_some_and(|authority| authority.as_str().contains('@'))
    {
        return Err(EgressError::BadTarget("it holds a user name or password"));
    }
    let https = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => false,
        _ => return Err(EgressError::BadTarget("only http and https are spoken")),
    };
    let (host, port) = host_and_port(uri)?;
    Ok((format!("{host}:{port}"), https))
}
