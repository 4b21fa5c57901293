//! The way by which a session has authority: from a root session, over the sessions below it
//! and the delegations between, to the one that acts.
//!
//! Every link must be alive, and every narrowing on the way holds. Permits are asked as the root;
//! what is forbidden to any link is forbidden to all.

use std::collections::BTreeSet;
use std::sync::Arc;

use caracal_core::{
    Anchor, Application, Authority, Delegation, DelegationId, DelegationStatus, Label, Resource,
    Revision, Session, SessionId, SessionStatus, SubjectId,
};
use jiff::Timestamp;

use crate::leases::Leases;
use crate::view::{Stored, ZoneView};

/// The most sessions above one.
pub const MAX_SESSION_DEPTH: u32 = 16;
/// The most delegations of one path.
pub const MAX_DELEGATION_DEPTH: u32 = 8;

/// What no session has.
static NO_LABELS: BTreeSet<Label> = BTreeSet::new();

/// One session on a path with its application.
pub(crate) struct Link {
    pub(crate) application: Arc<Stored<Application>>,
    pub(crate) session: SessionId,
    /// None for the session that a mandate brings along.
    stored: Option<Arc<Stored<Session>>>,
}

impl Link {
    pub(crate) fn labels(&self) -> &BTreeSet<Label> {
        self.stored.as_ref().map_or(&NO_LABELS, |s| &s.value.labels)
    }

    pub(crate) fn depth(&self) -> u32 {
        self.stored.as_ref().map_or(0, |s| s.value.depth)
    }

    pub(crate) fn subject(&self) -> Option<SubjectId> {
        self.stored.as_ref().and_then(|s| s.value.subject)
    }

    pub(crate) fn stored(&self) -> Option<&Arc<Stored<Session>>> {
        self.stored.as_ref()
    }
}

/// Why a path cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Broken {
    /// It was revoked, closed, or never was.
    Dead(Anchor),
    /// Its time is over.
    Expired(Anchor),
    /// It waits for being resumed.
    Suspended(SessionId),
    /// It is not for this session.
    NotReceiver(DelegationId),
    /// Nobody has accepted it.
    NotAccepted(DelegationId),
}

/// A whole path. It has at least one link.
pub(crate) struct AuthorityPath {
    root: Link,
    /// What comes after the root, in order; with the parents of receivers.
    below: Vec<Link>,
    /// Root first.
    pub(crate) delegations: Vec<Arc<Stored<Delegation>>>,
    /// How many links from the root on narrow by their own authority: the lender's lineage.
    narrowing_links: usize,
}

impl AuthorityPath {
    /// The path of a mandate without a session.
    pub(crate) fn without_session(
        application: Arc<Stored<Application>>,
        session: SessionId,
    ) -> Self {
        Self {
            root: Link {
                application,
                session,
                stored: None,
            },
            below: Vec::new(),
            delegations: Vec::new(),
            narrowing_links: 1,
        }
    }

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
        for delegation in &delegations {
            check_delegation(view, now, delegation)?;
            if let Some(receiver) = delegation.value.receiver {
                links.extend(lineage(view, receiver)?);
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
        })
    }

    /// Every link, root first.
    pub(crate) fn links(&self) -> impl Iterator<Item = &Link> {
        std::iter::once(&self.root).chain(&self.below)
    }

    /// Whom permits are asked about.
    pub(crate) fn root(&self) -> &Link {
        &self.root
    }

    /// Who acts.
    pub(crate) fn last(&self) -> &Link {
        self.below.last().unwrap_or(&self.root)
    }

    /// Who forbids are asked about, besides the root.
    pub(crate) fn below(&self) -> &[Link] {
        &self.below
    }

    /// True when nothing on the way takes the scope away. A narrowing that is older than the
    /// resource was about another resource of that name.
    pub(crate) fn allows(&self, resource: &Resource, scope: &str) -> bool {
        let identifier = resource.identifier();
        self.narrowings().all(|(since, authority)| {
            resource.created_at <= since && authority.allows(&identifier, scope)
        })
    }

    /// Every narrowing with the time it was made.
    fn narrowings(&self) -> impl Iterator<Item = (Timestamp, &Authority)> {
        let sessions = self.links().take(self.narrowing_links);
        let of_sessions = sessions.filter_map(|link| {
            let session = &link.stored.as_ref()?.value;
            Some((session.created_at, session.authority.as_ref()?))
        });
        let lent = self.delegations.iter().map(|held| &held.value);
        of_sessions.chain(lent.map(|lent| (lent.created_at, &lent.authority)))
    }

    /// When the first thing on the way ends.
    pub(crate) fn expires_at(&self) -> Option<Timestamp> {
        let sessions = self
            .links()
            .filter_map(|link| link.stored.as_ref().map(|s| s.value.expires_at));
        let delegations = self.delegations.iter().map(|d| d.value.expires_at);
        sessions.chain(delegations).min()
    }

    /// Everything on the way whose end ends what it gives.
    pub(crate) fn anchors(&self) -> Vec<Anchor> {
        let mut anchors = Vec::with_capacity(4 + 2 * self.below.len() + self.delegations.len());
        for link in self.links() {
            for anchor in [
                Some(Anchor::Application(link.application.value.id)),
                Some(Anchor::Session(link.session)),
                link.subject().map(Anchor::Subject),
            ]
            .into_iter()
            .flatten()
            {
                if !anchors.contains(&anchor) {
                    anchors.push(anchor);
                }
            }
        }
        anchors.extend(
            self.delegations
                .iter()
                .map(|held| Anchor::Delegation(held.value.id)),
        );
        anchors
    }

    /// The sessions above the last one, nearest first, as the `anc` claim lists them.
    pub(crate) fn ancestors(&self) -> Vec<Anchor> {
        let mut sessions: Vec<Anchor> = Vec::new();
        for link in self.links() {
            let anchor = Anchor::Session(link.session);
            if link.session != self.last().session && !sessions.contains(&anchor) {
                sessions.push(anchor);
            }
        }
        sessions.reverse();
        sessions
    }

    /// The ids of the delegations, root first.
    pub(crate) fn delegation_ids(&self) -> Vec<DelegationId> {
        self.delegations.iter().map(|held| held.value.id).collect()
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

/// True when a revocation of something that a session stands on ends it, whatever its time.
pub(crate) fn is_ended(view: &ZoneView, session: &Session) -> bool {
    let dead = |anchor| view.revokes(anchor, session.decided_on);
    dead(Anchor::Zone(view.zone.value.id))
        || dead(Anchor::Application(session.application))
        || dead(Anchor::Session(session.id))
        || session.subject.is_some_and(|id| dead(Anchor::Subject(id)))
        || view
            .applications
            .find_by_id(session.application.uuid())
            .is_none()
        || session
            .parent
            .is_some_and(|parent| view.sessions.find(parent).is_none())
}

/// The revision from which on a mandate of this session counts; those of an earlier holder do
/// not.
pub(crate) fn fenced(view: &ZoneView, session: SessionId) -> Option<Revision> {
    view.sessions.find(session)?.value.fenced
}
