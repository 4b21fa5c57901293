//! The way by which a session has authority: from a root session, over the sessions below it
//! and the delegations between, to the one that acts.
//!
//! Every link must be alive, and every narrowing on the way holds. Permits are asked as the root;
//! what is forbidden to any link is forbidden to all.

mod resolve;

use std::collections::BTreeSet;
use std::sync::Arc;

use caracal_core::{
    Anchor, Application, Authority, Delegation, DelegationId, Label, Resource, Session, SessionId,
    SubjectId, Version,
};
use jiff::Timestamp;

use crate::view::{Stored, ZoneView};

/// The most sessions above one.
pub const MAX_SESSION_DEPTH: u32 = 16;
/// The most delegations of one path.
pub const MAX_DELEGATION_DEPTH: u32 = 8;
/// The most sessions of one path: each may forbid, and is asked for every scope.
pub const MAX_PATH_SESSIONS: usize = 32;

/// What no session has.
static NO_LABELS: BTreeSet<Label> = BTreeSet::new();

/// One session on a path with its application.
pub(crate) struct Link {
    pub(crate) application: Arc<Stored<Application>>,
    pub(crate) session: SessionId,
    /// None for the session that a mandate brings along.
    stored: Option<Arc<Stored<Session>>>,
    /// Whom such a session is for.
    subject: Option<SubjectId>,
}

impl Link {
    pub(crate) fn labels(&self) -> &BTreeSet<Label> {
        self.stored.as_ref().map_or(&NO_LABELS, |s| &s.value.labels)
    }

    pub(crate) fn depth(&self) -> u32 {
        self.stored.as_ref().map_or(0, |s| s.value.depth)
    }

    pub(crate) fn subject(&self) -> Option<SubjectId> {
        let stored = self.stored.as_ref();
        stored.map_or(self.subject, |s| s.value.subject)
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
    /// The path to its receiver has more than [`MAX_PATH_SESSIONS`].
    TooLong(DelegationId),
}

/// A whole path. It has at least one link, and each session once.
pub(crate) struct AuthorityPath {
    root: Link,
    /// What comes after the root, in order; with the parents of receivers.
    below: Vec<Link>,
    /// Root first.
    pub(crate) delegations: Vec<Arc<Stored<Delegation>>>,
    /// How many links from the root on narrow by their own authority: the lender's lineage.
    narrowing_links: usize,
    /// How many links there are before each delegation.
    before: Vec<usize>,
}

/// A path from its root on, up to somewhere.
#[derive(Clone, Copy)]
pub(crate) struct Stretch<'p> {
    root: &'p Link,
    below: &'p [Link],
    delegations: &'p [Arc<Stored<Delegation>>],
}

impl<'p> Stretch<'p> {
    /// Whom permits are asked about.
    pub(crate) fn root(self) -> &'p Link {
        self.root
    }

    /// Who forbids are asked about, besides the root.
    pub(crate) fn below(self) -> &'p [Link] {
        self.below
    }

    /// Who acts.
    pub(crate) fn last(self) -> &'p Link {
        self.below.last().unwrap_or(self.root)
    }

    pub(crate) fn last_delegation(self) -> Option<&'p Delegation> {
        self.delegations.last().map(|held| &held.value)
    }

    /// How many sessions it has.
    pub(crate) fn len(self) -> usize {
        1 + self.below.len()
    }
}

/// A delegation from one application to another.
pub(crate) struct Crossing<'p> {
    /// The path that it is taken from.
    pub(crate) lender: Stretch<'p>,
    pub(crate) receiver: &'p Link,
}

impl AuthorityPath {
    /// The path of a mandate without a session.
    pub(crate) fn without_session(
        application: Arc<Stored<Application>>,
        session: SessionId,
        subject: Option<SubjectId>,
    ) -> Self {
        Self {
            root: Link {
                application,
                session,
                subject,
                stored: None,
            },
            below: Vec::new(),
            delegations: Vec::new(),
            narrowing_links: 1,
            before: Vec::new(),
        }
    }

    /// The path of a root session that is about to be opened.
    pub(crate) fn of_root(
        application: Arc<Stored<Application>>,
        version: Version,
        value: Session,
    ) -> Self {
        let mut path = Self::without_session(application, value.id, None);
        path.root.stored = Some(Arc::new(Stored { version, value }));
        path
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

    /// How many sessions it has.
    pub(crate) fn len(&self) -> usize {
        1 + self.below.len()
    }

    /// All of it.
    pub(crate) fn whole(&self) -> Stretch<'_> {
        Stretch {
            root: &self.root,
            below: &self.below,
            delegations: &self.delegations,
        }
    }

    /// The delegations on it that lend to another application.
    pub(crate) fn crossings(&self) -> impl Iterator<Item = Crossing<'_>> {
        let ends = self.before.iter().skip(1).copied().chain([self.len()]);
        let lent = self.delegations.iter().zip(&self.before).zip(ends);
        lent.enumerate().filter_map(|(n, ((held, before), end))| {
            let lender = Stretch {
                root: &self.root,
                below: self.below.get(..before.checked_sub(1)?)?,
                delegations: self.delegations.get(..n)?,
            };
            let receiver = self.below.get(end.checked_sub(2)?)?;
            let crosses = receiver.application.value.id != held.value.from_application;
            crosses.then_some(Crossing { lender, receiver })
        })
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

    /// The narrowing that nothing beyond is allowed by.
    pub(crate) fn last_narrowing(&self) -> Option<&Authority> {
        self.narrowings().last().map(|(_, authority)| authority)
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
