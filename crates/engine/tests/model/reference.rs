//! The plain model: everything in lists, every answer worked out anew from them.

/// A set of scopes on resources, as bits: read and write on `items`, read and write on `notes`.
pub(crate) type Mask = u8;
pub(crate) const ITEMS: [Mask; 2] = [0b0001, 0b0010];
pub(crate) const NOTES: [Mask; 2] = [0b0100, 0b1000];
pub(crate) const RESOURCES: [Mask; 2] = [0b0011, 0b1100];
const WRITES: Mask = 0b1010;

/// The policy of [`Reference::permits`] and [`Reference::forbids`].
pub(crate) const POLICY: &str = r#"
    permit (principal in Application::"anton", action, resource);
    permit (principal in Application::"berta", action == Action::"read", resource == Resource::"resource://items");
    permit (principal in Application::"berta", action == Action::"caracal:lend", resource == Resource::"resource://items");
    forbid (principal in Application::"berta", action == Action::"write", resource == Resource::"resource://notes");
    forbid (principal, action == Action::"write", resource) when { principal.labels.contains("restricted") };
"#;

#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) app: usize,
    pub(crate) parent: Option<usize>,
    pub(crate) depth: usize,
    pub(crate) narrowing: Option<Mask>,
    pub(crate) restricted: bool,
    pub(crate) subject: Option<usize>,
    pub(crate) expires: i64,
    pub(crate) decided: u64,
    pub(crate) generation: u64,
    pub(crate) fenced: Option<u64>,
    pub(crate) suspended: bool,
    pub(crate) closed: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Delegation {
    pub(crate) from: usize,
    pub(crate) via: Option<usize>,
    pub(crate) to_session: Option<usize>,
    pub(crate) to_app: usize,
    pub(crate) receiver: Option<usize>,
    pub(crate) mask: Mask,
    pub(crate) expires: i64,
    pub(crate) decided: u64,
    pub(crate) max_depth: usize,
}

