//! The control API as a client sees it.

use std::time::Duration;

use bytes::Bytes;
use caracal_core::Secret;
use http::Method;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::client::{Target, problem};
use crate::failure::{Context, Failure, Outcome};
use crate::home::{Home, SocketPath};

/// What a path segment cannot hold as it is.
const SEGMENT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'/')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'\\')
    .add(b'`');

const CONNECT: Duration = Duration::from_secs(10);
/// Longer than the longest thing that the API waits for.
const ANSWER: Duration = Duration::from_secs(90);

/// A connection to a control API.
pub(crate) struct Api {
    http: reqwest::Client,
    base: String,
    token: Option<Secret>,
    shown: String,
    is_local: bool,
    _socket: Option<SocketPath>,
}

impl Api {
    /// Sets up the connection; nothing is sent yet.
    pub(crate) fn connect(target: Target, home: &Home) -> Outcome<Self> {
        let builder = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("caracal/", env!("CARGO_PKG_VERSION")));
        let built = |builder: reqwest::ClientBuilder| {
            builder.build().context("the HTTP client cannot be set up")
        };
        match target {
            Target::Local => {
                // Before anything runs there may be no home at all.
                let socket = SocketPath::of(home).ok();
                let path = socket
                    .as_ref()
                    .map_or_else(|| home.join("caracal.sock"), |s| s.path().to_owned());
                Ok(Self {
                    http: built(builder.no_proxy().unix_socket(path))?,
                    base: "http://localhost".to_owned(),
                    token: None,
                    shown: format!("the local stack in `{}`", home.dir().display()),
                    is_local: true,
                    _socket: socket,
                })
            }
            Target::Remote { url, token } => Ok(Self {
                http: built(builder)?,
                shown: format!("`{url}`"),
                base: url,
                token: Some(token),
                is_local: false,
                _socket: None,
            }),
        }
    }

    /// Reads an object.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Outcome<T> {
        parse(&self.bytes(path).await?)
    }

    /// Reads bytes as they are.
    pub(crate) async fn bytes(&self, path: &str) -> Outcome<Bytes> {
        self.exchange(self.request(Method::GET, path).timeout(ANSWER))
            .await
    }

    /// Sends an object and reads the answer.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Outcome<T> {
        parse(
            &self
                .exchange(self.request(Method::POST, path).timeout(ANSWER).json(body))
                .await?,
        )
    }

    /// Replaces an object, if it still has this version.
    pub(crate) async fn put<T: DeserializeOwned>(
        &self,
        path: &str,
        version: u64,
        body: &impl Serialize,
    ) -> Outcome<T> {
        let request = self.request(Method::PUT, path).timeout(ANSWER).json(body);
        let request = request.header(http::header::IF_MATCH, format!("\"{version}\""));
        parse(&self.exchange(request).await?)
    }

    /// Asks for something to be done that needs no more than its path.
    pub(crate) async fn act<T: DeserializeOwned>(&self, path: &str) -> Outcome<T> {
        parse(
            &self
                .exchange(self.request(Method::POST, path).timeout(ANSWER))
                .await?,
        )
    }

    /// Ends an object and reads the answer.
    pub(crate) async fn end<T: DeserializeOwned>(&self, path: &str) -> Outcome<T> {
        parse(
            &self
                .exchange(self.request(Method::DELETE, path).timeout(ANSWER))
                .await?,
        )
    }

    /// Removes an object.
    pub(crate) async fn delete(&self, path: &str) -> Outcome<()> {
        self.exchange(self.request(Method::DELETE, path).timeout(ANSWER))
            .await
            .map(drop)
    }

    /// Opens a stream that goes on until the server or the reader ends it.
    pub(crate) async fn stream(&self, path: &str) -> Outcome<reqwest::Response> {
        let request = self
            .request(Method::GET, path)
            .header("accept", "text/event-stream");
        self.accept(request).await
    }

    /// Opens an answer that may be long and take its time.
    pub(crate) async fn download(&self, path: &str) -> Outcome<reqwest::Response> {
        self.accept(self.request(Method::GET, path)).await
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match self.token.as_ref().and_then(Secret::expose_str) {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    async fn exchange(&self, request: reqwest::RequestBuilder) -> Outcome<Bytes> {
        let answer = self.accept(request).await?;
        answer
            .bytes()
            .await
            .map_err(|error| self.unreachable(&error))
    }

    async fn accept(&self, request: reqwest::RequestBuilder) -> Outcome<reqwest::Response> {
        let answer = request
            .send()
            .await
            .map_err(|error| self.unreachable(&error))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let body = answer.bytes().await.unwrap_or_default();
        Err(problem::failure(status, &body))
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        if self.is_local && error.is_connect() {
            return Failure::unreachable(format!("{} is not running", self.shown))
                .hint("`caracal up` starts it; `caracal login URL` names another server");
        }
        let mut why = String::new();
        let mut source: Option<&dyn std::error::Error> = Some(error);
        while let Some(cause) = source {
            why = cause.to_string();
            source = cause.source();
        }
        Failure::unreachable(format!("{} cannot be reached: {why}", self.shown))
    }
}

/// One segment of a path.
pub(crate) fn segment(text: &str) -> String {
    match text {
        // As they are they would lead elsewhere.
        "." | ".." => text.replace('.', "%2E"),
        _ => utf8_percent_encode(text, SEGMENT).to_string(),
    }
}

/// The query of these parameters, with its `?`; nothing when there is none.
pub(crate) fn query(parameters: &[(&str, Option<&str>)]) -> String {
    let mut pairs = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in parameters {
        if let Some(value) = value {
            pairs.append_pair(name, value);
        }
    }
    let text = pairs.finish();
    if text.is_empty() {
        text
    } else {
        format!("?{text}")
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Outcome<T> {
    // A write without an answer is read as null.
    let bytes = if bytes.is_empty() { b"null" } else { bytes };
    serde_json::from_slice(bytes).map_err(|error| {
        Failure::new(format!("the server's answer is not understood: {error}"))
            .hint("server and command line may be of different versions; `caracal --version` tells this one's")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_lead_to_another_path() {
        assert_eq!(segment("a/../b?c#d"), "a%2F..%2Fb%3Fc%23d");
        assert_eq!(segment(".."), "%2E%2E");
        assert_eq!(segment("anton"), "anton");
    }

    #[test]
    fn a_query_names_only_what_is_given() {
        assert_eq!(query(&[("a", None)]), "");
        assert_eq!(
            query(&[("a", Some("x&y")), ("b", None), ("c", Some("1"))]),
            "?a=x%26y&c=1"
        );
    }
}
