//! A call that can be repeated.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

/// How long one answer may take.
const LIMIT: Duration = Duration::from_secs(10);

/// A request, where it goes, and how its answer is known to be right.
#[derive(Clone)]
pub(crate) struct HttpCall {
    address: SocketAddr,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
    /// The exact size of a right answer's body; none for any.
    answer_bytes: Option<usize>,
    /// A header of which each request takes the next value.
    fresh: Option<Arc<Fresh>>,
}

/// Values of a header that are used once each.
struct Fresh {
    name: HeaderName,
    values: Vec<HeaderValue>,
    next: AtomicUsize,
}

impl HttpCall {
    /// A GET of `path`, whose answer must be this long.
    pub(crate) fn get(address: SocketAddr, host: &str, path: &str, bytes: usize) -> Result<Self> {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, value(host)?);
        Ok(Self {
            address,
            method: Method::GET,
            uri: path.parse().context("no path")?,
            headers,
            body: Bytes::new(),
            answer_bytes: Some(bytes),
            fresh: None,
        })
    }

    /// A POST of a form to `path`.
    pub(crate) fn form(address: SocketAddr, host: &str, path: &str, form: String) -> Result<Self> {
        let mut call = Self::get(address, host, path, 0)?;
        call.method = Method::POST;
        call.body = form.into();
        call.answer_bytes = None;
        call.with(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
    }

    /// Adds a header.
    pub(crate) fn with(mut self, name: HeaderName, text: &str) -> Result<Self> {
        self.headers.insert(name, value(text)?);
        Ok(self)
    }

    /// Each request carries the next of these mandates; without any left it fails.
    pub(crate) fn with_each(self, mandates: &[String]) -> Result<Self> {
        let bearer = |mandate: &String| value(&format!("Bearer {mandate}"));
        let values = mandates.iter().map(bearer).collect::<Result<_>>()?;
        Ok(self.with_fresh(header::AUTHORIZATION, values))
    }

    /// Each request carries the next of these proofs of a key; without any left it fails.
    pub(crate) fn with_proofs(self, proofs: &[String]) -> Result<Self> {
        let values = proofs.iter().map(|proof| value(proof));
        let values = values.collect::<Result<_>>()?;
        Ok(self.with_fresh(HeaderName::from_static("dpop"), values))
    }

    fn with_fresh(mut self, name: HeaderName, values: Vec<HeaderValue>) -> Self {
        self.fresh = Some(Arc::new(Fresh {
            name,
            values,
            next: AtomicUsize::new(0),
        }));
        self
    }

    /// Opens a connection for such calls.
    pub(crate) async fn connect(&self, tracker: &TaskTracker) -> Result<Connection> {
        let stream = TcpStream::connect(self.address)
            .await
            .with_context(|| format!("cannot connect to `{}`", self.address))?;
        stream.set_nodelay(true).context("cannot set nodelay")?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .context("the HTTP handshake failed")?;
        let driver = tracker.spawn(async move {
            // What goes wrong is seen by whoever waits for an answer.
            let _ = connection.await;
        });
        Ok(Connection { sender, driver })
    }

    /// Makes the call once on a connection of its own and returns the whole answer.
    pub(crate) async fn once(&self) -> Result<Response<Bytes>> {
        let tracker = TaskTracker::new();
        let mut connection = self.connect(&tracker).await?;
        let (head, body) = tokio::time::timeout(LIMIT, connection.send(self))
            .await
            .context("no answer came")??
            .into_parts();
        let body = tokio::time::timeout(LIMIT, body.collect())
            .await
            .context("the answer did not end")?
            .context("the answer broke off")?;
        Ok(Response::from_parts(head, body.to_bytes()))
    }

    fn request(&self) -> Result<Request<Full<Bytes>>> {
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        if let Some(fresh) = &self.fresh {
            let next = fresh.next.fetch_add(1, Ordering::Relaxed);
            let value = fresh.values.get(next);
            let value = value.context("all mandates or proofs are used up")?;
            request.headers_mut().insert(&fresh.name, value.clone());
        }
        Ok(request)
    }
}

/// A connection on which one call is made after another.
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    driver: JoinHandle<()>,
}

impl Connection {
    async fn send(&mut self, call: &HttpCall) -> Result<Response<Incoming>> {
        self.sender.ready().await.context("the connection closed")?;
        self.sender
            .send_request(call.request()?)
            .await
            .context("no answer came")
    }

    /// Makes the call and gives the body of a right answer.
    pub(crate) async fn fetch(&mut self, call: &HttpCall) -> Result<Bytes> {
        let answer = self.send(call).await?;
        let status = answer.status();
        if !status.is_success() {
            bail!("the answer is {status}");
        }
        let body = answer.into_body().collect().await;
        Ok(body.context("the answer broke off")?.to_bytes())
    }

    /// Makes the call and reads the answer to its end; anything but the right answer is an error.
    pub(crate) async fn call(&mut self, call: &HttpCall) -> Result<()> {
        let answer = self.send(call).await?;
        let status = answer.status();
        if status != http::StatusCode::OK {
            bail!("the answer is {status}");
        }
        let mut body = answer.into_body();
        let mut bytes = 0;
        while let Some(frame) = body.frame().await {
            let frame = frame.context("the answer broke off")?;
            bytes += frame.data_ref().map_or(0, Bytes::len);
        }
        if call.answer_bytes.is_some_and(|wanted| wanted != bytes) {
            bail!("the answer has {bytes} bytes");
        }
        Ok(())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

fn value(text: &str) -> Result<HeaderValue> {
    HeaderValue::from_str(text).context("no header value")
}
