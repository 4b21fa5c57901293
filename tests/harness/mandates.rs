//! An application that mints mandates and makes calls.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::Value;

use super::{Authority, Stack};

/// An application with its credentials.
#[derive(Clone)]
pub struct Client {
    pub id: String,
    pub secret: String,
    sts: String,
    gateway: String,
    http: reqwest::Client,
}

/// An HTTP answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: String,
}

impl Answer {
    /// Reads an answer.
    pub async fn of(response: reqwest::Response) -> Self {
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        Self {
            status,
            headers,
            body: response.text().await.unwrap_or_default(),
        }
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.body))
    }

    /// The code of a Gateway refusal, after checking that it is one.
    #[track_caller]
    pub fn refusal(&self) -> String {
        assert_eq!(
            self.header("caracal-refusal"),
            Some("1"),
            "no refusal: {self:?}"
        );
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json")
        );
        self.json()["code"].as_str().unwrap().to_owned()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

impl Client {
    pub fn new(stack: &Stack, id: &str, secret: &str) -> Self {
        Self {
            id: id.to_owned(),
            secret: secret.to_owned(),
            sts: stack.sts.clone(),
            gateway: stack.gateway.clone(),
            http: http(),
        }
    }

    /// The same, over TLS that an authority vouches for.
    pub fn trusting(mut self, authority: &Authority) -> Self {
        self.http = authority.http();
        self
    }

    /// Posts a form to the token endpoint with HTTP Basic.
    pub async fn token(&self, form: &[(&str, &str)]) -> Answer {
        let url = format!("{}/oauth/2/token", self.sts);
        let basic = STANDARD.encode(format!("{}:{}", self.id, self.secret));
        let request = self
            .http
            .post(url)
            .header("authorization", format!("Basic {basic}"));
        let body: String = form
            .iter()
            .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
            .collect::<Vec<_>>()
            .join("&");
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        Answer::of(request.body(body).send().await.unwrap()).await
    }

    /// Mints by client credentials; `scope` may be empty.
    pub async fn try_mint(&self, resource: &str, scope: &str) -> Answer {
        let mut form = vec![("grant_type", "client_credentials"), ("resource", resource)];
        if !scope.is_empty() {
            form.push(("scope", scope));
        }
        self.token(&form).await
    }

    /// Mints, and fails unless that works.
    pub async fn mint(&self, resource: &str, scope: &str) -> String {
        let answer = self.try_mint(resource, scope).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }

    /// A request to the Gateway with a mandate.
    pub fn request(&self, method: &str, path: &str, mandate: &str) -> reqwest::RequestBuilder {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let url = format!("{}{path}", self.gateway);
        self.http
            .request(method, url)
            .header("authorization", format!("Bearer {mandate}"))
    }

    /// Makes a call and reads the answer.
    pub async fn call(&self, method: &str, path: &str, mandate: &str) -> Answer {
        Answer::of(self.request(method, path, mandate).send().await.unwrap()).await
    }
}

/// A client that follows no redirect and uses no proxy.
pub fn http() -> reqwest::Client {
    // The stories install their own provider: the binary's is not part of this process.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap()
}

/// The claims of a mandate, unchecked.
pub fn claims(mandate: &str) -> Value {
    let payload = mandate.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

fn encode(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
