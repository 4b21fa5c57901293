//! Asking a person: one approval for identical requests.

use caracal_core::{
    Anchor, ApplicationId, Approval, ApprovalId, ApprovalStatus, ApprovalSubject, Approver,
    EventType, Kind, Name, Secret, SessionId, Version,
};
use jiff::SignedDuration;
use serde::Serialize;

use super::{MAX_PENDING_APPROVALS, MAX_PENDING_OF_APPLICATION, find_dead};
use crate::change::Change;
use crate::path::AuthorityPath;
use crate::view::{ZoneKeys, ZoneView};
use crate::zone_handle::ZoneHandle;
use crate::{Admin, AdminError, Engine, Operator};

/// A request that policy holds.
pub(crate) struct HeldRequest<'p> {
    pub(crate) application: ApplicationId,
    /// The session that asks; none for a mandate that brings its own.
    pub(crate) session: Option<SessionId>,
    pub(crate) path: &'p AuthorityPath,
    /// What else it stands on: resources, providers, mandates.
    pub(crate) anchors: Vec<Anchor>,
    pub(crate) asked: ApprovalSubject,
    pub(crate) digest: String,
    pub(crate) by: Approver,
    pub(crate) policies: Vec<Name>,
    /// What the approver sees.
    pub(crate) shown: String,
}

/// Why nobody is asked.
#[derive(Debug)]
pub(crate) enum NotHeld {
    /// The Subject must decide, and there is none.
    NoSubject,
    /// Too many wait already.
    TooMany(String),
    /// The state cannot be written.
    Failed(AdminError),
}

impl From<AdminError> for NotHeld {
    fn from(error: AdminError) -> Self {
        Self::Failed(error)
    }
}

/// The keyed digest of what is asked for and of who asks.
pub(crate) fn digest_of<T: Serialize>(view: &ZoneView, inputs: &T) -> Result<String, AdminError> {
    let text = serde_json::to_vec(inputs).map_err(|error| AdminError::Unavailable {
        why: format!("the request cannot be digested: {error}"),
        done: false,
    })?;
    let parts = [b"approval\n".as_slice(), &text].concat();
    Ok(caracal_crypto::hex(&caracal_crypto::keyed_digest(
        &view.keys.digest,
        &parts,
    )))
}

impl Engine {
    /// The approval that answers a held request: the one that an identical request made, or a new
    /// one.
    pub(crate) async fn ask_for_approval(
        &self,
        handle: &ZoneHandle,
        request: &HeldRequest<'_>,
        request_id: &str,
    ) -> Result<Approval, NotHeld> {
        if request.by == Approver::Subject && request.path.root().subject().is_none() {
            return Err(NotHeld::NoSubject);
        }
        let admin = Admin::new(Operator::sweeper(), request_id);
        // Of two identical requests at a time, one asks and the other finds.
        let _turn = handle.approvals_turn.lock().await;
        let asked = self.write_as::<Approval, NotHeld, _>(handle.id, &admin, |view| {
            let now = self.now();
            let same = view.approvals.find_same(&request.digest, now);
            if let Some(held) = same.filter(|held| find_dead(view, &held.value).is_none()) {
                return Ok((Change::standalone(handle.id), held.value.clone()));
            }
            check_room(view, request.application)?;
            let approval = self.new_approval(view, request)?;
            let mut change = Change::standalone(handle.id);
            let id = approval.id.uuid();
            change.put(Kind::Approval, id, None, Version::ABSENT, &approval)?;
            let event =
                self.approval_event(&approval, handle, EventType::ApprovalRequested, &admin);
            change.events.push(event);
            Ok((change, approval))
        });
        let approval = asked.await?;
        if approval.status == ApprovalStatus::Pending {
            metrics::counter!("caracal_approvals_holds_total").increment(1);
        }
        Ok(approval)
    }

    fn new_approval(
        &self,
        view: &ZoneView,
        request: &HeldRequest<'_>,
    ) -> Result<Approval, AdminError> {
        let now = self.now();
        let zone = &view.zone.value;
        let path = request.path;
        let mut anchors = vec![Anchor::Zone(zone.id)];
        let own = path.anchors().into_iter().filter(|anchor| {
            // The session that a mandate will bring is another each time.
            !matches!(anchor, Anchor::Session(_)) || request.session.is_some()
        });
        anchors.extend(own);
        anchors.extend(&request.anchors);
        let mut opened_by: Vec<String> = path
            .links()
            .filter_map(|link| link.stored()?.value.operator.clone())
            .collect();
        opened_by.dedup();
        let shown = Secret::new(request.shown.clone().into_bytes());
        let shown = self
            .keyring()
            .seal(&shown, &ZoneKeys::context(zone.id, "approval"))
            .map_err(|error| AdminError::Unavailable {
                why: format!("the request cannot be sealed: {error}"),
                done: false,
            })?;
        let lasts = SignedDuration::from_secs(Approval::SECONDS);
        Ok(Approval {
            id: ApprovalId::new(now, &self.random()),
            digest: request.digest.clone(),
            application: request.application,
            session: request.session,
            subject: path.root().subject(),
            delegations: path.delegation_ids(),
            anchors,
            opened_by,
            asked: request.asked.clone(),
            shown,
            by: request.by,
            policies: request.policies.clone(),
            policy_version: zone.policy.clone(),
            created_at: now,
            expires_at: now.saturating_add(lasts).unwrap_or(now),
            decided_on: view.position.revision,
            status: ApprovalStatus::Pending,
            decided_by: None,
            decided_at: None,
            reason: None,
        })
    }

    /// An event about an approval: whom and what it concerns, without what is shown.
    pub(super) fn approval_event(
        &self,
        approval: &Approval,
        handle: &ZoneHandle,
        event_type: EventType,
        admin: &Admin,
    ) -> caracal_core::Event {
        let mut event = self.admin_event(handle.id, admin, event_type);
        event.approval = Some(approval.id);
        event.application = Some(approval.application);
        event.session = approval.session;
        event.subject = approval.subject;
        event.delegations = Some(approval.delegations.clone()).filter(|ids| !ids.is_empty());
        event.inputs_digest = Some(approval.digest.clone());
        match &approval.asked {
            ApprovalSubject::Mandate { resources, scopes } => {
                event.resource = resources.first().cloned();
                event.resources = Some(resources.clone()).filter(|all| all.len() > 1);
                event.scopes = Some(scopes.clone());
            }
            ApprovalSubject::Call {
                resource,
                scope,
                method,
                path,
            } => {
                event.resource = Some(resource.clone());
                event.scopes = Some(scope.clone());
                event.operation = Some(caracal_core::OperationRef {
                    method: method.clone(),
                    path: path.clone(),
                    tool: None,
                });
            }
        }
        if event_type == EventType::ApprovalRequested {
            event.policies = Some(approval.policies.clone());
            event.policy_version = approval.policy_version.clone();
        }
        event
    }
}

fn check_room(view: &ZoneView, application: ApplicationId) -> Result<(), NotHeld> {
    if view.approvals.count_pending_of(application) >= MAX_PENDING_OF_APPLICATION {
        let most = MAX_PENDING_OF_APPLICATION;
        let why = format!("{most} requests of this application wait for a person already");
        return Err(NotHeld::TooMany(why));
    }
    if view.approvals.count_pending() >= MAX_PENDING_APPROVALS {
        let most = MAX_PENDING_APPROVALS;
        let why = format!("{most} requests of this zone wait for a person already");
        return Err(NotHeld::TooMany(why));
    }
    Ok(())
}
