//! What the holder of a session proves itself with.

use caracal_core::{Confirmation, EventType, MandateClaims, MandateId, Session, SessionId};

use super::sign::set_path;
use super::{IssuedMandate, MAX_TTL_SECONDS};
use crate::caller::Caller;
use crate::path::AuthorityPath;
use crate::sessions::seconds_until;
use crate::view::ZoneView;
use crate::{Engine, IssueError};

impl Engine {
    /// Issues what the holder of a session proves itself with: good at the STS, for this session.
    pub(crate) async fn issue_session_mandate(
        &self,
        caller: &Caller,
        session: SessionId,
        ttl_seconds: Option<u32>,
        request_id: &str,
    ) -> Result<IssuedMandate, IssueError> {
        // The session may be younger than what the caller was authenticated on.
        let view = caller.handle.view();
        let allowed = caller
            .own_application(&view)
            .and_then(|_| caller.own_session(&view, session));
        let path = allowed.and_then(|_| self.path_of(caller, &view, session, None));
        let key = caller.key.clone().map(|jkt| Confirmation { jkt });
        let wanted = (session, ttl_seconds, key);
        self.session_mandate(caller, &view, path, wanted, request_id)
            .await
    }

    /// The same for whoever has just opened it: that is not always who will hold it, so the key
    /// is the session's, whether the caller has it or not.
    pub(crate) async fn issue_first_session_mandate(
        &self,
        caller: &Caller,
        session: &Session,
        request_id: &str,
    ) -> Result<IssuedMandate, IssueError> {
        let view = caller.handle.view();
        let path = self.path_of(caller, &view, session.id, None);
        // A child does not get its parent's key, whose proof came with the request.
        let own = caller.key.as_ref().filter(|_| session.parent.is_none());
        let own = own.map(|jkt| Confirmation { jkt: jkt.clone() });
        let wanted = (session.id, None, session.cnf.clone().or(own));
        self.session_mandate(caller, &view, path, wanted, request_id)
            .await
    }

    async fn session_mandate(
        &self,
        caller: &Caller,
        view: &ZoneView,
        path: Result<AuthorityPath, IssueError>,
        (session, ttl_seconds, key): (SessionId, Option<u32>, Option<Confirmation>),
        request_id: &str,
    ) -> Result<IssuedMandate, IssueError> {
        let now = self.now();
        let path = match path {
            Ok(path) => path,
            Err(error) => {
                let admin = caller.admin(request_id);
                let mut event = caller.event(self, EventType::MandateDenied, &admin);
                event.session = Some(session);
                return self.deny(caller, event, error).await;
            }
        };
        let left = path.expires_at().map(|end| seconds_until(now, end));
        let ttl = ttl_seconds
            .unwrap_or(MAX_TTL_SECONDS)
            .min(MAX_TTL_SECONDS)
            .min(left.unwrap_or(MAX_TTL_SECONDS));
        let id = MandateId::new(now, &self.random());
        let zone = &view.zone.value;
        let claims = MandateClaims {
            aud: vec![zone.issuer.clone()],
            anc: path.ancestors(),
            rev: view.position.to_string(),
            cnf: key,
            ..self.claims_on(caller, &path, id, now, ttl)
        };
        let mut event = self.event(zone.id, EventType::MandateIssued, request_id);
        set_path(&mut event, &path);
        event.reason = Some("session_mandate".to_owned());
        self.sign_and_record(caller, claims, event, ttl).await
    }
}
