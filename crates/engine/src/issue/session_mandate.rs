//! What the holder of a session proves itself with.

use caracal_core::{EventType, MandateClaims, MandateId, SessionId};

use super::sign::set_path;
use super::{IssuedMandate, MAX_TTL_SECONDS};
use crate::caller::Caller;
use crate::sessions::seconds_until;
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
        let now = self.now();
        // The session may be younger than what the caller was authenticated on.
        let view = caller.handle.view();
        let made = caller
            .own_application(&view)
            .and_then(|_| caller.own_session(&view, session))
            .and_then(|_| self.path_of(caller, &view, session, None));
        let path = match made {
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
            ..self.claims_on(caller, &path, id, now, ttl)
        };
        let mut event = self.event(zone.id, EventType::MandateIssued, request_id);
        set_path(&mut event, &path);
        event.reason = Some("session_mandate".to_owned());
        self.sign_and_record(caller, claims, event, ttl).await
    }
}
