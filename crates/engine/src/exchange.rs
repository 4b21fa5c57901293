//! Exchanging a mandate for a narrower one (RFC 8693). It never widens: scopes and resources are
//! among those of its source, it ends no later, and the end of the source is its own.

use std::sync::Arc;

use caracal_core::{Anchor, Application, ApprovalId, AuthorizationDetail, RefusalCode, ScopeSet};
use jiff::Timestamp;

use crate::caller::{Caller, behind};
use crate::chain::{Chain, is_unstored};
use crate::path::AuthorityPath;
use crate::view::{Stored, ZoneView};
use crate::{Engine, IssueError, IssueRequest, OpenedMandate};

/// A mandate that may be exchanged by whoever asks.
pub(crate) struct Source<'o>(&'o OpenedMandate);

impl Source<'_> {
    pub(crate) fn scope(&self) -> &ScopeSet {
        &self.0.claims().scope
    }

    /// The only requests that it allows; none: every one under its scopes.
    pub(crate) fn details(&self) -> &[AuthorizationDetail] {
        &self.0.claims().authorization_details
    }

    /// The identifiers of its resources.
    pub(crate) fn resources(&self) -> Vec<String> {
        let audiences = self.0.claims().aud.iter();
        let identifiers = audiences.filter(|aud| aud.starts_with("resource://"));
        identifiers.cloned().collect()
    }

    /// The approval that it was issued by.
    pub(crate) fn approval(&self) -> Option<ApprovalId> {
        self.0.claims().apr
    }

    pub(crate) fn expires_at(&self) -> Timestamp {
        Timestamp::from_second(self.0.claims().exp).unwrap_or(Timestamp::MIN)
    }

    /// Adds the source and what it stands on, nearest first.
    pub(crate) fn add_ancestors(&self, ancestors: &mut Vec<Anchor>) {
        let claims = self.0.claims();
        let mut nearest = vec![Anchor::Mandate(claims.jti)];
        nearest.extend(&claims.anc);
        nearest.extend(claims.dlg.iter().copied().map(Anchor::Delegation));
        // The lender's session, when another session acts.
        if !is_unstored(claims) {
            nearest.push(Anchor::Session(claims.sid));
        }
        for anchor in std::mem::take(ancestors) {
            nearest.push(anchor);
        }
        for anchor in nearest {
            if !ancestors.contains(&anchor) {
                ancestors.push(anchor);
            }
        }
    }
}

impl Engine {
    /// Verifies a mandate that is to be exchanged.
    pub(crate) async fn open_subject(&self, text: &str) -> Result<OpenedMandate, IssueError> {
        self.open_mandate(text).await.map_err(|code| match code {
            RefusalCode::FeedStale => behind(),
            code => IssueError::InvalidGrant(format!("`subject_token`: {}", code.as_str())),
        })
    }

    /// Checks that the caller may exchange a mandate: the application that it was issued to, or
    /// the receiver of a delegation from its session.
    pub(crate) fn source_of<'o>(
        &self,
        caller: &Caller,
        request: &IssueRequest,
        opened: &'o OpenedMandate,
    ) -> Result<Source<'o>, IssueError> {
        let refuse = |why: &str| Err(IssueError::InvalidGrant(format!("`subject_token` {why}")));
        let claims = opened.claims();
        if claims.zone != caller.zone() {
            return refuse("is of another zone");
        }
        if claims.is_of_session() {
            return refuse("is a session mandate, which is not exchanged");
        }
        // Whoever stole a bound mandate cannot exchange it for one that is not.
        if !caller.has_key_of(claims) {
            let why = "`subject_token` is bound to a key: prove it with a `DPoP` header";
            return Err(IssueError::InvalidProof(why.to_owned()));
        }
        let view = &caller.view;
        if Chain::of(claims)
            .find_dead(view, opened.decided_on)
            .is_some()
        {
            return refuse("is revoked");
        }
        if let Some(by) = request.delegation_id {
            // The receiver of a delegation acts with what the lender's mandate allows.
            let held = view.delegations.find(by).map(|held| &held.value);
            let session = caller.session_named(request.session_id)?;
            if held.is_none_or(|held| held.from != claims.sid) {
                return refuse("is not of the session that this delegation is from");
            }
            if session.is_none() || held.and_then(|held| held.receiver) != session {
                return refuse("is exchanged by a delegation for the session that may use it only");
            }
        } else if claims.client_id != caller.application {
            return refuse("was issued to another application");
        } else if caller.session.is_some_and(|own| own != claims.sid) {
            return refuse("is of another session");
        } else if request.session_id.is_some_and(|named| named != claims.sid) {
            return refuse("is of another session than `session_id`");
        }
        if let Some(held) = view.sessions.find(claims.sid)
            && request.delegation_id.is_none()
        {
            caller.check_holder(&held.value)?;
        }
        let mine = Source(opened);
        let wanted = &request.resources;
        let named = mine.resources();
        let within = |text: &String| {
            let found = self.find_identifier(view, text);
            found.is_some_and(|identifier| named.contains(&identifier.to_string()))
        };
        match wanted.iter().find(|text| !within(text)) {
            Some(_) => Err(IssueError::InvalidTarget(
                "the mandate that is exchanged is not for all of these resources".to_owned(),
            )),
            None => Ok(mine),
        }
    }

    /// The path of a mandate that its own application exchanges.
    pub(crate) fn source_path(
        &self,
        view: &ZoneView,
        caller: &Caller,
        source: &Source<'_>,
        application: &Arc<Stored<Application>>,
        now: Timestamp,
    ) -> Result<AuthorityPath, IssueError> {
        let claims = source.0.claims();
        if is_unstored(claims) {
            return Ok(AuthorityPath::without_session(
                Arc::clone(application),
                claims.sid,
                claims.subject(),
            ));
        }
        let by = claims.dlg.last().copied();
        AuthorityPath::resolve(view, &caller.handle.leases, now, claims.sid, by)
            .map_err(|broken| broken.into_issue_error(view))
    }
}
