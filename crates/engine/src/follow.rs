//! Following the store: commits become views, and their events become leaves.
//!
//! The follower applies commits in order and never waits for the ledger, so that a
//! revocation holds as soon as it is durable. The appender copies the events of commits into
//! each zone's log, in the order of their revisions.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use caracal_core::{
    Anchor, ApplicationId, DelegationId, Kind, LogId, ProviderId, ResourceId, Revision, SessionId,
    ZoneId,
};
use caracal_ledger::LeafDraft;
use caracal_store::{CommitRecord, Entry, Write};
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::Engine;
use crate::authorize_call::changes_decisions;
use crate::ended::Ended;
use crate::endings::endings_of;
use crate::meters::meters;
use crate::view::ZoneView;
use crate::zone_handle::ZoneHandle;

const RETRY_PAUSE: Duration = Duration::from_millis(100);
/// How many commits are copied into the logs at once.
const BATCH: usize = 256;

pub(crate) struct Follower {
    pub(crate) engine: Engine,
    pub(crate) records: mpsc::UnboundedReceiver<CommitRecord>,
    pub(crate) to_append: mpsc::UnboundedSender<CommitRecord>,
}

impl Follower {
    pub(crate) fn spawn(mut self) {
        self.engine.clone().spawn(async move {
            loop {
                let record = self.engine.while_open(self.records.recv()).await;
                let Some(Some(record)) = record else { return };
                self.follow(record).await;
            }
        });
    }

    async fn follow(&mut self, record: CommitRecord) {
        match self.engine.zone_handle(record.zone) {
            Some(handle) if record.position.revision <= handle.view().position.revision => {}
            Some(handle) => {
                // Behind a commit that could not be applied no later one is: the view would
                // lack what that one said.
                if !handle.is_stuck() {
                    self.apply(&handle, &record);
                }
                let _ = self.to_append.send(record);
            }
            None => self.meet(record).await,
        }
    }

    fn apply(&self, handle: &Arc<ZoneHandle>, record: &CommitRecord) {
        let view = handle.view();
        match self.engine.0.loader.next(&view, record) {
            Ok(next) => {
                self.engine.index_applications(record);
                // Whoever sees the new view finds what it ended.
                handle.endings.add(endings_of(&view, record));
                let again = changes_decisions(&view, &next, record);
                handle.publish(next);
                if record.writes.iter().any(tells_sinks) {
                    self.engine.0.to_deliver.notify_one();
                }
                Self::cut(handle, record);
                if again {
                    self.engine.decide_calls_again(handle);
                }
            }
            Err(error) => {
                handle.mark_stuck();
                tracing::error!(zone = %record.zone, %error, "a commit cannot be applied; everything in the zone is denied");
            }
        }
    }

    /// Cuts the live calls that a commit ends by a revocation, or by taking away what they
    /// stand on.
    fn cut(handle: &ZoneHandle, record: &CommitRecord) {
        let view = handle.view();
        let ended = Ended::by(record, &view);
        let counts = handle.live.cut_ended(&ended, &view);
        if !ended.keys.is_empty() {
            let keys = &ended.keys;
            tracing::warn!(zone = %record.zone, ?keys, "a key was dropped; the calls on its mandates are cut");
        }
        for anchor in ended.gone {
            handle.forget(anchor);
        }
        for (revocation, anchor) in ended.revocations {
            let count = counts.get(&anchor).copied().unwrap_or(0);
            handle.cuts.insert(revocation, count);
        }
    }

    /// A zone that this node has not seen before.
    async fn meet(&mut self, record: CommitRecord) {
        let zone = record.zone;
        let loaded = match self.engine.state().load(zone).await {
            Ok(snapshot) => self.engine.0.loader.load(snapshot),
            Err(error) => Err(error.into()),
        };
        match loaded {
            Ok(Some(view)) => {
                if let Err(error) = self.engine.take_over(zone, view, &self.to_append).await {
                    tracing::error!(%zone, %error, "a new zone cannot be taken over");
                }
            }
            Ok(None) => {}
            Err(error) => tracing::error!(%zone, %error, "a new zone cannot be loaded"),
        }
    }
}

/// Whether a sink may have something to be told because of a write.
fn tells_sinks(write: &Write) -> bool {
    matches!(write, Write::Put(document) if matches!(document.kind, Kind::Approval | Kind::Sink))
}

/// The anchor that calls on an object have in their chain.
pub(crate) fn anchor_of(kind: Kind, id: Uuid) -> Option<Anchor> {
    match kind {
        Kind::Application => Some(Anchor::Application(ApplicationId::from_uuid(id))),
        Kind::Resource => Some(Anchor::Resource(ResourceId::from_uuid(id))),
        Kind::Provider => Some(Anchor::Provider(ProviderId::from_uuid(id))),
        Kind::Session => Some(Anchor::Session(SessionId::from_uuid(id))),
        Kind::Delegation => Some(Anchor::Delegation(DelegationId::from_uuid(id))),
        Kind::Zone
        | Kind::Token
        | Kind::Issuer
        | Kind::Bundle
        | Kind::Revocation
        | Kind::Idempotency
        | Kind::SecretUse
        | Kind::Budget
        | Kind::Approval
        | Kind::Sink
        | Kind::Delivery => None,
    }
}

