//! From settings to a running server, and back to nothing.

mod doors;

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use caracal_connection::Stopping;
use caracal_core::NodeId;
use caracal_egress::{Egress, EgressRules};
use caracal_engine::{Clock, Engine, EngineConfig, KeyCare, StartError};
use caracal_store::{Embedded, OpenOptions};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::SystemClock;
use crate::failure::{Context, Failure, Outcome};
use crate::home::{DoorRecord, HomeLock, Ports, StackRecord};
use crate::restore;
use crate::server::disk::DiskWatch;
use crate::server::listen::bind;
use crate::server::master_key::MasterKeys;
use crate::server::metrics::Metrics;
use crate::server::{
    Door, Flood, LogTarget, Settings, checkpoints, master_key, panics, signals, socket,
};

use doors::Doors;

/// How long calls under way may go on after a stop was asked for.
pub(crate) const DRAIN: Duration = Duration::from_secs(30);

/// Serves until the system asks to stop, then lets what is under way finish.
pub(crate) async fn serve(settings: Settings, log: LogTarget) -> Outcome<()> {
    // Whatever a server writes is for this user alone, however it was started.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    settings.home.prepare()?;
    let metrics = Metrics::install()?;
    let flood = Flood::default();
    let _written = log.install(&settings.log, settings.log_size, flood.clone())?;
    panics::watch();
    let shutdown = CancellationToken::new();
    let signals = signals::listen(&shutdown)?;
    tokio::select! {
        served = run(settings, metrics, flood, shutdown) => served,
        // It ends with the process only.
        () = signals => Ok(()),
    }
}

async fn run(
    settings: Settings,
    metrics: Metrics,
    flood: Flood,
    shutdown: CancellationToken,
) -> Outcome<()> {
    let lock = HomeLock::take(&settings.home)?;
    restore::refuse_unfinished(&settings.home)?;
    let keys = master_key::load(&settings)?;
    let listeners = listen(&settings)?;
    let plan = Plan::new(&settings, &listeners)?;
    let engine = start_engine(&settings, &plan, keys).await?;
    engine.show_metrics(metrics.source(settings.home.dir(), !settings.behind_proxy));
    let egress = Egress::new(EgressRules {
        allow_private: settings.allow_private,
        forbidden: plan.addresses(),
    })
    .context("the way out cannot be set up")?;
    let socket = socket::bind(&settings.home, &lock)?;
    let record = plan.record();
    let tracker = TaskTracker::new();
    let doors = Doors {
        engine: engine.clone(),
        egress,
        plan,
        stopping: Stopping::from(shutdown.clone()),
        tracker: tracker.clone(),
    };
    let disk = Arc::new(DiskWatch {
        engine: engine.clone(),
        home: settings.home.dir().to_owned(),
        rules: settings.disk,
    });
    disk.look().await;
    doors.open(listeners, socket, &settings)?;
    record.write(&settings.home)?;
    tracing::info!(home = %settings.home.dir().display(), "ready");
    let last_checkpoints = CancellationToken::new();
    let outside = TaskTracker::new();
    if let Some(path) = settings.checkpoint_file.clone() {
        let (engine, last) = (engine.clone(), last_checkpoints.clone());
        outside.spawn(async move { checkpoints::write_outside(engine, &path, last).await });
    }
    outside.spawn(metrics.keep_up(engine.clone(), last_checkpoints.clone()));
    outside.spawn(disk.run(last_checkpoints.clone()));
    outside.spawn(flood.tell(last_checkpoints.clone()));
    shutdown.cancelled().await;
    tracker.close();
    if tokio::time::timeout(DRAIN, tracker.wait()).await.is_err() {
        tracing::warn!("calls that were still under way are cut");
    }
    last_checkpoints.cancel();
    outside.close();
    outside.wait().await;
    socket::remove(&settings.home);
    StackRecord::remove(&settings.home);
    engine.close().await;
    tracing::info!("stopped");
    drop(lock);
    Ok(())
}

type Listeners = BTreeMap<Door, Vec<TcpListener>>;

fn listen(settings: &Settings) -> Outcome<Listeners> {
    let mut ports = Ports::load(&settings.home);
    let mut listeners = Listeners::new();
    for (door, spec) in &settings.listen {
        if settings.doors.contains(door) {
            listeners.insert(*door, bind(*door, spec, &settings.home, &mut ports)?);
        }
    }
    Ok(listeners)
}

