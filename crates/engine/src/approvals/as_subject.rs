//! The Subject decides: whoever the work is done for proves to be that person.

use caracal_core::{Approval, ApprovalId, Decision, EventType};

use super::Verdict;
use crate::{AdminError, Engine, IssueError, Versioned};

impl Engine {
    /// The Subject of a session decides about an approval of it. `id_token` was made for this
    /// approval: its `nonce` is the approval's id.
    ///
    /// # Errors
    /// `InvalidSubject` for an ID token that proves nobody here, or was not made for this;
    /// `AccessDenied` when the approval is not this person's to decide; a conflict
    /// `already_decided` when it is not pending. An approval that is not there looks like
    /// one of somebody else.
    pub async fn decide_as_subject(
        &self,
        id_token: &str,
        id: ApprovalId,
        verdict: Verdict,
        reason: Option<String>,
        request_id: &str,
    ) -> Result<Versioned<Approval>, IssueError> {
        let not_yours = || IssueError::denied("approval", format!("`{id}` is not yours to decide"));
        let zones: Vec<_> = self.0.zones.pin().values().cloned().collect();
        let mut zones = zones.into_iter();
        let Some(handle) = zones.find(|zone| zone.view().approvals.find(id).is_some()) else {
            return Err(not_yours());
        };
        let subject = self.prove_approver(&handle, id, id_token).await?;
        let decided = self
            .decide_approval_as_subject(handle.id, subject, id, verdict, reason, request_id)
            .await;
        let error = match decided {
            Ok(decided) => return Ok(decided),
            Err(AdminError::NotFound { .. }) => not_yours(),
            Err(AdminError::AlreadyDecided(why)) => IssueError::conflict("already_decided", why),
            Err(AdminError::Invalid(fields)) => {
                let why = fields.first().map(|field| field.message.clone());
                return Err(IssueError::InvalidRequest(format!(
                    "`reason`: {}",
                    why.unwrap_or_default()
                )));
            }
            Err(error) => return Err(error.into()),
        };
        // Who is known and may not: that is evidence.
        let mut event = self.event(handle.id, EventType::ApprovalDenied, request_id);
        event.subject = Some(subject);
        event.approval = Some(id);
        event.decision = Some(Decision::Deny);
        event.reason = Some(error.code().to_owned());
        let recorded = self.record(&handle, &event).await;
        recorded
            .map_err(|e| IssueError::Unavailable(format!("the ledger cannot be written: {e}")))?;
        Err(error)
    }
}
