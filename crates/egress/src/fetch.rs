//! Fetching a small document.

use std::time::Duration;

use http::header::{ACCEPT, USER_AGENT};
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Empty, Limited};

use crate::{Destination, Egress, EgressError};

/// Why a document was not fetched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// It was not answered.
    #[error(transparent)]
    Egress(#[from] EgressError),
    /// The answer is another one; redirects are not followed.
    #[error("the answer has status {0}, not 200; redirects are not followed")]
    Status(u16),
    /// It is longer than the limit.
    #[error("the document is longer than {0} bytes")]
    TooLong(usize),
    /// It broke off.
    #[error("the answer broke off")]
    Broken,
    /// It took too long.
    #[error("the answer took longer than {0} s")]
    Timeout(u64),
}

impl FetchError {
    /// The word for it in metrics.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Egress(error) => error.kind(),
            Self::Status(_) => "status",
            Self::TooLong(_) => "too_long",
            Self::Broken => "broken",
            Self::Timeout(_) => "timeout",
        }
    }
}

impl Egress {
    /// Fetches a JSON document of at most `limit` bytes, all of it within `time`.
    ///
    /// # Errors
    /// See [`FetchError`]: whatever is not a whole answer with status 200.
    pub async fn fetch_json(
        &self,
        destination: &Destination<'_>,
        url: &str,
        limit: usize,
        time: Duration,
    ) -> Result<Vec<u8>, FetchError> {
        let fetched = tokio::time::timeout(time, self.fetch_whole(destination, url, limit));
        fetched
            .await
            .unwrap_or(Err(FetchError::Timeout(time.as_secs())))
    }

    async fn fetch_whole(
        &self,
        destination: &Destination<'_>,
        url: &str,
        limit: usize,
    ) -> Result<Vec<u8>, FetchError> {
        let body = Empty::new().map_err(|never| match never {}).boxed_unsync();
        let request = Request::get(url)
            .header(ACCEPT, "application/json")
            .header(USER_AGENT, "caracal")
            .body(body)
            .map_err(|_| EgressError::BadTarget("it is no URL"))?;
        let answer = self.send(destination, request).await?;
        if answer.status() != StatusCode::OK {
            return Err(FetchError::Status(answer.status().as_u16()));
        }
        let collected = Limited::new(answer.into_body(), limit).collect().await;
        let collected = collected.map_err(|error| {
            if error.is::<http_body_util::LengthLimitError>() {
                FetchError::TooLong(limit)
            } else {
                FetchError::Broken
            }
        })?;
        Ok(collected.to_bytes().to_vec())
    }
}
