//! Delivering messages, off the path of every commit.
//!
//! What is to be told follows from the state: the approvals of a zone, its sinks, and the
//! deliveries that are done. So nothing is lost by a restart, and what is under way when the
//! server stops is sent again.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use caracal_core::{
    Approval, ApprovalStatus, Delivery, DeliveryId, DeliveryStatus, EventType, Kind, Sink,
    SinkEvent, SinkId, Version, ZoneId,
};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::Outward;
use super::attempt::Attempt;
use super::message::Message;
use crate::change::Change;
use crate::view::{ZoneKeys, ZoneView};
use crate::{Admin, AdminError, Engine, Operator};

/// How many messages of one sink are under way, with those that wait to be tried again. The rest
/// waits in the state.
const IN_FLIGHT: usize = 64;
/// For how long the news of a decision is worth sending.
const NEWS_SECONDS: SignedDuration = SignedDuration::from_secs(Approval::SECONDS);
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Commits that come close together are looked at once.
const GATHER: Duration = Duration::from_millis(20);
const LOOK_AGAIN: Duration = Duration::from_secs(15);
/// The most finished deliveries of one zone whose approvals are gone.
pub(super) const KEPT: usize = 1000;

/// What is under way, by zone, sink and delivery.
type Running = Arc<Mutex<HashSet<(ZoneId, SinkId, Uuid)>>>;

/// One message that is due.
#[derive(Clone)]
struct Job {
    zone: ZoneId,
    sink: SinkId,
    event: SinkEvent,
    approval: caracal_core::ApprovalId,
    id: DeliveryId,
}

impl Engine {
    /// Opens the way out and begins to deliver. Only the first call counts; until then sinks are
    /// told nothing.
    pub fn deliver_to_sinks(&self, outward: Outward) {
        if self.0.outward.set(outward).is_err() {
            return;
        }
        let engine = self.clone();
        self.spawn(async move {
            let running = Running::default();
            let rounds = async {
                loop {
                    engine.start_due(&running);
                    let woken = engine.0.to_deliver.notified();
                    let _ = tokio::time::timeout(LOOK_AGAIN, woken).await;
                    tokio::time::sleep(GATHER).await;
                }
            };
            engine.while_open::<()>(rounds).await;
        });
    }

    /// Begins with everything that is due and not under way.
    fn start_due(&self, running: &Running) {
        let handles: Vec<_> = self.0.zones.pin().values().cloned().collect();
        for handle in handles {
            let view = handle.view();
            for sink in view.sinks.iter() {
                for job in due(&view, &sink.value) {
                    let key = (job.zone, job.sink, job.id.uuid());
                    let mut held = running.lock().unwrap_or_else(PoisonError::into_inner);
                    let own = held.iter().filter(|(z, s, _)| (*z, *s) == (key.0, key.1));
                    if own.count() >= IN_FLIGHT {
                        break;
                    }
                    if !held.insert(key) {
                        continue;
                    }
                    drop(held);
                    let (engine, running) = (self.clone(), Arc::clone(running));
                    self.spawn(async move {
                        engine.while_open(engine.run_job(&job)).await;
                        let mut held = running.lock().unwrap_or_else(PoisonError::into_inner);
                        held.remove(&key);
                        drop(held);
                        engine.0.to_deliver.notify_one();
                    });
                }
            }
        }
    }

