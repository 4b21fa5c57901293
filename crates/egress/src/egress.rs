//! The way out.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use bytes::Bytes;
use caracal_core::ZoneId;
use http::header::HOST;
use http::request::Parts;
use http::{Method, Request, Response, Uri, Version};
use http_body_util::combinators::UnsyncBoxBody;
use metrics::Gauge;

use crate::answer::Answer;
use crate::cache::{Cache, SystemTrust};
use crate::client::Client;
use crate::connector::host_and_port;
use crate::failure::Failure;
use crate::held_body::Shelf;
use crate::resolver::Resolver;
use crate::{Destination, EgressError, EgressRules, trust};

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
        let cache = RwLock::new(Arc::new(Cache::new(&resolver)?));
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
        if let Ok(fresh) = Cache::new(&self.0.resolver) {
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

    /// Sends a request to its absolute `http` or `https` URI in the destination's protocol
    /// and returns as soon as the head of the answer is there; both bodies stream. The
    /// answer's extensions hold [`ConnectedTo`].
    ///
    /// `Host` is always that of the URI. Redirects are answers like any other. The request
    /// is sent once: only if its connection turned out to be closed before any byte of it was
    /// written, or an HTTP/2 upstream said that it did not look at it, and nothing of its body
    /// was read, does it go out once more. How long the answer may take is the caller's to
    /// bound; dropping the future ends the request (HTTP/1.1: its connection).
    ///
    /// # Errors
    ///
    /// See [`EgressError`]; [`EgressError::is_before_write`] tells whether the upstream can
    /// have seen any of the request.
    pub async fn send(
        &self,
        destination: &Destination<'_>,
        request: Request<Body>,
    ) -> Result<Response<Answer>, EgressError> {
        let sent = self.send_uncounted(destination, request).await;
        if let Err(error) = &sent {
            metrics::counter!("caracal_egress_failures_total", "kind" => error.kind()).increment(1);
        }
        sent
    }

    async fn send_uncounted(
        &self,
        destination: &Destination<'_>,
        request: Request<Body>,
    ) -> Result<Response<Answer>, EgressError> {
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

        let waiting = Waiting::begin();
        let sent = send_bounded(&client, destination.zone, parts, body).await;
        drop(waiting);
        let answer = sent.map_err(|failure| failure.explain(&host))?;
        if answer.headers().len() > MAX_ANSWER_HEADERS {
            return Err(EgressError::HeadTooLarge { host: host.into() });
        }
        Ok(answer)
    }

    #[cfg(test)]
    pub(crate) fn resolver(&self) -> &Resolver {
        &self.0.resolver
    }

    /// Private addresses need the instance's word and the destination's.
    fn narrow<'a>(&self, destination: &Destination<'a>) -> Destination<'a> {
        Destination {
            allow_private: destination.allow_private && self.0.allow_private,
            ..*destination
        }
    }
}

/// Sends a request, and once more where [`Failure::find_second_chance`] knows that nothing can
/// have come of it.
async fn send_bounded(
    client: &Client,
    zone: Option<ZoneId>,
    parts: Parts,
    body: Body,
) -> Result<Response<Answer>, Failure> {
    let shelf = Shelf::default();
    let first = Request::from_parts(parts.clone(), shelf.hold(body));
    let failure = match client.request(zone, first).await {
        Ok(answer) => return Ok(answer),
        Err(failure) => failure,
    };
    let Some(why) = failure.find_second_chance() else {
        return Err(failure);
    };
    let Some(body) = shelf.take() else {
        return Err(failure);
    };
    metrics::counter!("caracal_egress_second_sends_total", "why" => why).increment(1);
    let second = Request::from_parts(parts, shelf.hold(body));
    client.request(zone, second).await.map_err(|later| {
        // What was refused was written, whatever became of the second try.
        let is_worse = failure.is_written() && !later.is_written();
        if is_worse { failure } else { later }
    })
}

/// A request whose answer has not begun, counted.
struct Waiting;

impl Waiting {
    fn begin() -> Self {
        waiting().increment(1);
        Self
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        waiting().decrement(1);
    }
}

fn waiting() -> &'static Gauge {
    // Asked for when the first request goes out: by then the exporter is there.
    static HANDLE: OnceLock<Gauge> = OnceLock::new();
    HANDLE.get_or_init(|| metrics::gauge!("caracal_egress_requests_waiting"))
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