#[derive(Debug, Clone)]
pub(crate) struct Mandate {
    pub(crate) text: String,
    pub(crate) app: usize,
    /// None: it brought its own session, that of the first mandate it was exchanged from.
    pub(crate) session: Option<usize>,
    pub(crate) by: Option<usize>,
    pub(crate) resource: usize,
    pub(crate) mask: Mask,
    pub(crate) expires: i64,
    pub(crate) decided: u64,
    /// The mandates that it was exchanged from, nearest first.
    pub(crate) sources: Vec<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anchor {
    Zone,
    App(usize),
    Resource(usize),
    Subject(usize),
    Session(usize),
    Delegation(usize),
    Mandate(usize),
}

impl Anchor {
    pub(crate) fn is_final(self) -> bool {
        matches!(
            self,
            Self::Session(_) | Self::Delegation(_) | Self::Mandate(_)
        )
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Revocation {
    pub(crate) anchor: Anchor,
    pub(crate) lifted: Option<u64>,
}

#[derive(Debug, Default)]
pub(crate) struct Reference {
    pub(crate) now: i64,
    /// The number of the last commit.
    pub(crate) revision: u64,
    pub(crate) sessions: Vec<Session>,
    pub(crate) delegations: Vec<Delegation>,
    pub(crate) mandates: Vec<Mandate>,
    pub(crate) revocations: Vec<Revocation>,
}

/// A way to a session: its links root first, the delegations, and all narrowings together.
pub(crate) struct Path {
    pub(crate) links: Vec<usize>,
    pub(crate) delegations: Vec<usize>,
    pub(crate) mask: Mask,
    pub(crate) expires: i64,
}

impl Reference {
    fn permits(app: usize) -> Mask {
        [0b1111, 0b0001][app]
    }

    fn lends(app: usize) -> Mask {
        [0b1111, 0b0011][app]
    }

    /// What a new root session of an application may do.
    pub(crate) fn of_root(app: usize, restricted: bool) -> Mask {
        Self::of_app(app) & !Self::forbids(app, restricted)
    }

    fn forbids(app: usize, restricted: bool) -> Mask {
        let of_app = [0, 0b1000][app];
        if restricted { of_app | WRITES } else { of_app }
    }

    /// True when a revocation of this ends what was decided on a revision.
    pub(crate) fn ends(&self, anchor: Anchor, decided: u64) -> bool {
        let of = |r: &&Revocation| r.anchor == anchor;
        self.revocations
            .iter()
            .filter(of)
            .any(|r| r.lifted.is_none_or(|lifted| decided <= lifted))
    }

    pub(crate) fn is_revoked(&self, anchor: Anchor) -> bool {
        let mut held = self.revocations.iter();
        held.any(|r| r.anchor == anchor && r.lifted.is_none())
    }

    /// Alive by itself, whatever is above it.
    fn stands(&self, id: usize) -> bool {
        let session = &self.sessions[id];
        !session.closed
            && self.now < session.expires
            && ![
                Some(Anchor::Zone),
                Some(Anchor::App(session.app)),
                Some(Anchor::Session(id)),
                session.subject.map(Anchor::Subject),
            ]
            .into_iter()
            .flatten()
            .any(|anchor| self.ends(anchor, session.decided))
    }

    pub(crate) fn lineage(&self, id: usize) -> Vec<usize> {
        let mut lineage = vec![id];
        while let Some(parent) = self.sessions[*lineage.last().unwrap()].parent {
            lineage.push(parent);
        }
        lineage.reverse();
        lineage
    }

    /// Alive with everything above it; it may be suspended.
    pub(crate) fn is_alive(&self, id: usize) -> bool {
        self.lineage(id).into_iter().all(|id| self.stands(id))
    }

    pub(crate) fn path(&self, session: usize, by: Option<usize>) -> Option<Path> {
        let mut delegations = Vec::new();
        let (mut receiver, mut next) = (session, by);
        while let Some(id) = next {
            let held = &self.delegations[id];
            let alive = self.now < held.expires
                && !self.ends(Anchor::Delegation(id), held.decided)
                && held.receiver == Some(receiver);
            if !alive {
                return None;
            }
            delegations.push(id);
            (receiver, next) = (held.from, held.via);
        }
        delegations.reverse();
        let mut links = self.lineage(receiver);
        let mut mask = 0b1111;
        let mut expires = i64::MAX;
        for link in &links {
            mask &= self.sessions[*link].narrowing.unwrap_or(0b1111);
        }
        for id in &delegations {
            mask &= self.delegations[*id].mask;
            expires = expires.min(self.delegations[*id].expires);
            links.extend(self.lineage(self.delegations[*id].receiver.unwrap()));
        }
        for link in &links {
            let session = &self.sessions[*link];
            if !self.stands(*link) || session.suspended {
                return None;
            }
            expires = expires.min(session.expires);
            mask &= !Self::forbids(session.app, session.restricted);
        }
        mask &= Self::permits(self.sessions[links[0]].app);
        Some(Path {
            links,
            delegations,
            mask,
            expires,
        })
    }

    /// The delegations that a session might use.
    pub(crate) fn borrowed(&self, session: usize) -> Vec<usize> {
        let receives = |id: &usize| self.delegations[*id].receiver == Some(session);
        (0..self.delegations.len()).filter(receives).collect()
    }

    /// What an application may have without a session.
    pub(crate) fn of_app(app: usize) -> Mask {
        Self::permits(app) & !Self::forbids(app, false)
    }

    /// True when the root of a path may lend all of this to an application.
    pub(crate) fn may_lend(&self, path: &Path, mask: Mask, to: usize) -> bool {
        let last = self.sessions[*path.links.last().unwrap()].app;
        let lends = Self::lends(self.sessions[path.links[0]].app);
        let mut all = RESOURCES.iter().filter(|r| *r & mask != 0);
        last == to || all.all(|r| r & lends == *r)
    }

    /// Whether a mandate counts at all: nothing that it stands on has ended.
    pub(crate) fn mandate_stands(&self, id: usize) -> bool {
        let mandate = &self.mandates[id];
        let ends = |anchor| self.ends(anchor, mandate.decided);
        let path = match mandate.session {
            Some(session) => {
                let fenced = self.sessions[session].fenced;
                fenced.is_none_or(|since| mandate.decided > since) && !self.sessions[session].closed
            }
            None => true,
        };
        self.now < mandate.expires
            && path
            && !ends(Anchor::Zone)
            && !ends(Anchor::App(mandate.app))
            && !mandate.session.is_some_and(|id| ends(Anchor::Session(id)))
            && !ends(Anchor::Mandate(id))
            && !mandate.sources.iter().any(|id| ends(Anchor::Mandate(*id)))
    }

    /// What may be called with a mandate now.
    pub(crate) fn usable(&self, id: usize) -> Mask {
        let mandate = &self.mandates[id];
        let dead_resource = self.ends(Anchor::Resource(mandate.resource), mandate.decided);
        if !self.mandate_stands(id) || dead_resource {
            return 0;
        }
        let by_path = match mandate.session {
            // Narrowings were applied when it was issued; policy is asked again.
            Some(session) => self.path(session, mandate.by).map_or(0, |path| path.mask),
            None => Self::of_app(mandate.app),
        };
        mandate.mask & by_path
    }
}
