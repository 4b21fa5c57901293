//! The delivery log, and trying a sink.

use caracal_core::{Delivery, DeliveryId, DeliveryStatus, Role, SinkEvent, ZoneId};
use jiff::Timestamp;

use super::attempt::Attempt;
use super::find;
use super::message::Message;
use crate::{Admin, AdminError, Engine, IdListing, Versioned};

impl Engine {
    /// The deliveries of a zone, the latest first, after one that ended then.
    ///
    /// # Errors
    /// Needs the role viewer.
    pub fn list_deliveries(
        &self,
        zone: ZoneId,
        admin: &Admin,
        after: Option<(Timestamp, DeliveryId)>,
        limit: usize,
    ) -> Result<IdListing<Delivery>, AdminError> {
        let view = self.readable(admin, zone)?;
        let mut listing = IdListing::of(view.deliveries.latest_first(after), limit);
        for Versioned { value, .. } in &mut listing.items {
            let is_over = value
                .approval
                .is_none_or(|id| view.approvals.find(id).is_none());
            // It was under way when the server stopped for so long that its approval is forgotten.
            if is_over && value.status == DeliveryStatus::Retrying {
                value.status = DeliveryStatus::Failed;
            }
        }
        Ok(listing)
    }

    /// Sends a sink a message that is about nothing, once, and writes down what came of it.
    ///
    /// # Errors
    /// Needs the role admin. A sink that does not take the message is no error.
    pub async fn test_sink(
        &self,
        zone: ZoneId,
        admin: &Admin,
        key: &str,
    ) -> Result<Delivery, AdminError> {
        admin.operator.require(Role::Admin, zone)?;
        let view = self.readable(admin, zone)?;
        let sink = find(&view, key).ok_or_else(|| AdminError::not_found("sink", key))?;
        let outward = self
            .0
            .outward
            .get()
            .ok_or_else(|| AdminError::Unavailable {
                why: "this server sends no messages".to_owned(),
                done: false,
            })?;
        let now = self.now();
        let id = DeliveryId::new(now, &self.random());
        let mut told = Delivery {
            id,
            sink: sink.value.id,
            sink_name: sink.value.name.clone(),
            event: SinkEvent::Tested,
            approval: None,
            status: DeliveryStatus::Failed,
            attempts: 0,
            http_status: None,
            why: None,
            at: now,
        };
        if admin.dry_run {
            return Ok(told);
        }
        let message = Message {
            view: &view,
            sink: &sink.value,
            event: SinkEvent::Tested,
            approval: None,
            shown: None,
            time: now,
            console_url: &outward.console_url,
        };
        told.attempts = 1;
        match self.attempt(outward, id, message).await {
            Attempt::Taken(status) => {
                told.status = DeliveryStatus::Delivered;
                told.http_status = Some(status);
            }
            Attempt::Later { status, why, .. } | Attempt::Never { status, why } => {
                told.http_status = status;
                told.why = Some(why);
            }
        }
        self.record_delivery(zone, told.clone()).await;
        Ok(told)
    }
}
