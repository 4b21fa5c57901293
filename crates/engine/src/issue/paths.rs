//! By which path a mandate is issued.

use caracal_core::{DelegationId, MandateId, SessionId};
use jiff::Timestamp;

use super::exact::scopes_of;
use super::named::{check_bound, named_scopes};
use super::wanted::check_alive;
use super::{Denied, Granted, Wanted};
use crate::caller::Caller;
use crate::delegations::MAX_TRIED;
use crate::path::AuthorityPath;
use crate::questions::Questions;
use crate::{Engine, IssueError, IssueRequest, OpenedMandate, SubjectTokenError};

impl Engine {
    pub(super) fn decide_issue(
        &self,
        caller: &Caller,
        request: &IssueRequest,
        exchanged: Option<&OpenedMandate>,
        mandate: MandateId,
        now: Timestamp,
        questions: &mut Questions<'_>,
    ) -> Result<Granted, Denied> {
        let view = &caller.view;
        let plain = Denied::plain;
        let application = caller.own_application(view).map_err(plain)?;
        let source = exchanged.map(|opened| self.source_of(caller, request, opened));
        let source = source.transpose().map_err(plain)?;
        let named = match (&source, request.resources.is_empty()) {
            (Some(source), true) => source.resources(),
            _ => request.resources.clone(),
        };
        let resources = self.named_resources(view, &named).map_err(plain)?;
        check_alive(view, &resources).map_err(plain)?;
        check_bound(caller, &resources).map_err(plain)?;
        let scopes = match &request.scope {
            Some(text) => Some(named_scopes(text, &resources).map_err(plain)?),
            None => None,
        };
        let calls = self.named_calls(view, request, &resources, source.as_ref());
        let calls = calls.map_err(plain)?;
        let scopes = match &calls {
            Some(calls) => Some(scopes_of(calls, scopes.as_ref()).map_err(plain)?),
            None => scopes,
        };
        let approval = request.approval_id;
        let approval = approval.map(|id| self.approval_to_use(caller, id, now));
        let wanted = Wanted {
            approval: approval.transpose().map_err(plain)?,
            key: caller.key.as_deref(),
            application: caller.application,
            resources,
            scopes,
            calls,
            source,
            request,
            now,
        };
        let session = caller.session_named(request.session_id).map_err(plain)?;
        let paths = wanted
            .source
            .as_ref()
            .filter(|_| request.delegation_id.is_none());
        if let Some(source) = paths {
            let path = self.source_path(view, caller, source, application, now);
            return self.grant(view, path.map_err(plain)?, &wanted, questions);
        }
        let Some(session) = session else {
            if request.delegation_id.is_some() {
                let why = "`delegation_id` needs `session_id`".to_owned();
                return Err(plain(IssueError::InvalidGrant(why)));
            }
            let session = SessionId::of_mandate(mandate);
            let path = AuthorityPath::without_session(application.clone(), session, caller.subject);
            return self.grant(view, path, &wanted, questions);
        };
        let held = caller.own_session(view, session).map_err(plain)?;
        if caller.subject.is_some() && held.value.subject != caller.subject {
            return Err(plain(SubjectTokenError::OtherSubject.into()));
        }
        let path = |by| self.path_of(caller, view, session, by);
        let approved = wanted.approval.as_ref();
        let approved = approved.and_then(|approval| approval.delegations.last().copied());
        if let Some(by) = request.delegation_id.or(approved) {
            return self.grant(view, path(Some(by)).map_err(plain)?, &wanted, questions);
        }
        let denied = match self.grant(view, path(None).map_err(plain)?, &wanted, questions) {
            Ok(granted) => return Ok(granted),
            Err(denied) if !matches!(denied.error, IssueError::AccessDenied { .. }) => {
                return Err(denied);
            }
            Err(denied) => denied,
        };
        let mut fitting: Option<Granted> = None;
        let mut others: Vec<Denied> = Vec::new();
        let say_which = |ids: &[DelegationId]| {
            let ids: Vec<_> = ids.iter().map(|id| format!("`{id}`")).collect();
            IssueError::InvalidTarget(format!(
                "say which with `delegation_id`: {}",
                ids.join(", ")
            ))
        };
        let borrowed = view.delegations.borrowed_by(session);
        let borrowed = borrowed.filter(|held| wanted.may_come_of(&held.value.authority));
        let borrowed: Vec<_> = borrowed.map(|held| held.value.id).collect();
        for (tried, by) in borrowed.iter().enumerate() {
            if tried >= MAX_TRIED {
                let which = borrowed.get(..MAX_TRIED).unwrap_or_default();
                return Err(plain(say_which(which)));
            }
            let Ok(path) = path(Some(*by)) else {
                continue;
            };
            match self.grant(view, path, &wanted, questions) {
                Ok(granted) => {
                    if let Some(first) = fitting.replace(granted) {
                        let first = first.path.delegation_ids();
                        let first = first.last().copied();
                        let both: Vec<_> = first.into_iter().chain([*by]).collect();
                        return Err(plain(say_which(&both)));
                    }
                }
                Err(denied) if denied.is_heavy => return Err(Denied::heavy(say_which(&[*by]))),
                Err(denied) if denied.held.is_some() => others.push(denied),
                Err(_) => {}
            }
        }
        if let Some(granted) = fitting {
            return Ok(granted);
        }
        // A person is asked about the session's own root, or about the only other way.
        match others.pop() {
            Some(other) if denied.held.is_none() && others.is_empty() => Err(other),
            _ => Err(denied),
        }
    }
}
