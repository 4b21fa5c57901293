//! How a call is refused, and the evidence of it.

use caracal_core::{Anchor, Decision, Event, EventType, RefusalCode};

use crate::path::Broken;
use crate::record::RecordError;
use crate::verify::OpenedMandate;
use crate::{DecisionEvidence, Engine, Refusal};

impl Engine {
    /// Records the end of a call of which nothing was sent.
    pub(super) fn record_unsent(&self, opened: &OpenedMandate, started: &Event, reason: &str) {
        let mut finished = self.call_event(opened, EventType::CallFinished, &started.request_id);
        finished.resource = started.resource.clone();
        finished.operation = started.operation.clone();
        finished.reason = Some(reason.to_owned());
        self.record_later(&opened.handle, &finished);
    }

    /// Records that a call waits for a person, or was denied because of what they said, and gives
    /// back what to answer.
    pub(super) async fn refuse_held(
        &self,
        opened: &OpenedMandate,
        mut event: Box<Event>,
        mut refusal: Refusal,
        is_held: bool,
    ) -> Refusal {
        if !is_held {
            return self.refuse(opened, event, refusal).await;
        }
        event.approval = refusal.approval;
        event.decision = Some(Decision::Hold);
        event.reason = Some(refusal.code.as_str().to_owned());
        match self.record(&opened.handle, &event).await {
            Ok(_) => {
                refusal.evidence = Some(Box::new(DecisionEvidence::of(&event)));
                refusal
            }
            Err(error) => unrecorded(error),
        }
    }

    /// Records a denial and gives back what to answer.
    pub(crate) async fn refuse(
        &self,
        opened: &OpenedMandate,
        mut event: Box<Event>,
        mut refusal: Refusal,
    ) -> Refusal {
        event.decision = Some(Decision::Deny);
        event.reason = Some(refusal.code.as_str().to_owned());
        match self.record(&opened.handle, &event).await {
            Ok(_) => {
                refusal.evidence = Some(Box::new(DecisionEvidence::of(&event)));
                refusal
            }
            Err(error) => unrecorded(error),
        }
    }

    pub(crate) fn call_event(
        &self,
        opened: &OpenedMandate,
        event_type: EventType,
        request_id: &str,
    ) -> Box<Event> {
        let claims = opened.claims();
        let mut event = Box::new(self.event(claims.zone, event_type, request_id));
        event.application = Some(claims.client_id);
        event.session = Some(claims.sid);
        event.mandate = Some(claims.jti);
        event.trace_id = opened.trace;
        event
    }
}

/// The refusal of a call whose path cannot be used.
pub(super) fn broken_path(opened: &OpenedMandate, broken: Broken) -> Refusal {
    match broken {
        Broken::Suspended(id) => Refusal::new(
            RefusalCode::SessionSuspended,
            format!("the session `{id}` is suspended"),
        )
        .hint("resume it, or wait until somebody does"),
        Broken::Dead(anchor) | Broken::Expired(anchor) => revoked(opened, anchor),
        Broken::NotReceiver(id) | Broken::NotAccepted(id) | Broken::TooLong(id) => {
            revoked(opened, Anchor::Delegation(id))
        }
    }
}

pub(super) fn unrecorded(error: RecordError) -> Refusal {
    Refusal::new(RefusalCode::LedgerUnavailable, error.to_string())
}

pub(crate) fn revoked(opened: &OpenedMandate, anchor: Anchor) -> Refusal {
    let frozen =
        matches!(anchor, Anchor::Zone(zone) if opened.handle.view().is_revoked(Anchor::Zone(zone)));
    if frozen {
        return Refusal::new(RefusalCode::ZoneFrozen, "the zone is frozen");
    }
    Refusal::new(
        RefusalCode::MandateRevoked,
        format!("the mandate's {} is revoked", anchor.noun()),
    )
}
