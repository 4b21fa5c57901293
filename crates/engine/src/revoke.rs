//! Ending authority: one tombstone, everything below it dies by derivation.

use std::collections::BTreeMap;
use std::time::Instant;

use caracal_core::{
    Anchor, Event, EventType, Kind, NodeId, RefusalCode, Revision, Revocation, RevocationId, Role,
    Version, ZoneId,
};
use serde::{Deserialize, Serialize};

use crate::caller::Caller;
use crate::change::Change;
use crate::meters::meters;
use crate::{Admin, AdminError, BlastRadius, CallerCredentials, Engine, IssueError, Versioned};

/// What the revoker gets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RevocationReceipt {
    /// The revocation.
    pub id: RevocationId,
    /// The revision from which on it holds.
    pub revision: Revision,
    /// The nodes that have confirmed that they deny.
    pub confirmed_by: Vec<Confirmation>,
    /// Nodes that did not answer and whose lease ran out, so that they deny by themselves.
    pub expired_leases: Vec<NodeId>,
    /// How long all of it took, in milliseconds.
    pub elapsed_ms: u64,
    /// What was revoked, by noun.
    pub revoked: BTreeMap<String, u64>,
    /// The calls that were cut.
    pub streams_cut: u64,
}

/// One node's word.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Confirmation {
    /// The node.
    pub node: NodeId,
    /// After how many milliseconds it confirmed.
    pub elapsed_ms: u64,
}

/// A person's words for why.
pub(crate) fn check_reason(reason: Option<&str>) -> Result<(), AdminError> {
    if reason.is_some_and(|text| text.len() > 1000 || text.chars().any(char::is_control)) {
        return Err(AdminError::invalid(
            "reason",
            "use at most 1000 characters without control characters",
        ));
    }
    Ok(())
}

impl Engine {
    /// Revokes an anchor.
    ///
    /// # Errors
    /// Needs the role admin; the object must exist, except that a mandate or a session of a
    /// mandate has no stored object.
    pub async fn revoke(
        &self,
        zone: ZoneId,
        admin: &Admin,
        anchor: Anchor,
        reason: Option<String>,
    ) -> Result<RevocationReceipt, AdminError> {
        admin.operator.require(Role::Admin, zone)?;
        check_reason(reason.as_deref())?;
        let event = self.admin_event(zone, admin, EventType::AuthorityRevoked);
        self.revoke_anchor(zone, admin, anchor, reason, event).await
    }

    /// Ends what a workload may end; its event names the workload, and no operator.
    pub(crate) async fn revoke_by(
        &self,
        caller: &Caller,
        anchor: Anchor,
        request_id: &str,
    ) -> Result<RevocationReceipt, AdminError> {
        let admin = caller.admin(request_id);
        let event = caller.event(self, EventType::AuthorityRevoked, &admin);
        self.revoke_anchor(caller.zone(), &admin, anchor, None, event)
            .await
    }

    async fn revoke_anchor(
        &self,
        zone: ZoneId,
        admin: &Admin,
        anchor: Anchor,
        reason: Option<String>,
        event: Event,
    ) -> Result<RevocationReceipt, AdminError> {
        let began = Instant::now();
        let revocation: Revocation = self
            .write(zone, admin, |view| {
                exists(view, anchor)?;
                // Revoking again confirms what holds already.
                if let Some(held) = view
                    .revocations_of(anchor)
                    .find(|r| r.value.lifted_after.is_none())
                {
                    return Ok((Change::standalone(zone), held.value.clone()));
                }
                let created_at = self.now();
                let id = RevocationId::new(created_at, &self.random());
                let revocation = Revocation {
                    id,
                    anchor,
                    created_at,
                    reason: reason.clone(),
                    lifted_at: None,
                    lifted_after: None,
                };
                let mut change = Change::standalone(zone);
                change.put(
                    Kind::Revocation,
                    id.uuid(),
                    None,
                    Version::ABSENT,
                    &revocation,
                )?;
                let mut event = event.clone();
                event.target = Some(anchor.to_string());
                event.reason = reason.clone();
                match anchor {
                    Anchor::Mandate(mandate) => event.mandate = Some(mandate),
                    Anchor::Session(session) => event.session = Some(session),
                    Anchor::Application(application) => event.application = Some(application),
                    _ => {}
                }
                change.events.push(event);
                Ok((change, revocation))
            })
            .await?;
        let elapsed_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let handle = self
            .zone_handle(zone)
            .ok_or_else(|| AdminError::not_found("zone", zone))?;
        let mut revoked = BlastRadius::of(&handle.view(), anchor).counts();
        revoked.entry(anchor.noun().to_owned()).or_insert(1);
        let streams_cut = handle.cuts.get(&revocation.id).unwrap_or(0);
        meters().revoked(began.elapsed(), streams_cut);
        Ok(RevocationReceipt {
            id: revocation.id,
            revision: handle.view().position.revision,
            confirmed_by: vec![Confirmation {
                node: self.config().node,
                elapsed_ms,
            }],
            expired_leases: Vec::new(),
            elapsed_ms,
            revoked,
            streams_cut,
        })
    }

