//! From a store to a running engine.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use caracal_core::{Name, Revision, ZoneId};
use caracal_crypto::Keyring;
use caracal_store::{EvidenceStore, StateStore, StoreError};
use thiserror::Error;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::assertion::Assertions;
use crate::engine::Inner;
use crate::follow::{Appender, Follower};
use crate::proof::Proofs;
use crate::room::RoomGauge;
use crate::view::{Loader, PolicyCache};
use crate::{AdminError, Clock, Engine, EngineConfig, MissingMasterKey};

/// How many verified mandates are remembered; each takes about 1.5 KiB.
const VERIFIED_MANDATES: u64 = 32_768;

/// Why the engine cannot start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A zone's keys cannot be opened: the master key is another one, or data is damaged.
    #[error("the keys of zone `{zone}` cannot be opened with this master key: {why}")]
    Keys {
        /// The zone.
        zone: Name,
        /// What failed.
        why: String,
    },
    /// Something is sealed under a master key that was not given.
    #[error("{0}")]
    MasterKeyMissing(MissingMasterKey),
    /// A stored object is not what it must be.
    #[error("stored data is damaged: {0}")]
    Damaged(String),
    /// The first objects of a new instance could not be written.
    #[error("the instance cannot be set up: {0}")]
    Setup(#[from] AdminError),
}

impl Engine {
    /// Loads every zone, brings the logs up to the commits, and begins to follow the store.
    ///
    /// # Errors
    /// See [`StartError`]. A damaged log is no error: a new one is opened in its place.
    pub async fn start(
        config: EngineConfig,
        state: Arc<dyn StateStore>,
        evidence: Arc<dyn EvidenceStore>,
        keyring: Keyring,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StartError> {
        let records = state.watch();
        let engine = Self(Arc::new(Inner {
            proofs: Proofs::new(&config),
            assertions: Assertions::new(clock.now()),
            outside_keys: crate::outside_keys::OutsideKeys::default(),
            config,
            state,
            evidence,
            clock,
            loader: Loader {
                keyring: arc_swap::ArcSwap::from_pointee(keyring),
                policies: Arc::new(PolicyCache::new()),
            },
            zones: papaya::HashMap::new(),
            zone_names: papaya::HashMap::new(),
            applications: papaya::HashMap::new(),
            verified: moka::sync::Cache::new(VERIFIED_MANDATES),
            later: std::sync::Mutex::default(),
            later_turn: tokio::sync::Mutex::default(),
            tasks: TaskTracker::new(),
            closing: CancellationToken::new(),
            ledger_failing: AtomicBool::new(false),
            room: RoomGauge::new(),
            refusals: crate::refusals::RefusalCounts::default(),
            key_care: std::sync::OnceLock::new(),
            to_reseal: tokio::sync::Notify::new(),
            master_key_turn: tokio::sync::Mutex::default(),
            questions: std::sync::atomic::AtomicU64::new(0),
            turns: crate::questions::Turns::new(),
            metrics: std::sync::OnceLock::new(),
            outward: std::sync::OnceLock::new(),
            to_deliver: tokio::sync::Notify::new(),
        }));
        let (to_append, appends) = mpsc::unbounded_channel();
        let mut damaged = Vec::new();
        for zone in engine.state().list_zones().await? {
            let snapshot = engine.state().load(zone).await?;
            let view = match engine.0.loader.load(snapshot) {
                Ok(Some(view)) => view,
                Ok(None) => continue,
                Err(error @ StartError::Keys { .. }) => {
                    return Err(engine.find_missing_keys().await?.unwrap_or(error));
                }
                Err(error) => return Err(error),
            };
            if engine.needs_another_key(&view)
                && let Some(error) = engine.find_missing_keys().await?
            {
                return Err(error);
            }
            if let Some(why) = engine.take_over(zone, view, &to_append).await? {
                damaged.push((zone, why));
            }
        }
        Follower {
            engine: engine.clone(),
            records,
            to_append,
        }
        .spawn();
        Appender {
            engine: engine.clone(),
            appends,
        }
        .spawn();
        for (zone, why) in damaged {
            engine.open_new_log(zone, &why).await?;
        }
        if engine.zone_handle(ZoneId::INSTANCE).is_none() {
            engine.create_instance().await?;
        }
        engine.wait_for_logs().await;
        engine.spawn_sweeper();
        engine.spawn_session_sweeper();
        engine.spawn_summaries();
        engine.spawn_resealer();
        engine.spawn_retainer();
        Ok(engine)
    }

    /// Waits until the logs hold every commit that was made before the start.
    async fn wait_for_logs(&self) {
        let handles: Vec<_> = self.0.zones.pin().values().cloned().collect();
        // A ledger that cannot be written must not keep the node from starting: it answers,
        // and denies. The limit is for all zones together.
        let end = Instant::now() + Duration::from_secs(2);
        for handle in handles {
            let revision: Revision = handle.view().position.revision;
            let left = end.saturating_duration_since(Instant::now());
            handle.wait_recorded(revision, left).await;
        }
    }
}
