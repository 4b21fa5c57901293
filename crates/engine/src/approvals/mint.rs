//! Approvals of mandates: asking for one, and using it.

use caracal_core::{
    Anchor, Approval, ApprovalId, ApprovalStatus, ApprovalSubject, Approver, AuthorizationDetail,
    MandateId, ResourceIdentifier, ScopeSet,
};
use jiff::Timestamp;
use serde::Serialize;

use super::{Given, HeldRequest, NotHeld, Unusable, digest_of, of_mandate};
use crate::caller::Caller;
use crate::decide::Asked;
use crate::issue::{Granted, Wanted};
use crate::path::AuthorityPath;
use crate::view::ZoneView;
use crate::{Engine, IssueError, IssueRequest, IssuedMandate};

/// A mandate that a person has to approve.
pub(crate) struct HeldIssue {
    pub(crate) identifiers: Vec<ResourceIdentifier>,
    pub(crate) anchors: Vec<Anchor>,
    pub(crate) digest: String,
    pub(crate) scopes: ScopeSet,
    pub(crate) details: Vec<AuthorizationDetail>,
    pub(crate) by: Approver,
    pub(crate) path: AuthorityPath,
}

/// What the digest of a held mandate covers, as JSON with its fields in order.
#[derive(Serialize)]
struct MintInputs<'r> {
    what: &'static str,
    application: caracal_core::ApplicationId,
    key: Option<&'r str>,
    sessions: Vec<caracal_core::SessionId>,
    /// A session that comes with the mandate is told by nothing else.
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<caracal_core::SubjectId>,
    delegations: Vec<caracal_core::DelegationId>,
    resources: Vec<ResourceIdentifier>,
    /// None: whatever is allowed.
    scopes: Option<String>,
    /// The only requests that are asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    details: Vec<AuthorizationDetail>,
    by: Approver,
}

impl Wanted<'_> {
    pub(crate) fn identifiers(&self) -> Vec<ResourceIdentifier> {
        self.resources.iter().map(|r| r.identifier()).collect()
    }

    /// What a mandate stands on besides its path.
    pub(crate) fn anchors(&self, view: &ZoneView) -> Vec<Anchor> {
        let resources = self.resources.iter();
        let mut anchors: Vec<Anchor> = resources.map(|r| Anchor::Resource(r.id)).collect();
        let providers = self.resources.iter().filter_map(|r| r.provider.as_ref());
        let providers = providers.filter_map(|name| view.providers.find(name.as_str()));
        anchors.extend(providers.map(|held| Anchor::Provider(held.value.id)));
        anchors
    }

    pub(crate) fn digest(
        &self,
        view: &ZoneView,
        path: &AuthorityPath,
        by: Approver,
    ) -> Result<String, IssueError> {
        let mut resources = self.identifiers();
        resources.sort_by_key(ToString::to_string);
        let stored = path.links().filter(|link| link.stored().is_some());
        let inputs = MintInputs {
            what: "mandate",
            application: self.application,
            key: self.key,
            sessions: stored.map(|link| link.session).collect(),
            subject: path.root().subject(),
            delegations: path.delegation_ids(),
            resources,
            scopes: self.scopes.as_ref().map(ToString::to_string),
            details: self.details(),
            by,
        };
        Ok(digest_of(view, &inputs)?)
    }

    /// The approval that a question about this scope carries: the one that is used, or the one
    /// that the exchanged mandate was issued by.
    pub(crate) fn given(&self, view: &ZoneView, scope: &str) -> Option<Given> {
        if let Some(approval) = &self.approval {
            return covers(approval, scope).then(|| Given::of(approval));
        }
        let held = view.approvals.find(self.carried()?)?;
        in_use(&held.value, self.now)
            .filter(|approval| covers(approval, scope))
            .map(Given::of)
    }
}

/// The approval, while what was issued by it may still be used.
pub(crate) fn in_use(approval: &Approval, now: Timestamp) -> Option<&Approval> {
    let used = approval.status == ApprovalStatus::Consumed && now < approval.expires_at;
    used.then_some(approval)
}

/// True when the approver saw that a mandate with this scope was asked for.
pub(crate) fn covers(approval: &Approval, scope: &str) -> bool {
    matches!(&approval.asked, ApprovalSubject::Mandate { scopes, .. } if scopes.contains(scope))
}

