//! Everything that a mandate stands on.

use caracal_core::{Anchor, MandateClaims, Provider, Resource, Revision, SessionId};

use crate::ended::Ended;
use crate::path::AuthorityPath;
use crate::view::ZoneView;

/// Everything whose end ends the use of a mandate.
pub(crate) struct Chain {
    anchors: Vec<Anchor>,
    session: SessionId,
    /// True when the session came with the mandate, and is no object of its own.
    is_unstored: bool,
    /// The holder that it was issued to.
    generation: Option<u64>,
}

impl Chain {
    /// What the mandate itself says.
    pub(crate) fn of(claims: &MandateClaims) -> Self {
        let mut anchors = Vec::with_capacity(8 + claims.anc.len() + claims.dlg.len());
        anchors.extend([
            Anchor::Zone(claims.zone),
            Anchor::Application(claims.client_id),
            Anchor::Session(claims.sid),
            Anchor::Mandate(claims.jti),
        ]);
        anchors.extend(&claims.anc);
        anchors.extend(claims.dlg.iter().copied().map(Anchor::Delegation));
        anchors.extend(claims.subject().map(Anchor::Subject));
        Self {
            anchors,
            session: claims.sid,
            is_unstored: is_unstored(claims),
            generation: claims.generation,
        }
    }

    /// Adds what lies on the path that it was issued by.
    pub(crate) fn on(mut self, path: &AuthorityPath) -> Self {
        for anchor in path.anchors() {
            if !self.anchors.contains(&anchor) {
                self.anchors.push(anchor);
            }
        }
        self
    }

    /// Adds what it is used on.
    pub(crate) fn using(mut self, resource: &Resource, provider: Option<&Provider>) -> Self {
        self.anchors.push(Anchor::Resource(resource.id));
        self.anchors
            .extend(provider.map(|p| Anchor::Provider(p.id)));
        self
    }

    /// The first thing that is dead for what was decided on `decided_on`.
    pub(crate) fn find_dead(&self, view: &ZoneView, decided_on: Revision) -> Option<Anchor> {
        let dead = |anchor: &Anchor| self.is_dead(*anchor, view, decided_on);
        let found = self.anchors.iter().copied().find(dead);
        let session = Anchor::Session(self.session);
        found.or_else(|| {
            self.is_fenced(self.session, view, decided_on)
                .then_some(session)
        })
    }

    /// What of the things that a commit ends has ended it.
    pub(crate) fn find_ended(
        &self,
        ended: &Ended,
        view: &ZoneView,
        decided_on: Revision,
    ) -> Option<Anchor> {
        let dead = |anchor: &Anchor| {
            ended.suspends(*anchor)
                || (ended.has(*anchor) && self.is_dead(*anchor, view, decided_on))
        };
        let found = self.anchors.iter().copied().find(dead);
        found.or_else(|| {
            let fenced =
                ended.may_fence(self.session) && self.is_fenced(self.session, view, decided_on);
            fenced.then_some(Anchor::Session(self.session))
        })
    }

    /// True when it was issued to an earlier holder of this session.
    pub(crate) fn is_fenced(
        &self,
        session: SessionId,
        view: &ZoneView,
        decided_on: Revision,
    ) -> bool {
        let stored = Some(session).filter(|own| *own == self.session && !self.is_unstored);
        let Some(held) = stored.and_then(|own| view.sessions.find(own)) else {
            return false;
        };
        match self.generation {
            Some(generation) => generation < held.value.generation,
            // Mandates of before this claim have only their revision.
            None => held.value.fenced.is_some_and(|since| decided_on <= since),
        }
    }

    fn is_dead(&self, anchor: Anchor, view: &ZoneView, decided_on: Revision) -> bool {
        let is_object = !(self.is_unstored && anchor == Anchor::Session(self.session));
        view.revokes(anchor, decided_on) || (is_object && view.is_gone(anchor))
    }
}

/// True when the session of a mandate is none that was opened: it came with this mandate, or
/// with one that this one was exchanged for.
pub(crate) fn is_unstored(claims: &MandateClaims) -> bool {
    let came_with = |anchor: &Anchor| matches!(anchor, Anchor::Mandate(id) if SessionId::of_mandate(*id) == claims.sid);
    SessionId::of_mandate(claims.jti) == claims.sid || claims.anc.iter().any(came_with)
}
