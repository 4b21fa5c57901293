//! What one path gives of what is wanted.

use caracal_core::{
    Anchor, ApprovalId, Approver, AuthorizationDetail, ResourceIdentifier, ScopeSet,
};

use super::{Asking, DEFAULT_TTL_SECONDS, Denied, MAX_TTL_SECONDS, Wanted};
use crate::approvals::HeldIssue;
use crate::decide::Asked;
use crate::exchange::Source;
use crate::path::AuthorityPath;
use crate::questions::Questions;
use crate::sessions::seconds_until;
use crate::view::ZoneView;
use crate::{Engine, IssueError};

/// What a mandate will say.
pub(crate) struct Granted {
    pub(super) identifiers: Vec<ResourceIdentifier>,
    /// The approval that it goes by.
    pub(crate) approval: Option<ApprovalId>,
    /// The digest of the approval that it uses up.
    pub(crate) used: Option<String>,
    pub(super) scope: ScopeSet,
    pub(super) details: Vec<AuthorizationDetail>,
    pub(super) ttl: u32,
    pub(crate) asked: Asked,
    pub(super) ancestors: Vec<Anchor>,
    pub(super) path: AuthorityPath,
}

impl Engine {
    /// What a path gives of what is wanted.
    pub(super) fn grant(
        &self,
        view: &ZoneView,
        path: AuthorityPath,
        wanted: &Wanted<'_>,
        questions: &mut Questions<'_>,
    ) -> Result<Granted, Denied> {
        let mut asking = Asking::about(view, &path, wanted, questions).map_err(Denied::heavy)?;
        let mut granting = Asked::default();
        let mut denying = Asked::default();
        let mut granted = ScopeSet::default();
        let mut holding: Option<(Approver, ScopeSet, Asked)> = None;
        for scope in wanted.candidates().iter() {
            let mut asked = Asked::default();
            let answered = asking.ask(scope, &mut asked);
            asked.tell_faults(&wanted.request.request_id);
            match answered {
                Ok(None) => {
                    granted.insert(scope.clone());
                    granting.merge(asked);
                }
                Ok(Some(by)) => {
                    let (strictest, scopes, policies) =
                        holding.get_or_insert_with(|| (by, ScopeSet::default(), Asked::default()));
                    *strictest = (*strictest).max(by);
                    scopes.insert(scope.clone());
                    policies.merge(asked);
                }
                Err(error) if wanted.scopes.is_some() => {
                    return Err(Denied::with(error, asked));
                }
                // What denied a scope has no part in a mandate without it.
                Err(_) => denying.merge(asked),
            }
        }
        if let Some((by, mut scopes, asked)) = holding
            && (wanted.scopes.is_some() || granted.is_empty())
        {
            granted
                .iter()
                .for_each(|scope| scopes.insert(scope.clone()));
            let error = IssueError::denied("approval", "a person has to approve this");
            let held = Some(Box::new(HeldIssue {
                identifiers: wanted.identifiers(),
                anchors: wanted.anchors(view),
                digest: wanted.digest(view, &path, by)?,
                scopes,
                details: wanted.details(),
                by,
                path,
            }));
            return Err(Denied {
                held,
                ..Denied::with(error, asked)
            });
        }
        if granted.is_empty() {
            let error = IssueError::denied("policy", "no scope of these resources is allowed");
            return Err(Denied::with(error, denying));
        }
        let mut approval = wanted.carried();
        let mut ends_of_approval = None;
        if let Some(given) = &wanted.approval {
            let digest = wanted.digest(view, &path, given.by)?;
            if digest != given.digest {
                let why = "`approval_id` is for another request".to_owned();
                return Err(Denied::plain(IssueError::InvalidGrant(why)));
            }
            approval = Some(given.id);
            ends_of_approval = Some(given.expires_at);
        }
        let ends = path
            .expires_at()
            .into_iter()
            .chain(wanted.source.as_ref().map(Source::expires_at))
            .chain(ends_of_approval);
        let left = ends.map(|end| seconds_until(wanted.now, end)).min();
        let ttl = (wanted.request.ttl_seconds.unwrap_or(DEFAULT_TTL_SECONDS))
            .min(MAX_TTL_SECONDS)
            .min(granting.ttl_seconds.unwrap_or(MAX_TTL_SECONDS))
            .max(1)
            .min(left.unwrap_or(MAX_TTL_SECONDS));
        if ttl == 0 {
            let why = "what it would be taken from is about to end".to_owned();
            return Err(Denied::with(IssueError::InvalidGrant(why), granting));
        }
        let mut ancestors = path.ancestors();
        if let Some(source) = &wanted.source {
            source.add_ancestors(&mut ancestors);
        }
        Ok(Granted {
            identifiers: wanted.identifiers(),
            approval,
            used: wanted.approval.as_ref().map(|held| held.digest.clone()),
            scope: granted,
            details: wanted.details(),
            ttl,
            asked: granting,
            ancestors,
            path,
        })
    }
}
