//! Looking at sessions: what there is, and what one may effectively do.

use caracal_core::{Authority, DelegationId, Session, SessionId, ZoneId};
use serde::{Deserialize, Serialize};

use crate::narrower::may_have;
use crate::path::AuthorityPath;
use crate::view::ZoneView;
use crate::zone_handle::ZoneHandle;
use crate::{Admin, AdminError, CallerCredentials, Engine, IdListing, IssueError, Versioned};

/// What a session may do by one of its paths.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionAuthority {
    /// The delegation that the path ends with; none: the session's own root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delegation: Option<DelegationId>,
    /// The sessions on the path, root first.
    pub sessions: Vec<SessionId>,
    /// The delegations on the path, root first.
    pub delegations: Vec<DelegationId>,
    /// What narrowings and policy let it have, now or once a person approves.
    pub authority: Authority,
}

impl Engine {
    /// A session of the caller's.
    ///
    /// # Errors
    /// See [`IssueError`].
    pub async fn get_session(
        &self,
        credentials: &CallerCredentials,
        key: Option<&str>,
        id: SessionId,
    ) -> Result<(ZoneId, Session), IssueError> {
        let caller = self.authenticate_caller(credentials, key).await?;
        let held = caller.session_to_end(&caller.view, id)?;
        Ok((caller.zone(), held.value.clone()))
    }

    /// What a session of the caller's may effectively do, and by which paths.
    ///
    /// # Errors
    /// See [`IssueError`].
    pub async fn session_authority(
        &self,
        credentials: &CallerCredentials,
        key: Option<&str>,
        id: SessionId,
    ) -> Result<Vec<SessionAuthority>, IssueError> {
        let caller = self.authenticate_caller(credentials, key).await?;
        caller.session_to_end(&caller.view, id)?;
        self.path_of(&caller, &caller.view, id, None)?;
        Ok(self.paths_of(&caller.handle, &caller.view, id))
    }

    fn paths_of(
        &self,
        handle: &ZoneHandle,
        view: &ZoneView,
        id: SessionId,
    ) -> Vec<SessionAuthority> {
        let by = std::iter::once(None).chain(
            view.delegations
                .borrowed_by(id)
                .map(|held| Some(held.value.id)),
        );
        by.filter_map(|by| {
            let path = AuthorityPath::resolve(view, &handle.leases, self.now(), id, by).ok()?;
            Some(self.authority_of(view, &path, by))
        })
        .collect()
    }

    pub(crate) fn authority_of(
        &self,
        view: &ZoneView,
        path: &AuthorityPath,
        by: Option<DelegationId>,
    ) -> SessionAuthority {
        let now = self.now();
        let mut authority = Authority::default();
        for resource in view.resources.iter() {
            let resource = &resource.value;
            for scope in &resource.scopes {
                if may_have(view, path, resource, scope.as_str(), now) {
                    authority.insert(resource.identifier(), scope.clone());
                }
            }
        }
        SessionAuthority {
            delegation: by,
            sessions: path.links().map(|link| link.session).collect(),
            delegations: path.delegation_ids(),
            authority,
        }
    }

    /// What a session of a zone may effectively do, and by which paths.
    ///
    /// # Errors
    /// Needs the role viewer; there must be such a session.
    pub fn session_paths(
        &self,
        zone: ZoneId,
        admin: &Admin,
        id: SessionId,
    ) -> Result<Vec<SessionAuthority>, AdminError> {
        self.find_session(zone, admin, id)?;
        let handle = self
            .zone_handle(zone)
            .ok_or_else(|| AdminError::not_found("zone", zone))?;
        Ok(self.paths_of(&handle, &handle.view(), id))
    }

    /// The sessions of a zone in the order of their ids, which is about that of their opening.
    ///
    /// # Errors
    /// Needs the role viewer.
    pub fn list_sessions(
        &self,
        zone: ZoneId,
        admin: &Admin,
        after: Option<SessionId>,
        limit: usize,
    ) -> Result<IdListing<Session>, AdminError> {
        let view = self.readable(admin, zone)?;
        Ok(IdListing::of(view.sessions.iter_after(after), limit))
    }

    /// A session of a zone.
    ///
    /// # Errors
    /// Needs the role viewer; there must be such a session.
    pub fn find_session(
        &self,
        zone: ZoneId,
        admin: &Admin,
        id: SessionId,
    ) -> Result<Versioned<Session>, AdminError> {
        let view = self.readable(admin, zone)?;
        let held = view.sessions.find(id);
        held.map(|held| Versioned::of(held))
            .ok_or_else(|| AdminError::not_found("session", id))
    }
}
