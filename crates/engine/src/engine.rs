//! The engine: every use case is a method of it, a file each.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use caracal_core::{ApplicationId, Event, EventId, EventType, Name, NodeId, ZoneId};
use caracal_crypto::Keyring;
use caracal_store::{Entry, EvidenceStore, StateStore};
use jiff::{Timestamp, Unit};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::assertion::Assertions;
use crate::proof::Proofs;
use crate::room::RoomGauge;
use crate::verify::KnownMandate;
use crate::view::{Loader, PolicyCache};
use crate::zone_handle::ZoneHandle;
use crate::{Clock, KeyCare, ZoneLimits};

/// What the engine needs to know of the instance.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// This process.
    pub node: NodeId,
    /// The public URL of the STS, without a slash at the end.
    pub sts_url: String,
    /// The public URL of the Gateway, without a slash at the end.
    pub gateway_url: String,
    /// True: resources that ask for it may have loopback and private upstreams.
    pub allow_private: bool,
    /// How much each zone holds.
    pub limits: ZoneLimits,
}

/// The use cases over one store. Cloning is cheap.
#[derive(Clone)]
pub struct Engine(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) config: EngineConfig,
    pub(crate) state: Arc<dyn StateStore>,
    pub(crate) evidence: Arc<dyn EvidenceStore>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) loader: Loader,
    pub(crate) zones: papaya::HashMap<ZoneId, Arc<ZoneHandle>>,
    pub(crate) zone_names: papaya::HashMap<Name, ZoneId>,
    pub(crate) applications: papaya::HashMap<ApplicationId, ZoneId>,
    pub(crate) verified: moka::sync::Cache<[u8; 32], KnownMandate>,
    pub(crate) proofs: Proofs,
    pub(crate) assertions: Assertions,
    pub(crate) outside_keys: crate::outside_keys::OutsideKeys,
    /// Events that nobody waits for, until the next few go to the ledger together.
    pub(crate) later: std::sync::Mutex<Vec<Entry>>,
    pub(crate) later_turn: tokio::sync::Mutex<()>,
    pub(crate) tasks: TaskTracker,
    pub(crate) closing: CancellationToken,
    pub(crate) ledger_failing: AtomicBool,
    pub(crate) room: RoomGauge,
    pub(crate) refusals: crate::refusals::RefusalCounts,
    pub(crate) metrics: std::sync::OnceLock<crate::MetricsSource>,
    pub(crate) key_care: std::sync::OnceLock<KeyCare>,
    /// Woken when there is something to seal again.
    pub(crate) to_reseal: tokio::sync::Notify,
    pub(crate) master_key_turn: tokio::sync::Mutex<()>,
    /// Questions to policy for mandates, sessions and delegations.
    pub(crate) questions: std::sync::atomic::AtomicU64,
    pub(crate) turns: crate::questions::Turns,
    pub(crate) outward: std::sync::OnceLock<crate::Outward>,
    /// Woken when a sink may have something to be told.
    pub(crate) to_deliver: tokio::sync::Notify,
}

impl Engine {
    pub(crate) fn state(&self) -> &dyn StateStore {
        &*self.0.state
    }

    pub(crate) fn evidence(&self) -> &dyn EvidenceStore {
        &*self.0.evidence
    }

    /// The keys that seal and open, as they are now.
    pub(crate) fn keyring(&self) -> Arc<Keyring> {
        self.0.loader.keyring.load_full()
    }

    /// Tells the engine what to do about its keys. Until then it rotates none by itself, and
    /// only the first call counts.
    pub fn set_key_care(&self, care: KeyCare) {
        let _ = self.0.key_care.set(care);
    }

    pub(crate) fn key_care(&self) -> Option<&KeyCare> {
        self.0.key_care.get()
    }

    pub(crate) fn policies(&self) -> &PolicyCache {
        &self.0.loader.policies
    }

    /// The configuration it was started with.
    pub fn config(&self) -> &EngineConfig {
        &self.0.config
    }

    /// Zone time, in whole milliseconds.
    pub fn now(&self) -> Timestamp {
        let now = self.0.clock.now();
        now.round(Unit::Millisecond).unwrap_or(now)
    }

    /// Ten random bytes, for an id.
    pub(crate) fn random(&self) -> [u8; 10] {
        caracal_crypto::id_bytes()
    }

    /// A new request id.
    pub fn new_request_id(&self) -> String {
        let bytes = self.random();
        let millis = u64::try_from(self.0.clock.now().as_millisecond()).unwrap_or(0);
        let uuid = uuid::Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid();
        format!("req_{uuid}")
    }

    pub(crate) fn event(&self, zone: ZoneId, event_type: EventType, request_id: &str) -> Event {
        let now = self.now();
        let id = EventId::new(now, &self.random());
        Event::new(id, now, zone, self.0.config.node, event_type, request_id)
    }

    pub(crate) fn zone_handle(&self, zone: ZoneId) -> Option<Arc<ZoneHandle>> {
        self.0.zones.pin().get(&zone).cloned()
    }

    /// True when state can be read and evidence of calls can be written.
    pub fn is_ready(&self) -> bool {
        self.can_administer() && self.room() != crate::Room::Reserve
    }

    /// True when state can be read and evidence of administration can be written.
    pub fn can_administer(&self) -> bool {
        !self.0.closing.is_cancelled() && !self.0.ledger_failing.load(Ordering::Relaxed)
    }

    /// The number of calls that are going on.
    pub fn live_calls(&self) -> usize {
        self.0
            .zones
            .pin()
            .values()
            .map(|zone| zone.live.len())
            .sum()
    }

    /// Waits for evidence under way, then closes the store.
    pub async fn close(&self) {
        self.summarize_refusals().await;
        self.0.tasks.close();
        self.0.tasks.wait().await;
        self.return_budgets().await;
        self.0.closing.cancel();
        self.0.state.close().await;
        self.0.evidence.close().await;
    }
}
