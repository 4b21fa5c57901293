//! Looking at delegations, and at what would end with a session.

use std::collections::{BTreeMap, BTreeSet};

use caracal_core::{Anchor, Delegation, DelegationId, SessionId, ZoneId};
use serde::{Deserialize, Serialize};

use crate::view::ZoneView;
use crate::{Admin, AdminError, CallerCredentials, Engine, IdListing, IssueError, Versioned};

/// What would end with something.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlastRadius {
    /// The sessions.
    pub sessions: BTreeSet<SessionId>,
    /// The delegations.
    pub delegations: BTreeSet<DelegationId>,
}

impl BlastRadius {
    /// Everything that stands on an anchor, with it.
    pub(crate) fn of(view: &ZoneView, anchor: Anchor) -> Self {
        let mut radius = Self::default();
        match anchor {
            Anchor::Session(id) => radius.add_session(view, id),
            Anchor::Delegation(id) => radius.add_delegation(view, id),
            Anchor::Mandate(_) | Anchor::Resource(_) | Anchor::Provider(_) => {}
            Anchor::Zone(_) | Anchor::Application(_) | Anchor::Subject(_) => {
                let ends = |session: &caracal_core::Session| match anchor {
                    Anchor::Zone(_) => true,
                    Anchor::Application(id) => session.application == id,
                    Anchor::Subject(id) => session.subject == Some(id),
                    _ => false,
                };
                for held in view.sessions.iter().filter(|held| ends(&held.value)) {
                    radius.add_session(view, held.value.id);
                }
            }
        }
        radius
    }

    /// How many there are, by noun.
    pub(crate) fn counts(&self) -> BTreeMap<String, u64> {
        let counts = [
            ("session", self.sessions.len()),
            ("delegation", self.delegations.len()),
        ];
        let counts = counts.into_iter().filter(|(_, count)| *count > 0);
        counts
            .map(|(noun, n)| (noun.to_owned(), n as u64))
            .collect()
    }

    fn add_session(&mut self, view: &ZoneView, id: SessionId) {
        let mut left = vec![id];
        while let Some(id) = left.pop() {
            if view.sessions.find(id).is_none() || !self.sessions.insert(id) {
                continue;
            }
            left.extend(view.sessions.children_of(id));
            for held in view
                .delegations
                .lent_by(id)
                .chain(view.delegations.borrowed_by(id))
            {
                self.add_delegation(view, held.value.id);
            }
        }
    }

    fn add_delegation(&mut self, view: &ZoneView, id: DelegationId) {
        let mut left = vec![id];
        while let Some(id) = left.pop() {
            if view.delegations.find(id).is_none() || !self.delegations.insert(id) {
                continue;
            }
            left.extend(view.delegations.lent_via(id).map(|below| below.value.id));
        }
    }
}

impl Engine {
    /// A delegation that the caller lends or may use.
    ///
    /// # Errors
    /// See [`IssueError`].
    pub async fn get_delegation(
        &self,
        credentials: &CallerCredentials,
        key: Option<&str>,
        id: DelegationId,
    ) -> Result<Delegation, IssueError> {
        let caller = self.authenticate_caller(credentials, key).await?;
        caller.own_delegation(&caller.view, id).cloned()
    }

    /// What would end with a session: everything below it, and what was lent from it.
    ///
    /// # Errors
    /// Needs the role viewer.
    pub async fn blast_radius(
        &self,
        zone: ZoneId,
        admin: &Admin,
        anchor: Anchor,
    ) -> Result<BlastRadius, IssueError> {
        let view = self.readable(admin, zone)?;
        let weight = view.sessions.len() + view.delegations.len();
        let turn = self.turn_for(weight).await?;
        Ok(turn.run(|| BlastRadius::of(&view, anchor)))
    }

    /// The delegations of a zone in the order of their ids.
    ///
    /// # Errors
    /// Needs the role viewer.
    pub fn list_delegations(
        &self,
        zone: ZoneId,
        admin: &Admin,
        after: Option<DelegationId>,
        limit: usize,
    ) -> Result<IdListing<Delegation>, AdminError> {
        let view = self.readable(admin, zone)?;
        Ok(IdListing::of(view.delegations.iter_after(after), limit))
    }

    /// A delegation of a zone.
    ///
    /// # Errors
    /// Needs the role viewer; there must be such a delegation.
    pub fn find_delegation(
        &self,
        zone: ZoneId,
        admin: &Admin,
        id: DelegationId,
    ) -> Result<Versioned<Delegation>, AdminError> {
        let view = self.readable(admin, zone)?;
        let held = view.delegations.find(id);
        held.map(|held| Versioned::of(held))
            .ok_or_else(|| AdminError::not_found("delegation", id))
    }
}
