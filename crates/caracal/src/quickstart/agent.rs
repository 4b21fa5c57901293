//! The demo agent: what software that uses Caracal does, with plain HTTP.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use caracal_wire::{MandateAnswer, OauthError};
use http::Method;
use serde_json::{Value, json};

use crate::failure::{Context, Exit, Failure, Outcome};
use crate::quickstart::call::Answer;
use crate::quickstart::demo_zone::{DemoZone, RESOURCE};

/// A mandate as its holder sees it.
pub(crate) struct Mandate {
    text: String,
    pub(crate) id: String,
    pub(crate) seconds: u32,
    pub(crate) scope: String,
}

/// The agent.
pub(crate) struct Agent {
    http: reqwest::Client,
    sts: String,
    gateway: String,
    zone: DemoZone,
}

impl Agent {
    /// An agent that knows its application's secret, and no API key.
    pub(crate) fn new(sts: &str, gateway: &str, zone: DemoZone) -> Outcome<Self> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(30))
            .build();
        Ok(Self {
            http: http.context("the HTTP client cannot be set up")?,
            sts: sts.to_owned(),
            gateway: gateway.to_owned(),
            zone,
        })
    }

    /// Asks the STS for a mandate by client credentials.
    pub(crate) async fn mint(&self) -> Outcome<Mandate> {
        let resource = format!("resource://{RESOURCE}");
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "client_credentials")
            .append_pair("resource", &resource)
            .append_pair("scope", "llm:chat llm:models")
            .finish();
        let asked = self
            .http
            .post(format!("{}/oauth/2/token", self.sts))
            .basic_auth(&self.zone.application_id, Some(&self.zone.client_secret))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form);
        let answer = asked.send().await.map_err(|error| {
            Failure::unreachable(format!(
                "the STS at `{}` cannot be reached: {error}",
                self.sts
            ))
        })?;
        let status = answer.status();
        let body = answer.bytes().await.context("the STS broke off")?;
        if !status.is_success() {
            let why = serde_json::from_slice::<OauthError>(&body).map_or_else(
                |_| status.to_string(),
                |error| format!("{}: {}", error.error, error.error_description),
            );
            let failure = Failure::new(format!("the STS refused the mandate: {why}")).hint(
                "was the demo application or zone revoked? `caracal revocation list --zone demo`",
            );
            return Err(if status.as_u16() == 403 {
                failure.exit(Exit::Denied)
            } else {
                failure
            });
        }
        let answer: MandateAnswer =
            serde_json::from_slice(&body).context("the STS's answer is not understood")?;
        let claims = claims(&answer.access_token)?;
        let id = claims
            .get("jti")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        Ok(Mandate {
            text: answer.access_token,
            id,
            seconds: answer.expires_in,
            scope: answer.scope,
        })
    }

    /// Tries the upstream itself: the mandate is worth nothing there.
    pub(crate) async fn call_directly(&self, upstream: &str, mandate: &Mandate) -> Outcome<Answer> {
        self.send(Method::GET, upstream, "/v1/models", mandate, None)
            .await
    }

    /// Asks for a streamed answer.
    pub(crate) async fn chat(&self, mandate: &Mandate) -> Outcome<Answer> {
        let body = json!({ "model": "demo-1", "stream": true, "messages": [{ "role": "user", "content": "Hello?" }] });
        self.send(
            Method::POST,
            &self.base(),
            "/v1/chat/completions",
            mandate,
            Some(body),
        )
        .await
    }

    /// Tries what policy does not allow.
    pub(crate) async fn delete_model(&self, mandate: &Mandate) -> Outcome<Answer> {
        self.send(
            Method::DELETE,
            &self.base(),
            "/v1/models/demo-1",
            mandate,
            None,
        )
        .await
    }

    /// Reads the models.
    pub(crate) async fn list_models(&self, mandate: &Mandate) -> Outcome<Answer> {
        self.send(Method::GET, &self.base(), "/v1/models", mandate, None)
            .await
    }

    fn base(&self) -> String {
        format!("{}/zones/{}/r/{RESOURCE}", self.gateway, self.zone.id)
    }

    async fn send(
        &self,
        method: Method,
        base: &str,
        path: &str,
        mandate: &Mandate,
        body: Option<Value>,
    ) -> Outcome<Answer> {
        let request = format!("{method} {path}");
        let asked = self
            .http
            .request(method, format!("{base}{path}"))
            .bearer_auth(&mandate.text);
        let asked = match body {
            Some(body) => asked.json(&body),
            None => asked,
        };
        let answer = asked.send().await.map_err(|error| {
            Failure::unreachable(format!("`{base}` cannot be reached: {error}"))
        })?;
        Answer::read(request, answer).await
    }
}

/// What a mandate says. The agent need not verify its own mandate.
fn claims(mandate: &str) -> Outcome<Value> {
    let payload = mandate.split('.').nth(1).unwrap_or_default();
    let bytes = URL_SAFE_NO_PAD
        .decode(payload)
        .context("the mandate is not understood")?;
    serde_json::from_slice(&bytes).context("the mandate is not understood")
}
