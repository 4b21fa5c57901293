//! Looking at sessions: what there is, and what one may effectively do.

use caracal_core::{
    Authority, DelegationId, Resource, Scope, Session, SessionId, SessionStatus, SubjectId, ZoneId,
};
use serde::{Deserialize, Serialize};

use crate::path::AuthorityPath;
use crate::questions::{MAX_AUTHORITY_QUESTIONS, Questions, TooMany};
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

/// Which sessions are wanted; what is none matches all.
#[derive(Debug, Clone, Default)]
pub struct SessionFilter {
    /// Those of an application, by name or id.
    pub application: Option<String>,
    /// Those that are so.
    pub status: Option<SessionStatus>,
    /// Those that work for this user.
    pub subject: Option<SubjectId>,
    /// The children of a session.
    pub parent: Option<SessionId>,
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
    /// `limit_exceeded` where that is too much to ask; see [`IssueError`].
    pub async fn session_authority(
        &self,
        credentials: &CallerCredentials,
        key: Option<&str>,
        id: SessionId,
    ) -> Result<Vec<SessionAuthority>, IssueError> {
        let caller = self.authenticate_caller(credentials, key).await?;
        caller.session_to_end(&caller.view, id)?;
        self.path_of(&caller, &caller.view, id, None)?;
        self.paths_of(&caller.handle, &caller.view, id).await
    }

    /// What a session of a zone may effectively do, and by which paths.
    ///
    /// # Errors
    /// Needs the role viewer; there must be such a session. `limit_exceeded` where that is too
    /// much to ask.
    pub async fn session_paths(
        &self,
        zone: ZoneId,
        admin: &Admin,
        id: SessionId,
    ) -> Result<Vec<SessionAuthority>, IssueError> {
        self.find_session(zone, admin, id)?;
        let handle = self
            .zone_handle(zone)
            .ok_or_else(|| AdminError::not_found("zone", zone))?;
        self.paths_of(&handle, &handle.view(), id).await
    }

    async fn paths_of(
        &self,
        handle: &ZoneHandle,
        view: &ZoneView,
        id: SessionId,
    ) -> Result<Vec<SessionAuthority>, IssueError> {
        let resolve = |by| AuthorityPath::resolve(view, &handle.leases, self.now(), id, by);
        let borrowed = view.delegations.borrowed_by(id);
        let by = std::iter::once(None).chain(borrowed.map(|held| Some(held.value.id)));
        let paths: Vec<_> = by.filter_map(|by| resolve(by).ok()).collect();
        let weight = paths
            .iter()
            .map(|path| path.len() * pairs(view, path).count());
        let turn = self.turn_for(weight.sum()).await?;
        let mut questions = self.questions(MAX_AUTHORITY_QUESTIONS);
        let asked = turn.run(|| {
            let mut paths = paths.iter();
            paths.try_fold(Vec::new(), |mut all, path| {
                all.push(self.authority_of(view, path, &mut questions)?);
                Ok::<_, TooMany>(all)
            })
        });
        asked.map_err(|_| {
            let why = format!(
                "this asks policy more than {MAX_AUTHORITY_QUESTIONS} questions: \
                 open a narrower session, or end delegations into this one"
            );
            IssueError::conflict("limit_exceeded", why)
        })
    }

    fn authority_of(
        &self,
        view: &ZoneView,
        path: &AuthorityPath,
        questions: &mut Questions<'_>,
    ) -> Result<SessionAuthority, TooMany> {
        questions.take(path.len() * pairs(view, path).count())?;
        let mut authority = Authority::default();
        for (resource, scope) in pairs(view, path) {
            if self.may_have(view, path, resource, scope.as_str(), questions) {
                authority.insert(resource.identifier(), scope.clone());
            }
        }
        Ok(SessionAuthority {
            delegation: path.delegations.last().map(|held| held.value.id),
            sessions: path.links().map(|link| link.session).collect(),
            delegations: path.delegation_ids(),
            authority,
        })
    }

    /// The sessions of a zone that match, in the order of their ids, which is about that of their
    /// opening.
    ///
    /// # Errors
    /// Needs the role viewer.
    pub fn list_sessions(
        &self,
        zone: ZoneId,
        admin: &Admin,
        wanted: &SessionFilter,
        after: Option<SessionId>,
        limit: usize,
    ) -> Result<IdListing<Session>, AdminError> {
        let view = self.readable(admin, zone)?;
        let application = match wanted.application.as_deref() {
            None => None,
            Some(key) => match crate::applications::find(&view, key) {
                Some(held) => Some(held.value.id),
                None => return Err(AdminError::not_found("application", key)),
            },
        };
        let matches = |held: &&std::sync::Arc<crate::view::Stored<Session>>| {
            let session = &held.value;
            application.is_none_or(|id| session.application == id)
                && wanted.status.is_none_or(|status| session.status == status)
                && wanted.subject.is_none_or(|id| session.subject == Some(id))
                && wanted.parent.is_none_or(|id| session.parent == Some(id))
        };
        let sessions = view.sessions.iter_after(after).filter(matches);
        Ok(IdListing::of(sessions, limit))
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

/// Every scope on a resource that the last narrowing of a path has, or that there is.
fn pairs<'v>(
    view: &'v ZoneView,
    path: &'v AuthorityPath,
) -> impl Iterator<Item = (&'v Resource, &'v Scope)> {
    let last = path.last_narrowing();
    let all = last.is_none().then(|| view.resources.iter());
    let all = all.into_iter().flatten().map(|held| &held.value);
    let all = all.flat_map(|resource| resource.scopes.iter().map(move |scope| (resource, scope)));
    let narrowed = last.into_iter().flat_map(Authority::iter);
    let narrowed = narrowed.filter_map(|(identifier, scope)| {
        let held = view.resources.find(identifier.name().as_str())?;
        Some((&held.value, scope)).filter(|(resource, _)| resource.declares(scope.as_str()))
    });
    all.chain(narrowed)
}
