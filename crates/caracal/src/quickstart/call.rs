//! What a call came to.

use serde_json::Value;

use crate::failure::{Context, Failure, Outcome};
use crate::table::plain;

/// The answer to a call.
pub(crate) struct Answer {
    /// Method and path.
    pub(crate) request: String,
    /// The status.
    pub(crate) status: u16,
    /// The id of the call's events.
    pub(crate) request_id: Option<String>,
    /// The body.
    pub(crate) text: String,
}

impl Answer {
    /// Reads an answer to its end.
    pub(crate) async fn read(request: String, answer: reqwest::Response) -> Outcome<Self> {
        let status = answer.status().as_u16();
        let id = answer
            .headers()
            .get("caracal-request-id")
            .and_then(|value| value.to_str().ok());
        let request_id = id.map(str::to_owned);
        let text = answer
            .text()
            .await
            .context(format!("the answer to {request} broke off"))?;
        Ok(Self {
            request,
            status,
            request_id,
            text,
        })
    }

    /// Checks that it went as it should.
    pub(crate) fn expect(&self, status: u16, code: Option<&str>) -> Outcome<()> {
        if self.status == status && code.is_none_or(|code| self.code().as_deref() == Some(code)) {
            return Ok(());
        }
        let code = code.map(|code| format!(" {code}")).unwrap_or_default();
        let id = self.request_id.as_deref().unwrap_or("");
        Err(Failure::new(format!("{}, but {status}{code} was expected", self.line()))
            .hint(format!("`caracal audit explain {id} --zone demo` tells why, `caracal logs` may tell more")))
    }

    /// The call in one line.
    pub(crate) fn line(&self) -> String {
        let code = self
            .code()
            .map(|code| format!(" {}", plain(&code)))
            .unwrap_or_default();
        format!("{} → {}{code}", self.request, self.status)
    }

    /// The words of a streamed chat.
    pub(crate) fn streamed_text(&self) -> String {
        let chunks = self
            .text
            .lines()
            .filter_map(|line| line.strip_prefix("data: "));
        let words = chunks.filter_map(|chunk| {
            let chunk: Value = serde_json::from_str(chunk).ok()?;
            chunk
                .pointer("/choices/0/delta/content")?
                .as_str()
                .map(plain)
        });
        words.collect()
    }

    fn code(&self) -> Option<String> {
        let body: Value = serde_json::from_str(&self.text).ok()?;
        body.get("code")?.as_str().map(str::to_owned)
    }
}