impl Engine {
    /// The approval that a request names, if it can be used.
    pub(crate) fn approval_to_use(
        &self,
        caller: &Caller,
        id: ApprovalId,
        now: Timestamp,
    ) -> Result<Approval, IssueError> {
        // It may have been given after the caller was authenticated.
        let view = caller.handle.view();
        let approval = caller.own_approval(&view, id)?;
        let unusable = |why: &str| IssueError::InvalidGrant(format!("the approval `{id}` {why}"));
        if !matches!(approval.asked, ApprovalSubject::Mandate { .. }) {
            return Err(unusable("is for a call: repeat that call"));
        }
        if super::find_dead(&view, approval).is_some() {
            return Err(unusable("is void: what asked for it has ended"));
        }
        match approval.status_at(now) {
            ApprovalStatus::Approved => Ok(approval.clone()),
            ApprovalStatus::Pending => Err(IssueError::InteractionRequired {
                approval: id,
                expires_at: approval.expires_at,
            }),
            ApprovalStatus::Rejected => Err(rejected(approval)),
            ApprovalStatus::Expired => Err(unusable("has expired")),
            ApprovalStatus::Consumed => Err(unusable("was used before")),
        }
    }

    /// Asks a person, and says how the request is refused until they have decided.
    pub(crate) async fn hold_issue(
        &self,
        caller: &Caller,
        request: &IssueRequest,
        held: &HeldIssue,
        asked: &Asked,
    ) -> IssueError {
        let last = held.path.last();
        let wanted = HeldRequest {
            application: caller.application,
            session: last.stored().map(|_| last.session),
            path: &held.path,
            anchors: held.anchors.clone(),
            asked: ApprovalSubject::Mandate {
                resources: held.identifiers.clone(),
                scopes: held.scopes.clone(),
            },
            digest: held.digest.clone(),
            by: held.by,
            policies: asked.determining(),
            shown: of_mandate(&held.path, &held.identifiers, &held.scopes, &held.details),
        };
        let approval = self
            .ask_for_approval(&caller.handle, &wanted, &request.request_id)
            .await;
        match approval {
            Ok(approval) if approval.status == ApprovalStatus::Rejected => rejected(&approval),
            Ok(approval) => IssueError::InteractionRequired {
                approval: approval.id,
                expires_at: approval.expires_at,
            },
            Err(NotHeld::NoSubject) => {
                let why = "a policy asks for the approval of the subject, and the session has none";
                IssueError::denied("approval", why)
            }
            Err(NotHeld::TooMany(why)) => IssueError::conflict("too_many_approvals", why),
            Err(NotHeld::Failed(error)) => error.into(),
        }
    }

    /// Uses up the approval that a mandate goes by, then issues it.
    pub(crate) async fn use_grant(
        &self,
        caller: &Caller,
        request: &IssueRequest,
        mandate: MandateId,
        now: Timestamp,
        granted: Granted,
    ) -> Result<IssuedMandate, IssueError> {
        let used = granted.approval.zip(granted.used.clone());
        let Some((id, digest)) = used else {
            return self.sign(caller, request, mandate, now, granted).await;
        };
        let (handle, request_id) = (&caller.handle, &request.request_id);
        let used = self.reserve_approval(handle, id, &digest, request_id).await;
        let reserved = match used {
            Ok(reserved) => reserved,
            Err(why) => {
                let error = match why {
                    Unusable::Not => {
                        IssueError::InvalidGrant(format!("the approval `{id}` was used meanwhile"))
                    }
                    Unusable::Failed(error) => error.into(),
                };
                let asked = granted.asked;
                self.record_denial(caller, request, &error, asked).await?;
                return Err(error);
            }
        };
        let issued = self.sign(caller, request, mandate, now, granted).await;
        match &issued {
            Ok(_) => reserved.keep(),
            Err(_) => reserved.release().await,
        }
        issued
    }
}

fn rejected(approval: &Approval) -> IssueError {
    let why = match &approval.reason {
        Some(reason) => format!("a person rejected this: {reason}"),
        None => "a person rejected this".to_owned(),
    };
    IssueError::denied("approval", why)
}