    /// Lifts a revocation: new authority may be issued again, what was issued before stays dead.
    ///
    /// # Errors
    /// Needs the role admin; revocations of mandates, sessions and delegations are final.
    pub async fn lift(
        &self,
        zone: ZoneId,
        admin: &Admin,
        id: RevocationId,
    ) -> Result<Versioned<Revocation>, AdminError> {
        admin.operator.require(Role::Admin, zone)?;
        self.write(zone, admin, |view| {
            let held = view
                .revocations
                .get(&id.uuid())
                .ok_or_else(|| AdminError::not_found("revocation", id))?;
            if held.value.anchor.is_final() {
                let noun = held.value.anchor.noun();
                return Err(AdminError::InUse(format!(
                    "the revocation of a {noun} is final"
                )));
            }
            let mut change = Change::standalone(zone);
            if held.value.lifted_after.is_some() {
                return Ok((change, Versioned::of(held)));
            }
            let lift = |held: &Revocation| Revocation {
                lifted_at: Some(self.now()),
                lifted_after: Some(view.position.revision),
                ..held.clone()
            };
            // Two that revoked at once made two tombstones; one lift must lift both.
            for twin in view.revocations_of(held.value.anchor) {
                if twin.value.lifted_after.is_none() {
                    let id = twin.value.id.uuid();
                    change.put(Kind::Revocation, id, None, twin.version, &lift(&twin.value))?;
                }
            }
            let lifted = lift(&held.value);
            let mut event = self.admin_event(zone, admin, EventType::RevocationLifted);
            event.target = Some(held.value.anchor.to_string());
            change.events.push(event);
            Ok((
                change,
                Versioned {
                    version: held.version.next(),
                    value: lifted,
                },
            ))
        })
        .await
    }

    /// The revocations of a zone, newest first.
    ///
    /// # Errors
    /// Needs the role viewer.
    pub fn list_revocations(
        &self,
        zone: ZoneId,
        admin: &Admin,
    ) -> Result<Vec<Versioned<Revocation>>, AdminError> {
        let view = self.readable(admin, zone)?;
        let mut all: Vec<_> = view
            .revocations
            .values()
            .map(|r| Versioned::of(r))
            .collect();
        all.sort_by_key(|r| std::cmp::Reverse(r.value.id));
        Ok(all)
    }

    /// Revokes a mandate on behalf of the application that it was issued to (RFC 7009).
    /// A mandate that is not valid any more needs no revocation.
    ///
    /// # Errors
    /// When the client is unknown, or the mandate is another application's.
    pub async fn revoke_own(
        &self,
        credentials: &CallerCredentials,
        key: Option<&str>,
        mandate: &str,
        request_id: &str,
    ) -> Result<(), IssueError> {
        let client = self.authenticate_caller(credentials, key).await?;
        let opened = match self.open_mandate(mandate).await {
            Ok(opened) => opened,
            Err(RefusalCode::FeedStale) => {
                return Err(IssueError::Unavailable(
                    "this node is behind; try again".to_owned(),
                ));
            }
            Err(_) => return Ok(()),
        };
        let claims = opened.claims();
        let is_of_session = client.session.is_none_or(|own| own == claims.sid);
        if claims.client_id != client.application
            || claims.zone != client.handle.id
            || !is_of_session
        {
            return Err(IssueError::UnauthorizedClient);
        }
        self.revoke_by(&client, Anchor::Mandate(claims.jti), request_id)
            .await
            .map(drop)
            .map_err(|e| IssueError::Unavailable(e.to_string()))
    }
}

/// An anchor with a stored object must exist.
fn exists(view: &crate::view::ZoneView, anchor: Anchor) -> Result<(), AdminError> {
    let found = match anchor {
        // Not stored: any id of the right form may be one that was issued.
        Anchor::Mandate(_) | Anchor::Session(_) | Anchor::Subject(_) => true,
        Anchor::Application(id) => view.applications.find_by_id(id.uuid()).is_some(),
        Anchor::Resource(id) => view.resources.find_by_id(id.uuid()).is_some(),
        Anchor::Provider(id) => view.providers.find_by_id(id.uuid()).is_some(),
        Anchor::Zone(id) => view.zone.value.id == id && id != ZoneId::INSTANCE,
        Anchor::Delegation(id) => view.delegations.find(id).is_some(),
    };
    if found {
        Ok(())
    } else {
        Err(AdminError::not_found(anchor.noun(), anchor))
    }
}