impl Engine {
    /// Starts to serve a zone: opens its log and queues the commits that the log lacks.
    /// Answers with the reason when the log is damaged and must not be continued.
    pub(crate) async fn take_over(
        &self,
        zone: ZoneId,
        view: ZoneView,
        to_append: &mpsc::UnboundedSender<CommitRecord>,
    ) -> Result<Option<String>, crate::StartError> {
        let opened = match view.log() {
            Some(log) => self.open_log(zone, log).await?,
            None => crate::log::Opened {
                revision: Revision(0),
                damaged: None,
            },
        };
        let mut recorded = opened.revision;
        // A new log that nothing was written to yet does not begin at the first commit.
        for log in &view.zone.value.logs {
            recorded = recorded.max(self.evidence().head(log.id).await?.revision);
        }
        let target = view.position.revision;
        let mut missing = Vec::new();
        let mut after = recorded;
        while after < target {
            let found = self.state().list_commits(zone, after, BATCH).await?;
            let Some(last) = found.last() else { break };
            after = last.position.revision;
            missing.extend(found);
        }
        // Served only when nothing can fail any more: what is queued later comes after these.
        self.index_zone(zone, &view);
        let handle = Arc::new(ZoneHandle::new(zone, view, recorded, self.now()));
        self.0.zones.pin().insert(zone, handle);
        for record in missing {
            let _ = to_append.send(record);
        }
        Ok(opened.damaged)
    }

    /// Keeps the index of applications in step with a commit.
    fn index_applications(&self, record: &CommitRecord) {
        let applications = self.0.applications.pin();
        for write in &record.writes {
            match write {
                Write::Put(document) if document.kind == Kind::Application => {
                    applications.insert(ApplicationId::from_uuid(document.id), record.zone);
                }
                Write::Delete {
                    kind: Kind::Application,
                    id,
                    ..
                } => {
                    applications.remove(&ApplicationId::from_uuid(*id));
                }
                _ => {}
            }
        }
    }

    fn index_zone(&self, zone: ZoneId, view: &ZoneView) {
        self.0
            .zone_names
            .pin()
            .insert(view.zone.value.name.clone(), zone);
        let applications = self.0.applications.pin();
        for application in view.applications.iter() {
            applications.insert(application.value.id, zone);
        }
    }
}

pub(crate) struct Appender {
    pub(crate) engine: Engine,
    pub(crate) appends: mpsc::UnboundedReceiver<CommitRecord>,
}

impl Appender {
    pub(crate) fn spawn(mut self) {
        self.engine.clone().spawn(async move {
            let mut batch = Vec::new();
            loop {
                let received = self.appends.recv_many(&mut batch, BATCH);
                if self.engine.while_open(received).await.unwrap_or(0) == 0 {
                    return;
                }
                let mut again = false;
                while !self.append(&batch, again).await {
                    again = true;
                    if !self.engine.pause(RETRY_PAUSE).await {
                        return;
                    }
                }
                batch.clear();
            }
        });
    }

    /// Copies the events of commits into the logs; true when that is durable.
    async fn append(&self, batch: &[CommitRecord], again: bool) -> bool {
        let mut entries = Vec::new();
        let mut reached: BTreeMap<ZoneId, Revision> = BTreeMap::new();
        let mut held: BTreeMap<LogId, Revision> = BTreeMap::new();
        for record in batch {
            let revision = record.position.revision;
            reached.insert(record.zone, revision);
            let Some(handle) = self.engine.zone_handle(record.zone) else {
                continue;
            };
            let view = handle.view();
            let Some(log) = view.log() else { continue };
            // After a failure of unknown outcome the leaves may be there already.
            if again {
                let own = match held.get(&log.id) {
                    Some(own) => *own,
                    None => match self.engine.evidence().head(log.id).await {
                        Ok(head) => *held.entry(log.id).or_insert(head.revision),
                        Err(_) => return false,
                    },
                };
                if revision <= own {
                    continue;
                }
            }
            for event in &record.events {
                match LeafDraft::new(event, log.id) {
                    Ok(draft) => entries.push(Entry {
                        draft,
                        revision: Some(revision),
                    }),
                    Err(error) => {
                        tracing::error!(event = %event.id, %error, "an event cannot be written");
                    }
                }
            }
        }
        let done = entries.is_empty() || self.engine.append(entries).await.is_ok();
        if done {
            for (zone, revision) in reached {
                if let Some(handle) = self.engine.zone_handle(zone) {
                    handle.set_recorded(revision);
                }
            }
        }
        done
    }
}

impl Engine {
    /// Appends to the logs, and remembers whether that works.
    pub(crate) async fn append(
        &self,
        entries: Vec<Entry>,
    ) -> Result<Vec<caracal_ledger::Receipt>, caracal_store::StoreError> {
        let began = std::time::Instant::now();
        let waiting = meters().waits_for_ledger();
        let result = self.evidence().append(entries).await;
        drop(waiting);
        meters().appended(result.is_ok(), began.elapsed());
        let failing = result.is_err();
        if self.0.ledger_failing.swap(failing, Ordering::Relaxed) != failing {
            match &result {
                Err(error) => {
                    tracing::error!(%error, "the ledger cannot be written; new calls are denied")
                }
                Ok(_) => tracing::info!("the ledger can be written again"),
            }
        }
        result
    }
}