/// What the doors are called, and where they listen.
#[derive(Clone)]
pub(crate) struct Plan {
    urls: BTreeMap<Door, String>,
    listening: BTreeMap<Door, Vec<SocketAddr>>,
}

impl Plan {
    fn new(settings: &Settings, listeners: &Listeners) -> Outcome<Self> {
        let ports = Ports::load(&settings.home);
        let mut plan = Self {
            urls: BTreeMap::new(),
            listening: BTreeMap::new(),
        };
        for (door, spec) in &settings.listen {
            let mut addresses = Vec::new();
            for listener in listeners.get(door).into_iter().flatten() {
                addresses.push(listener.local_addr().context("a listener has no address")?);
            }
            let port = addresses.first().map(SocketAddr::port);
            let port = port.or_else(|| ports.find(door.name()).filter(|_| spec.port() == 0));
            let url = settings.public_url(*door, port.unwrap_or(spec.port()));
            if url.ends_with(":0") {
                return Err(Failure::usage(format!(
                    "the URL of the door `{door}` is not known, since it is not served here"
                ))
                .hint(format!("set `--public-{door}-url`")));
            }
            plan.urls.insert(*door, url);
            if !addresses.is_empty() {
                plan.listening.insert(*door, addresses);
            }
        }
        Ok(plan)
    }

    /// The public URL of a door, served here or not.
    pub(crate) fn url(&self, door: Door) -> &str {
        self.urls.get(&door).map_or("", String::as_str)
    }

    /// The port that a door listens on.
    pub(crate) fn port(&self, door: Door) -> u16 {
        self.listening
            .get(&door)
            .and_then(|all| all.first())
            .map_or(0, SocketAddr::port)
    }

    /// The doors that are served here.
    pub(crate) fn doors(&self) -> impl Iterator<Item = Door> + '_ {
        self.listening.keys().copied()
    }

    fn addresses(&self) -> Vec<SocketAddr> {
        self.listening.values().flatten().copied().collect()
    }

    fn record(&self) -> StackRecord {
        let doors = self.listening.iter().map(|(door, addresses)| {
            let url = self.url(*door).to_owned();
            (
                door.name().to_owned(),
                DoorRecord {
                    url,
                    addresses: addresses.clone(),
                },
            )
        });
        StackRecord {
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            doors: doors.collect(),
        }
    }
}

async fn start_engine(settings: &Settings, plan: &Plan, keys: MasterKeys) -> Outcome<Engine> {
    let dir = settings.home.dir().to_owned();
    let store =
        tokio::task::spawn_blocking(move || Embedded::open(&dir, OpenOptions::default())).await;
    let store = store
        .map_err(|_| Failure::new("the data cannot be opened"))?
        .map_err(|error| {
            Failure::new(format!(
                "the data in `{}` cannot be opened: {error}",
                settings.home.dir().display()
            ))
            .hint("`caracal doctor` looks for causes")
        })?;
    if let Some(path) = store.set_aside() {
        tracing::error!(
            "the ledger could not be read and was moved to `{}`; new logs are begun",
            path.display()
        );
    }
    let store = Arc::new(store);
    let clock = Arc::new(SystemClock::new());
    let node = NodeId::new(clock.now(), &caracal_crypto::random_bytes());
    let config = EngineConfig {
        node,
        sts_url: plan.url(Door::Sts).to_owned(),
        gateway_url: plan.url(Door::Gateway).to_owned(),
        allow_private: settings.allow_private,
    };
    let engine = Engine::start(config, store.clone(), store, keys.ring, clock).await;
    let engine = engine.map_err(|error| {
        let failure = Failure::new(format!("the stack cannot start: {error}"));
        match error {
            StartError::MasterKeyMissing(_) => failure.hint(
                "is this the right master key? after a rotation the key before is needed too, as \
                 `CARACAL_MASTER_KEY_PREVIOUS` or in `master.key.previous`, until `caracal key status` \
                 says that it can go",
            ),
            _ => failure,
        }
    })?;
    let days = settings.zone_key_days.map(i64::from);
    engine.set_key_care(KeyCare {
        zone_key_life: days.map(|days| jiff::SignedDuration::from_hours(days.saturating_mul(24))),
        master_key_place: keys.place,
        new_master_key: keys.new_key,
    });
    Ok(engine)
}
