//! An engine over a store of its own.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot be set up fails by panicking"
)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use caracal_core::{NodeId, ZoneId};
use caracal_crypto::{Keyring, MasterKey};
use caracal_engine::{
    Admin, DEFAULT_MAX_DELEGATIONS, DEFAULT_MAX_SESSIONS, Engine, EngineConfig, Operator,
    StartError, ZoneLimits, ZoneSpec,
};
use caracal_store::{Embedded, EvidenceStore, OpenOptions, StateStore};

use crate::{FakeClock, MemoryStore, SeededZone};

/// Where an engine of a test keeps what it knows.
#[derive(Clone)]
enum Backing {
    Memory(MemoryStore),
    Embedded(PathBuf),
}

/// A running engine with a fake clock. Starting panics when the engine does not start, unless
/// it is said otherwise.
pub struct TestEngine {
    /// The engine.
    pub engine: Engine,
    /// Its clock; it stands still.
    pub clock: FakeClock,
    backing: Backing,
}

impl TestEngine {
    /// The public URL of the STS that it is configured with.
    pub const STS_URL: &str = "http://localhost:8080";
    /// The public URL of the Gateway that it is configured with.
    pub const GATEWAY_URL: &str = "http://localhost:8081";
    /// The master key that its secrets are sealed with.
    pub const MASTER_KEY: [u8; 32] = [7; 32];

    /// Over a new store in memory.
    pub async fn in_memory() -> Self {
        Self::over(MemoryStore::new(), FakeClock::new()).await
    }

    /// Over a new store in memory, where zones hold only so much.
    pub async fn limited(limits: ZoneLimits) -> Self {
        let (store, clock) = (MemoryStore::new(), FakeClock::new());
        let (state, evidence) = (Arc::new(store.clone()), Arc::new(store.clone()));
        let engine = start(state, evidence, clock.clone(), Self::keyring(), limits).await;
        Self {
            engine: engine.expect("the engine starts"),
            clock,
            backing: Backing::Memory(store),
        }
    }

    /// Over a store in memory that may hold something already.
    pub async fn over(store: MemoryStore, clock: FakeClock) -> Self {
        match Self::try_over(store, clock).await {
            Ok(started) => started,
            Err(error) => panic!("the engine does not start: {error}"),
        }
    }

    /// Over a store in memory, if it starts.
    ///
    /// # Errors
    /// What the engine says.
    pub async fn try_over(store: MemoryStore, clock: FakeClock) -> Result<Self, StartError> {
        Self::try_with_keys(store, clock, Self::keyring()).await
    }

    /// The ring with [`Self::MASTER_KEY`].
    pub fn keyring() -> Keyring {
        Keyring::new(MasterKey::from_bytes(&Self::MASTER_KEY).expect("32 bytes are a key"))
    }

    /// Over a store in memory with other master keys, if it starts.
    ///
    /// # Errors
    /// What the engine says.
    pub async fn try_with_keys(
        store: MemoryStore,
        clock: FakeClock,
        keyring: Keyring,
    ) -> Result<Self, StartError> {
        let engine = start(
            Arc::new(store.clone()),
            Arc::new(store.clone()),
            clock.clone(),
            keyring,
            LIMITS,
        );
        Ok(Self {
            engine: engine.await?,
            clock,
            backing: Backing::Memory(store),
        })
    }

    /// Over the embedded store in a directory.
    pub async fn embedded(dir: &Path, options: OpenOptions, clock: FakeClock) -> Self {
        let store = Arc::new(Embedded::open(dir, options).expect("the store opens"));
        let state = Arc::clone(&store) as _;
        let engine = start(state, store, clock.clone(), Self::keyring(), LIMITS).await;
        Self {
            engine: engine.expect("the engine starts"),
            clock,
            backing: Backing::Embedded(dir.to_owned()),
        }
    }

    /// The store in memory, for its faults.
    pub fn store(&self) -> &MemoryStore {
        match &self.backing {
            Backing::Memory(store) => store,
            Backing::Embedded(_) => panic!("the store of this engine is not in memory"),
        }
    }

    /// Ends the engine as a process that stops would, and starts another one.
    pub async fn restart(self) -> Self {
        self.engine.close().await;
        match self.backing {
            Backing::Memory(store) => Self::over(store.reopen(), self.clock).await,
            Backing::Embedded(dir) => {
                drop(self.engine);
                Self::embedded(&dir, OpenOptions::default(), self.clock).await
            }
        }
    }

    /// Starts another engine on what is stored, as after the death of the process. What the
    /// old one has not stored by now is lost as long as its stalled operations are held.
    pub async fn crash(self) -> Self {
        Self::over(self.store().reopen(), self.clock).await
    }

    /// A request of the local operator.
    pub fn admin(&self) -> Admin {
        Admin::new(Operator::local(), self.engine.new_request_id())
    }

    /// Creates a zone with this configuration.
    pub async fn seed(&self, name: &str, spec: ZoneSpec) -> SeededZone {
        SeededZone::create(self, name, spec).await
    }

    /// Creates a zone as [`SeededZone::spec`] has it, with this policy named `rules`.
    pub async fn seed_policy(&self, cedar: &str) -> SeededZone {
        let name = format!("zone-{}", self.zones());
        self.seed(&name, SeededZone::spec(cedar)).await
    }

    fn zones(&self) -> usize {
        self.engine
            .list_zones(&self.admin())
            .map(|zones| zones.len())
            .unwrap_or_default()
    }

    /// The zone that belongs to the instance.
    pub const INSTANCE: ZoneId = ZoneId::INSTANCE;
}

/// Room enough for those who fill a zone by one application.
const LIMITS: ZoneLimits = ZoneLimits {
    sessions_of_application: usize::MAX,
    delegations_of_application: usize::MAX,
    ..ZoneLimits::of(2 * DEFAULT_MAX_SESSIONS, 2 * DEFAULT_MAX_DELEGATIONS)
};

async fn start(
    state: Arc<dyn StateStore>,
    evidence: Arc<dyn EvidenceStore>,
    clock: FakeClock,
    keyring: Keyring,
    limits: ZoneLimits,
) -> Result<Engine, StartError> {
    let config = EngineConfig {
        node: NodeId::from_uuid(uuid::Uuid::from_u128(1)),
        sts_url: TestEngine::STS_URL.to_owned(),
        gateway_url: TestEngine::GATEWAY_URL.to_owned(),
        allow_private: true,
        limits,
    };
    Engine::start(config, state, evidence, keyring, Arc::new(clock)).await
}
