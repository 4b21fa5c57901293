//! Sending a small message.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use http::{HeaderName, HeaderValue, Request};
use http_body_util::{BodyExt as _, Full, Limited};

use crate::{Destination, Egress, EgressError};

/// How much of an answer is read, in bytes, so that its connection can be used again.
const MAX_READ: usize = 16 * 1024;

/// What came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Posted {
    /// The status. Redirects are not followed.
    pub status: u16,
    /// What `Retry-After` says, where it is in seconds.
    pub retry_after: Option<Duration>,
}

/// Why no answer came.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PostError {
    /// It was not answered.
    #[error(transparent)]
    Egress(#[from] EgressError),
    /// It took too long.
    #[error("the answer took longer than {0} s")]
    Timeout(u64),
}

impl Egress {
    /// Sends a JSON message and waits for the answer, all of it within `time`. What the answer
    /// says beyond its head is thrown away.
    ///
    /// # Errors
    /// See [`PostError`]. The message may have arrived all the same.
    pub async fn post_json(
        &self,
        destination: &Destination<'_>,
        url: &str,
        headers: &[(&'static str, String)],
        body: Vec<u8>,
        time: Duration,
    ) -> Result<Posted, PostError> {
        let posted = tokio::time::timeout(time, self.post(destination, url, headers, body));
        posted
            .await
            .unwrap_or(Err(PostError::Timeout(time.as_secs())))
    }

    async fn post(
        &self,
        destination: &Destination<'_>,
        url: &str,
        headers: &[(&'static str, String)],
        body: Vec<u8>,
    ) -> Result<Posted, PostError> {
        let body = Full::new(Bytes::from(body));
        let body = body.map_err(|never| match never {}).boxed_unsync();
        let mut request = Request::post(url)
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, "caracal")
            .body(body)
            .map_err(|_| EgressError::BadTarget("it is no URL"))?;
        for (name, value) in headers {
            let value = HeaderValue::from_str(value)
                .map_err(|_| EgressError::BadTarget("a header cannot be sent"))?;
            request
                .headers_mut()
                .insert(HeaderName::from_static(name), value);
        }
        let answer = self.send(destination, request).await?;
        let posted = Posted {
            status: answer.status().as_u16(),
            retry_after: answer
                .headers()
                .get(RETRY_AFTER)
                .and_then(|value| value.to_str().ok()?.trim().parse().ok())
                .map(Duration::from_secs),
        };
        // More than that, or a body that breaks off, costs the connection and nothing else.
        let _ = Limited::new(answer.into_body(), MAX_READ).collect().await;
        Ok(posted)
    }
}
