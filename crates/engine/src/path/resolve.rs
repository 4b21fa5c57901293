//! Resolving a path from what is stored: every link must be alive.

use std::sync::Arc;

use caracal_core::{Anchor, Delegation, DelegationId, DelegationStatus, SessionId, SessionStatus};
use jiff::Timestamp;

use super::{
    AuthorityPath, Broken, Link, MAX_DELEGATION_DEPTH, MAX_PATH_SESSIONS, MAX_SESSION_DEPTH,
};
use crate::leases::Leases;
use crate::view::{Stored, ZoneView};

impl AuthorityPath {
    /// The path to a session: by its own root, or by a delegation into it.
    pub(crate) fn resolve(
        view: &ZoneView,
        leases: &Leases,
        now: Timestamp,
        session: SessionId,
        by: Option<DelegationId>,
    ) -> Result<Self, Broken> {
        let delegations = delegations_to(view, session, by)?;
        let start = delegations
            .first()
            .map_or(session, |first| first.value.from);
        let mut links = lineage(view, start)?;
        let narrowing_links = links.len();
        let mut before = Vec::with_capacity(delegations.len());
        for delegation in &delegations {
            check_delegation(view, now, delegation)?;
            before.push(links.len());
            if let Some(receiver) = delegation.value.receiver {
                add_receiver(view, &mut links, receiver, delegation.value.id)?;
            }
        }
        for link in &links {
            check_link(view, leases, now, link)?;
        }
        // What is dead is dead, also below what is only suspended.
        let suspended = |link: &&Link| {
            let stored = link.stored.as_ref();
            stored.is_some_and(|s| s.value.status == SessionStatus::Suspended)
        };
        if let Some(link) = links.iter().find(suspended) {
            return Err(Broken::Suspended(link.session));
        }
        let mut links = links.into_iter();
        let root = links.next().ok_or(Broken::Dead(Anchor::Session(session)))?;
        Ok(Self {
            root,
            below: links.collect(),
            delegations,
            narrowing_links,
            before,
        })
    }

    /// How many sessions the path would have with another receiver at its end.
    pub(crate) fn len_with(&self, view: &ZoneView, receiver: SessionId) -> Result<usize, Broken> {
        let others = lineage(view, receiver)?;
        let is_new = |link: &&Link| self.links().all(|held| held.session != link.session);
        Ok(self.len() + others.iter().filter(is_new).count())
    }
}

/// Adds a receiver with everything above it. Each session is on a path once, however often its
/// sessions lend to each other.
fn add_receiver(
    view: &ZoneView,
    links: &mut Vec<Link>,
    receiver: SessionId,
    by: DelegationId,
) -> Result<(), Broken> {
    for link in lineage(view, receiver)? {
        if links.iter().all(|held| held.session != link.session) {
            links.push(link);
        }
    }
    if links.len() > MAX_PATH_SESSIONS {
        return Err(Broken::TooLong(by));
    }
    // None is accepted by a session that is on the path already.
    match links.last() {
        Some(last) if last.session == receiver => Ok(()),
        _ => Err(Broken::NotReceiver(by)),
    }
}

/// The delegations that lead to a session, root first.
fn delegations_to(
    view: &ZoneView,
    session: SessionId,
    by: Option<DelegationId>,
) -> Result<Vec<Arc<Stored<Delegation>>>, Broken> {
    let mut delegations = Vec::new();
    let mut receiver = session;
    let mut next = by;
    while let Some(id) = next {
        let held = view
            .delegations
            .find(id)
            .ok_or(Broken::Dead(Anchor::Delegation(id)))?;
        match (held.value.status, held.value.receiver) {
            (DelegationStatus::Active, Some(found)) if found == receiver => {}
            (DelegationStatus::Active, _) => return Err(Broken::NotReceiver(id)),
            (DelegationStatus::Offered, _) => return Err(Broken::NotAccepted(id)),
        }
        receiver = held.value.from;
        next = held.value.via;
        delegations.push(Arc::clone(held));
        if delegations.len() > MAX_DELEGATION_DEPTH as usize {
            return Err(Broken::Dead(Anchor::Delegation(id)));
        }
    }
    delegations.reverse();
    Ok(delegations)
}

/// A session with everything above it, root first.
fn lineage(view: &ZoneView, session: SessionId) -> Result<Vec<Link>, Broken> {
    let mut links = Vec::new();
    let mut next = Some(session);
    while let Some(id) = next {
        let gone = Broken::Dead(Anchor::Session(id));
        let stored = view.sessions.find(id).ok_or(gone)?;
        let application = view
            .applications
            .find_by_id(stored.value.application.uuid())
            .ok_or(Broken::Dead(Anchor::Application(stored.value.application)))?;
        next = stored.value.parent;
        links.push(Link {
            application: Arc::clone(application),
            session: id,
            stored: Some(Arc::clone(stored)),
            subject: None,
        });
        if links.len() > MAX_SESSION_DEPTH as usize + 1 {
            return Err(gone);
        }
    }
    links.reverse();
    Ok(links)
}

fn check_link(view: &ZoneView, leases: &Leases, now: Timestamp, link: &Link) -> Result<(), Broken> {
    let Some(stored) = &link.stored else {
        return Ok(());
    };
    let session = &stored.value;
    let anchor = Anchor::Session(session.id);
    for anchor in [
        Some(Anchor::Zone(view.zone.value.id)),
        Some(Anchor::Application(session.application)),
        Some(anchor),
        session.subject.map(Anchor::Subject),
    ]
    .into_iter()
    .flatten()
    {
        if view.revokes(anchor, session.decided_on) {
            return Err(Broken::Dead(anchor));
        }
    }
    if !session.is_alive(now) || leases.has_lapsed(session, now) {
        return Err(Broken::Expired(anchor));
    }
    Ok(())
}

fn check_delegation(
    view: &ZoneView,
    now: Timestamp,
    held: &Stored<Delegation>,
) -> Result<(), Broken> {
    let delegation = &held.value;
    let anchor = Anchor::Delegation(delegation.id);
    if view.revokes(anchor, delegation.decided_on) {
        return Err(Broken::Dead(anchor));
    }
    if now >= delegation.expires_at {
        return Err(Broken::Expired(anchor));
    }
    Ok(())
}