    async fn run_job(&self, job: &Job) {
        let mut attempts = 0_u32;
        loop {
            let Some(handle) = self.zone_handle(job.zone) else {
                return;
            };
            let mut applied = handle.follow();
            let view = handle.view();
            let Some(sink) = view.sinks.find_by_id(job.sink.uuid()) else {
                return;
            };
            let held = view.deliveries.find(job.id).map(|held| held.value.clone());
            attempts = attempts.max(held.as_ref().map_or(0, |held| held.attempts));
            let approval = view.approvals.find(job.approval);
            let end = approval.and_then(|held| end_of(job.event, &held.value));
            let ended = |held: Option<Delivery>| Delivery {
                status: DeliveryStatus::Failed,
                why: Some(match held.and_then(|held| held.why) {
                    Some(why) => format!("the approval has ended; before: {why}"),
                    None => "the approval has ended".to_owned(),
                }),
                ..self.delivery(job, &sink.value, attempts)
            };
            let (Some(approval), Some(end)) = (approval, end.filter(|end| self.now() < *end))
            else {
                self.record_delivery(job.zone, ended(held)).await;
                return;
            };
            let Some(outward) = self.0.outward.get() else {
                return;
            };
            let message = Message {
                view: &view,
                sink: &sink.value,
                event: job.event,
                approval: Some(&approval.value),
                shown: self.shown_to(&view, &sink.value, &approval.value),
                time: time_of(job.event, &approval.value),
                console_url: &outward.console_url,
            };
            let attempt = self.attempt(outward, job.id, message).await;
            attempts = attempts.saturating_add(1);
            let told = self.delivery(job, &sink.value, attempts);
            let (status, http_status, why, after) = match attempt {
                Attempt::Taken(status) => (DeliveryStatus::Delivered, Some(status), None, None),
                Attempt::Never { status, why } => (DeliveryStatus::Failed, status, Some(why), None),
                Attempt::Later { status, why, after } => {
                    (DeliveryStatus::Retrying, status, Some(why), after)
                }
            };
            metrics::counter!("caracal_sink_attempts_total", "outcome" => status.as_str())
                .increment(1);
            let told = Delivery {
                status,
                http_status,
                why,
                ..told
            };
            let is_over = status != DeliveryStatus::Retrying;
            // The first failure and the end are written down, not every attempt between.
            if is_over || attempts == 1 {
                self.record_delivery(job.zone, told).await;
            }
            if is_over {
                return;
            }
            let pause = pause(attempts).max(after.unwrap_or_default());
            let left = Duration::try_from(end.duration_since(self.now())).unwrap_or_default();
            // Whoever decides meanwhile ends the wait.
            let over = async {
                loop {
                    let found = handle.view();
                    let same = found
                        .approvals
                        .find(job.approval)
                        .is_some_and(|held| end_of(job.event, &held.value).is_some());
                    if !same || found.sinks.find_by_id(job.sink.uuid()).is_none() {
                        return;
                    }
                    if applied.changed().await.is_err() {
                        return;
                    }
                }
            };
            let _ = tokio::time::timeout(pause.min(left), over).await;
        }
    }

    fn delivery(&self, job: &Job, sink: &Sink, attempts: u32) -> Delivery {
        Delivery {
            id: job.id,
            sink: sink.id,
            sink_name: sink.name.clone(),
            event: job.event,
            approval: Some(job.approval),
            status: DeliveryStatus::Failed,
            attempts,
            http_status: None,
            why: None,
            at: self.now(),
        }
    }

    /// The request itself, where the sink asks for it.
    fn shown_to(&self, view: &ZoneView, sink: &Sink, approval: &Approval) -> Option<String> {
        if !sink.include_request {
            return None;
        }
        let context = ZoneKeys::context(view.zone.value.id, "approval");
        let opened = self.keyring().open(&approval.shown, &context).ok()?;
        opened.expose_str().map(str::to_owned)
    }

    /// Writes down how far a message has come.
    pub(super) async fn record_delivery(&self, zone: ZoneId, mut told: Delivery) {
        told.at = self.now();
        let admin = Admin::new(Operator::sweeper(), self.new_request_id());
        let written = self.write(zone, &admin, |view| {
            let mut change = Change::standalone(zone);
            forget_old(view, &mut change);
            let held = view.deliveries.find(told.id);
            let version = held.map_or(Version::ABSENT, |held| held.version);
            change.put(Kind::Delivery, told.id.uuid(), None, version, &told)?;
            let mut event = self.admin_event(
                zone,
                &admin,
                match told.status {
                    DeliveryStatus::Delivered => EventType::DeliveryMade,
                    DeliveryStatus::Retrying => EventType::DeliveryDelayed,
                    DeliveryStatus::Failed => EventType::DeliveryFailed,
                },
            );
            event.target = Some(told.sink.to_string());
            event.target_name = Some(told.sink_name.clone());
            event.approval = told.approval;
            event.reason = Some(match &told.why {
                Some(why) => format!("{}: {why}", told.event),
                None => told.event.to_string(),
            });
            change.events.push(event);
            Ok::<_, AdminError>((change, ()))
        });
        if let Err(error) = written.await {
            tracing::warn!(%zone, delivery = %told.id, %error, "a delivery could not be written down; it may be sent again");
        }
    }
}

