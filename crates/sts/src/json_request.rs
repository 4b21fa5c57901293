//! Requests with JSON bodies: who sends them, and what they say.

use axum::body::{Body, Bytes};
use axum::response::Response;
use caracal_engine::{CallerCredentials, Idempotency};
use http::header::CONTENT_TYPE;
use http::{Extensions, HeaderMap, HeaderName, Method};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::admission::Admitted;
use crate::answer::{Refused, json};
use crate::form::{Form, posted};
use crate::router::Sts;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// What a handler gets of a request.
pub(crate) struct JsonRequest {
    sts: Sts,
    admitted: Admitted,
    body: Bytes,
    headers: HeaderMap,
    pub(crate) request_id: String,
}

/// The parts of a request, as the router hands them over.
pub(crate) type Parts = (Extensions, HeaderMap, Body);

impl JsonRequest {
    /// Reads a request, lets its caller in, and answers with what `act` makes of it.
    pub(crate) async fn answer<T, F>(sts: Sts, parts: Parts, status: u16, act: F) -> Response
    where
        T: Serialize,
        F: AsyncFnOnce(&Self) -> Result<T, Refused>,
    {
        let request_id = sts.engine.new_request_id();
        let answered = async {
            let request = Self::read(&sts, parts, request_id.clone()).await?;
            act(&request).await
        };
        match answered.await {
            Ok(answer) => {
                let mut response = json(&answer, &request_id);
                *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
                if status == 204 {
                    *response.body_mut() = Body::empty();
                    response.headers_mut().remove(CONTENT_TYPE);
                    response.headers_mut().remove(http::header::CONTENT_LENGTH);
                }
                response
            }
            Err(refused) => refused.answer(&sts, &request_id),
        }
    }

    /// The same for one that waits: it takes none of the places of those who do not.
    pub(crate) async fn answer_waiting<T, F>(sts: Sts, parts: Parts, act: F) -> Response
    where
        T: Serialize,
        F: AsyncFnOnce(&Self) -> Result<T, Refused>,
    {
        let request_id = sts.engine.new_request_id();
        let answered = async {
            let (extensions, headers, _) = parts;
            let request = Self {
                sts: sts.clone(),
                admitted: sts.admit_waiting(&extensions, &headers).await?,
                body: Bytes::new(),
                headers,
                request_id: request_id.clone(),
            };
            act(&request).await
        };
        match answered.await {
            Ok(answer) => json(&answer, &request_id),
            Err(refused) => refused.answer(&sts, &request_id),
        }
    }

    async fn read(
        sts: &Sts,
        (extensions, headers, body): Parts,
        request_id: String,
    ) -> Result<Self, Refused> {
        let body = posted(body).await?;
        let admitted = sts.admit(&extensions, &headers, &mut Form::none()).await?;
        Ok(Self {
            sts: sts.clone(),
            admitted,
            body,
            headers,
            request_id,
        })
    }

    pub(crate) fn engine(&self) -> &caracal_engine::Engine {
        &self.sts.engine
    }

    pub(crate) fn caller(&self) -> &CallerCredentials {
        &self.admitted.credentials
    }

    pub(crate) fn key(&self) -> Option<&str> {
        self.admitted.key.as_deref()
    }

    /// The body.
    ///
    /// # Errors
    /// 415 when it is not JSON, `invalid_request` when it has another shape.
    pub(crate) fn parse<T: DeserializeOwned + Serialize>(&self) -> Result<T, Refused> {
        let media_type = self.headers.get(CONTENT_TYPE);
        let media_type = media_type.and_then(|value| value.to_str().ok());
        let essence = media_type.unwrap_or_default().split(';').next();
        if !essence
            .unwrap_or_default()
            .trim()
            .eq_ignore_ascii_case("application/json")
        {
            let why = "the body must be `application/json`";
            return Err(Refused::new(415, "invalid_request", why));
        }
        // A list would be read as the fields in their order.
        let first = self.body.iter().find(|byte| !byte.is_ascii_whitespace());
        if first != Some(&b'{') {
            return Err(Refused::invalid_request("the body must be a JSON object"));
        }
        let unread =
            |error: serde_json::Error| Refused::invalid_request(format!("the body: {error}"));
        let read = serde_json::from_slice(&self.body).map_err(unread)?;
        let sent: Value = serde_json::from_slice(&self.body).map_err(unread)?;
        let meant = serde_json::to_value(&read).map_err(unread)?;
        match find_list_for_object(&sent, &meant) {
            Some(name) => Err(Refused::invalid_request(format!(
                "`{name}` must be a JSON object"
            ))),
            None => Ok(read),
        }
    }

    /// The client's key for this write.
    ///
    /// # Errors
    /// When it is none.
    pub(crate) fn idempotency(
        &self,
        method: &Method,
        path: &str,
    ) -> Result<Option<Idempotency>, Refused> {
        let mut values = self.headers.get_all(IDEMPOTENCY_KEY).iter();
        let Some(value) = values.next() else {
            return Ok(None);
        };
        let key = value.to_str().ok().filter(|key| {
            (1..=128).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic())
        });
        match (key, values.next()) {
            (Some(key), None) => Ok(Some(Idempotency {
                key: key.to_owned(),
                input: [
                    method.as_str().as_bytes(),
                    b"\n",
                    path.as_bytes(),
                    b"\n",
                    &self.body,
                ]
                .concat(),
            })),
            _ => Err(Refused::invalid_request(
                "`Idempotency-Key` is one header of 1 to 128 visible ASCII characters",
            )),
        }
    }
}

/// The name of what was sent as a list and read as an object: a list is read as the fields in
/// their order, which nobody means.
fn find_list_for_object(sent: &Value, meant: &Value) -> Option<String> {
    match (sent, meant) {
        (Value::Object(sent), Value::Object(meant)) => {
            let both = sent.iter().filter_map(|(k, v)| Some((k, v, meant.get(k)?)));
            let mut found = both.filter_map(|(name, sent, meant)| match (sent, meant) {
                (Value::Array(_), Value::Object(_)) => Some(name.clone()),
                _ => find_list_for_object(sent, meant).map(|below| format!("{name}.{below}")),
            });
            found.next()
        }
        (Value::Array(sent), Value::Array(meant)) => {
            let mut both = sent.iter().zip(meant).enumerate();
            both.find_map(|(at, (sent, meant))| match (sent, meant) {
                (Value::Array(_), Value::Object(_)) => Some(at.to_string()),
                _ => find_list_for_object(sent, meant).map(|below| format!("{at}.{below}")),
            })
        }
        _ => None,
    }
}

/// An id in a path or body.
pub(crate) fn id<T: std::str::FromStr>(name: &str, text: &str) -> Result<T, Refused>
where
    T::Err: std::fmt::Display,
{
    text.parse()
        .map_err(|error: T::Err| Refused::new(400, "invalid_grant", format!("`{name}`: {error}")))
}
