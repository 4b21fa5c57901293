//! Waiting for a person.

use std::time::Duration;

use caracal_core::{Approval, ApprovalId, ApprovalStatus, ZoneId};

use crate::caller::Caller;
use crate::view::ZoneView;
use crate::zone_handle::ZoneHandle;
use crate::{Admin, AdminError, CallerCredentials, Engine, IssueError};

impl Engine {
    /// Waits until an approval of the caller's is decided, at most so long.
    ///
    /// # Errors
    /// `invalid_grant` for one that is not the caller's; see [`IssueError`].
    pub async fn wait_for_approval(
        &self,
        credentials: &CallerCredentials,
        key: Option<&str>,
        id: ApprovalId,
        wait: Duration,
    ) -> Result<Approval, IssueError> {
        let caller = self.authenticate_caller(credentials, key).await?;
        // It may be younger than what the caller was authenticated on.
        let view = caller.handle.view();
        let approval = caller.own_approval(&view, id)?.clone();
        let found = self.watch_approval(&caller.handle, id, wait).await;
        Ok(found.unwrap_or(approval))
    }

    /// The same for an operator.
    ///
    /// # Errors
    /// Needs the role viewer; there must be such an approval.
    pub async fn wait_for_decision(
        &self,
        zone: ZoneId,
        admin: &Admin,
        id: ApprovalId,
        wait: Duration,
    ) -> Result<(), AdminError> {
        self.get_approval(zone, admin, id)?;
        if let Some(handle) = self.zone_handle(zone) {
            self.watch_approval(&handle, id, wait).await;
        }
        Ok(())
    }

    /// The approval once it is not pending any more, or after the time.
    async fn watch_approval(
        &self,
        handle: &ZoneHandle,
        id: ApprovalId,
        wait: Duration,
    ) -> Option<Approval> {
        let mut applied = handle.follow();
        let find = || {
            handle
                .view()
                .approvals
                .find(id)
                .map(|held| held.value.clone())
        };
        let left = |approval: &Approval| {
            Duration::try_from(approval.expires_at.duration_since(self.now())).unwrap_or_default()
        };
        let wait = find().map_or(Duration::ZERO, |approval| wait.min(left(&approval)));
        let decided = async {
            while find().is_some_and(|held| held.status_at(self.now()) == ApprovalStatus::Pending) {
                if applied.changed().await.is_err() {
                    return;
                }
            }
        };
        let decided = tokio::time::timeout(wait, decided);
        let _ = self.while_open(decided).await;
        find()
    }
}

impl Caller {
    /// An approval that the caller asked for. One of another application looks like none at all.
    pub(crate) fn own_approval<'v>(
        &self,
        view: &'v ZoneView,
        id: ApprovalId,
    ) -> Result<&'v Approval, IssueError> {
        let held = view.approvals.find(id).map(|held| &held.value);
        held.filter(|held| {
            let own_session = self.session.is_none() || held.session == self.session;
            held.application == self.application && own_session
        })
        .ok_or_else(|| IssueError::InvalidGrant(format!("no approval `{id}`")))
    }
}