/// Makes room for one more delivery. What an approval in the state still names stays: without it
/// the message would be sent again.
fn forget_old(view: &ZoneView, change: &mut Change) {
    let excess = view.deliveries.len().saturating_sub(KEPT - 1);
    let moot = view.deliveries.oldest_first().filter(|held| {
        let approval = held.value.approval;
        approval.is_none_or(|id| view.approvals.find(id).is_none())
    });
    for held in moot.take(excess.min(8)) {
        change.delete(Kind::Delivery, held.value.id.uuid(), held.version);
    }
}

/// What a sink is still to be told.
fn due<'v>(view: &'v ZoneView, sink: &'v Sink) -> impl Iterator<Item = Job> + 'v {
    let wanted = |approval: &Approval| {
        sink.events
            .iter()
            .copied()
            .filter(|event| {
                let moot = view.deliveries.find(delivery_id(sink.id, approval, *event));
                match moot {
                    Some(held) => held.value.status == DeliveryStatus::Retrying,
                    None => {
                        end_of(*event, approval).is_some()
                            && time_of(*event, approval) >= sink.since
                    }
                }
            })
            .collect::<Vec<_>>()
    };
    view.approvals.iter().flat_map(move |held| {
        let approval = &held.value;
        wanted(approval).into_iter().map(move |event| Job {
            zone: view.zone.value.id,
            sink: sink.id,
            event,
            approval: approval.id,
            id: delivery_id(sink.id, approval, event),
        })
    })
}

/// Always the same for a sink, an approval and what became of it.
fn delivery_id(sink: SinkId, approval: &Approval, event: SinkEvent) -> DeliveryId {
    let digest = caracal_crypto::sha256_parts(&[
        sink.uuid().as_bytes(),
        approval.id.uuid().as_bytes(),
        event.as_str().as_bytes(),
    ]);
    let mut bytes = [0; 16];
    bytes
        .iter_mut()
        .zip(digest)
        .for_each(|(to, from)| *to = from);
    DeliveryId::from_uuid(uuid::Builder::from_custom_bytes(bytes).into_uuid())
}

/// When it happened.
fn time_of(event: SinkEvent, approval: &Approval) -> Timestamp {
    match event {
        SinkEvent::Decided => approval.decided_at.unwrap_or(approval.created_at),
        SinkEvent::Expired => approval.expires_at,
        SinkEvent::Requested | SinkEvent::Tested => approval.created_at,
    }
}

/// Until when it is worth telling; none when it did not happen or is over.
fn end_of(event: SinkEvent, approval: &Approval) -> Option<Timestamp> {
    let news = |is: bool| {
        let from = time_of(event, approval);
        is.then(|| from.saturating_add(NEWS_SECONDS).unwrap_or(Timestamp::MAX))
    };
    match event {
        SinkEvent::Requested => {
            (approval.status == ApprovalStatus::Pending).then_some(approval.expires_at)
        }
        SinkEvent::Decided => news(approval.decided_at.is_some()),
        SinkEvent::Expired => {
            news(approval.status == ApprovalStatus::Expired && approval.decided_at.is_none())
        }
        SinkEvent::Tested => None,
    }
}

/// How long to wait after so many attempts: twice as long each time, and not all at once.
fn pause(attempts: u32) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(1 << attempts.saturating_sub(1).min(10));
    let most = doubled.min(LONGEST_PAUSE);
    let [random] = caracal_crypto::random_bytes::<1>();
    // Between three quarters and five quarters of it.
    most.mul_f64(0.75 + f64::from(random) / 510.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_stay_bounded() {
        for attempts in 1..100 {
            let pause = pause(attempts);
            assert!(pause >= FIRST_PAUSE.mul_f64(0.75), "{attempts}: {pause:?}");
            assert!(
                pause <= LONGEST_PAUSE.mul_f64(1.26),
                "{attempts}: {pause:?}"
            );
        }
        assert!(pause(8) > pause(2));
    }
}
