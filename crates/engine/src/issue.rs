//! Issuing a mandate: the first phase of policy.

mod asking;
mod denied;
mod digest;
mod exact;
mod granted;
mod named;
mod paths;
mod request;
mod session_mandate;
mod sign;
mod wanted;

use caracal_core::MandateId;

use crate::decide::Asked;
use crate::questions::{AT_ONCE, MAX_QUESTIONS};
use crate::{Engine, IssueError};

use asking::Asking;
use denied::Denied;
pub(crate) use granted::Granted;
pub use request::{IssueRequest, IssuedMandate};
pub(crate) use wanted::Wanted;

/// How long a mandate lives when nothing else is asked for, in seconds.
pub const DEFAULT_TTL_SECONDS: u32 = 300;
/// The longest life of a mandate, in seconds.
pub const MAX_TTL_SECONDS: u32 = 900;
/// The most resources that one mandate may name.
pub const MAX_RESOURCES: usize = 32;

impl Engine {
    /// Issues a mandate, or says why not. The decision is in the ledger before this returns.
    ///
    /// # Errors
    /// See [`IssueError`]; nothing was issued.
    pub async fn issue(&self, request: IssueRequest) -> Result<IssuedMandate, IssueError> {
        let mut caller = self
            .authenticate_caller(&request.caller, request.key.as_deref())
            .await?;
        if let Some(text) = &request.id_token {
            let proven = self.prove_subject(&caller.handle, caller.application, text);
            match Box::pin(proven).await {
                Ok(subject) => caller.subject = Some(subject),
                Err(error) => {
                    let asked = Asked::default();
                    self.record_denial(&caller, &request, &error, asked).await?;
                    return Err(error);
                }
            }
            // It may have been revoked while its issuer's keys were on their way.
            caller.view = caller.handle.view();
        }
        let opened = match &request.subject_token {
            Some(text) => Some(self.open_subject(text).await?),
            None => None,
        };
        let now = self.now();
        let mandate = MandateId::new(now, &self.random());
        let session = caller.session_named(request.session_id)?;
        if let Some(session) = session.filter(|_| request::is_for_session(&request)) {
            return self
                .issue_session_mandate(&caller, session, request.ttl_seconds, &request.request_id)
                .await;
        }
        let decide = |most| {
            let mut questions = self.questions(most);
            let source = opened.as_ref();
            self.decide_issue(&caller, &request, source, mandate, now, &mut questions)
        };
        let decided = match decide(AT_ONCE) {
            // Boxed, so that those who ask little do not carry its weight.
            Err(denied) if denied.is_heavy => {
                let turn = Box::pin(self.turn_for(MAX_QUESTIONS)).await?;
                turn.run(|| decide(MAX_QUESTIONS))
            }
            decided => decided,
        };
        match decided {
            Ok(granted) => {
                self.use_grant(&caller, &request, mandate, now, granted)
                    .await
            }
            Err(denied) => {
                let Denied {
                    error, asked, held, ..
                } = denied;
                let error = match held {
                    Some(held) => self.hold_issue(&caller, &request, &held, &asked).await,
                    None => error,
                };
                self.record_denial(&caller, &request, &error, asked).await?;
                Err(error)
            }
        }
    }
}
