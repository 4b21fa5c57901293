//! Ending a delegation by those who made it or use it.

use caracal_core::{Anchor, Delegation, DelegationId};

use crate::caller::Caller;
use crate::view::ZoneView;
use crate::{CallerCredentials, Engine, IssueError, RevocationReceipt};

impl Engine {
    /// Ends a delegation, and everything that was taken from it: the lender takes it back, or the
    /// receiver gives it back.
    ///
    /// # Errors
    /// See [`IssueError`].
    pub async fn end_delegation(
        &self,
        credentials: &CallerCredentials,
        key: Option<&str>,
        id: DelegationId,
        request_id: &str,
    ) -> Result<RevocationReceipt, IssueError> {
        let caller = self.authenticate_caller(credentials, key).await?;
        caller.own_delegation(&caller.view, id)?;
        let receipt = self.revoke_by(&caller, Anchor::Delegation(id), request_id);
        Ok(receipt.await?)
    }
}

impl Caller {
    /// A delegation that the caller lends or may use.
    pub(crate) fn own_delegation<'v>(
        &self,
        view: &'v ZoneView,
        id: DelegationId,
    ) -> Result<&'v Delegation, IssueError> {
        let none = || IssueError::InvalidGrant(format!("no delegation `{id}`"));
        let held = &view.delegations.find(id).ok_or_else(none)?.value;
        let takes_part = match self.session {
            Some(own) => held.from == own || held.receiver == Some(own),
            None => {
                held.from_application == self.application || held.to_application == self.application
            }
        };
        if !takes_part {
            return Err(none());
        }
        // Where a session is bound to a key, that key acts for it.
        let own = if held.from_application == self.application
            && self.session.is_none_or(|own| own == held.from)
        {
            Some(held.from)
        } else {
            held.receiver
        };
        if let Some(session) = own.and_then(|id| view.sessions.find(id)) {
            self.check_holder(&session.value)?;
        }
        Ok(held)
    }
}
