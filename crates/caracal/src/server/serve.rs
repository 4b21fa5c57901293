//! From settings to a running server, and back to nothing.

mod doors;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use caracal_connection::Stopping;
use caracal_core::NodeId;
use caracal_egress::{Egress, EgressRules};
use caracal_engine::{Clock, Engine, EngineConfig, KeyCare, Outward, StartError};
use caracal_store::{Embedded, OpenOptions, StoreError};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::{self, SystemClock};
use crate::environment::Environment;
use crate::failure::{Context, Failure, Outcome};
use crate::home::{DoorRecord, HomeLock, Ports, StackRecord};
use crate::restore;
use crate::server::disk::DiskWatch;
use crate::server::handover::{Handover, Listeners};
use crate::server::listen::bind;
use crate::server::master_key::MasterKeys;
use crate::server::metrics::Metrics;
use crate::server::signals::Ending;
use crate::server::tls::{self, Tls};
use crate::server::{
    Door, Flood, LogTarget, Settings, Successor, TlsFiles, checkpoints, master_key, open_files,
    panics, signals, socket,
};

use doors::Doors;

/// How long connections may take to close once calls under way have had their time.
const AFTERMATH: Duration = Duration::from_secs(5);

/// Serves until the system asks to stop, then lets what is under way finish. At a restart, the
/// program as it is now takes the place of this one and goes on with its listeners.
pub(crate) async fn serve(
    settings: Settings,
    log: LogTarget,
    environment: &Environment,
) -> Outcome<()> {
    // Whatever a server writes is for this user alone, however it was started.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    settings.home.prepare()?;
    let metrics = Metrics::install()?;
    let flood = Flood::default();
    let written = log.install(&settings.log, settings.log_size, flood.clone())?;
    panics::watch();
    open_files::raise(settings.max_connections);
    let successor = Successor::of_this_process()?;
    let mut given = Handover::receive(environment, |port| settings.find_door_on(port))?;
    loop {
        let (stopping, ending) = (Stopping::default(), Ending::default());
        let home = settings.home.clone();
        let signals = signals::listen(&stopping, &ending, successor.clone(), home)?;
        let held = tokio::select! {
            served = run(&settings, metrics.clone(), flood.clone(), stopping, &ending, given) => served?,
            // It ends with the process only.
            () = signals => return Ok(()),
        };
        if !ending.is_restart() {
            socket::remove(&settings.home);
            StackRecord::remove(&settings.home);
            tracing::info!("stopped");
            return Ok(());
        }
        written.flush();
        let failure = successor.replace_this_process(&held);
        tracing::error!(why = %failure.message, "the restart failed; this program goes on");
        given = held;
    }
}

/// Looks whether a server could start with these settings, as far as that can be told while
/// another one runs. Nothing is touched.
pub(crate) fn check(settings: &Settings) -> Outcome<()> {
    if let Some(files) = &settings.tls {
        files.load()?;
    }
    if settings.home.has_state() {
        restore::refuse_unfinished(&settings.home)?;
        let home = settings.home.dir();
        Embedded::check(home).map_err(|error| cannot_open(home, &error))?;
        master_key::load(settings)?;
    }
    Ok(())
}

fn cannot_open(home: &Path, error: &StoreError) -> Failure {
    Failure::new(format!(
        "the data in `{}` cannot be opened: {error}",
        home.display()
    ))
    .hint("`caracal doctor` looks for causes")
}

/// Serves until the stop, and gives back what stays open.
async fn run(
    settings: &Settings,
    metrics: Metrics,
    flood: Flood,
    stopping: Stopping,
    ending: &Ending,
    given: Handover,
) -> Outcome<Handover> {
    let lock = match given.lock {
        Some(lock) => lock,
        None => HomeLock::take(&settings.home)?,
    };
    restore::refuse_unfinished(&settings.home)?;
    let tls = settings.tls.as_ref().map(start_tls).transpose()?;
    let keys = master_key::load(settings)?;
    let mut listeners = listen(settings, given.listeners, given.is_foreign)?;
    let plan = Plan::new(settings, &listeners)?;
    let engine = start_engine(settings, &plan, keys).await?;
    engine.show_metrics(metrics.source(settings.home.dir(), !settings.behind_proxy));
    let egress = Egress::new(EgressRules {
        allow_private: settings.allow_private,
        forbidden: plan.addresses(),
    })
    .context("the way out cannot be set up")?;
    engine.set_way_out(egress.clone());
    engine.deliver_to_sinks(Outward {
        egress: egress.clone(),
        console_url: plan.url(Door::Console).to_owned(),
    });
    let socket = match given.socket {
        Some(socket) => socket,
        None => socket::bind(&settings.home, &lock)?,
    };
    let record = plan.record(
        tls.is_some(),
        settings.conversation.drain,
        &engine.new_request_id(),
    );
    let tracker = TaskTracker::new();
    let doors = Doors {
        engine: engine.clone(),
        egress,
        plan,
        tls: tls.clone(),
        stopping: stopping.clone(),
        tracker: tracker.clone(),
    };
    let disk = Arc::new(DiskWatch {
        engine: engine.clone(),
        home: settings.home.dir().to_owned(),
        rules: settings.disk,
    });
    disk.look().await;
    doors.open(&listeners, &socket, settings)?;
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
    if let (Some(tls), Some(files)) = (tls, settings.tls.clone()) {
        outside.spawn(tls::keep_fresh(tls, files, last_checkpoints.clone())?);
    }
    stopping.token().cancelled().await;
    tracker.close();
    let limit = stopping.lame_duck() + settings.conversation.drain + AFTERMATH;
    let mut drained = std::pin::pin!(tokio::time::timeout(limit, tracker.wait()));
    let in_time = tokio::select! {
        biased;
        drained = &mut drained => drained,
        () = ending.for_good() => {
            // Nobody will answer those who wait in the kernel: they are told at once.
            listeners.clear();
            drained.await
        }
    };
    if in_time.is_err() {
        tracing::warn!("calls that were still under way are cut");
    }
    last_checkpoints.cancel();
    outside.close();
    outside.wait().await;
    engine.close().await;
    Ok(Handover {
        lock: Some(lock),
        socket: Some(socket),
        listeners,
        is_foreign: given.is_foreign,
    })
}

fn start_tls(files: &TlsFiles) -> Outcome<Tls> {
    let certificate = files.load()?;
    if let Some(warning) = certificate.find_warning(files, clock::now()) {
        tracing::warn!("{warning}");
    }
    Tls::new(&certificate)
}

/// The listeners of every door that is served: those that were given, where they are what the
/// settings ask for or come from another program, and else new ones.
fn listen(settings: &Settings, mut given: Listeners, is_foreign: bool) -> Outcome<Listeners> {
    let mut ports = Ports::load(&settings.home);
    let mut listeners = Listeners::new();
    for (door, spec) in &settings.listen {
        if !settings.doors.contains(door) {
            continue;
        }
        let held = given.remove(door).unwrap_or_default();
        let mut addresses = Vec::new();
        for listener in &held {
            addresses.push(listener.local_addr().context("a listener has no address")?);
        }
        let is_wanted = is_foreign || spec.is_served_by(&addresses);
        let of_door = if is_wanted && !held.is_empty() {
            settings.check_reach(*door, &addresses)?;
            held
        } else {
            drop(held);
            bind(*door, spec, &settings.home, &mut ports)?
        };
        listeners.insert(*door, of_door);
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

    fn record(&self, is_tls: bool, drain: Duration, start: &str) -> StackRecord {
        let doors = self.listening.iter().map(|(door, addresses)| {
            let url = self.url(*door).to_owned();
            (
                door.name().to_owned(),
                DoorRecord {
                    url,
                    is_tls,
                    addresses: addresses.clone(),
                },
            )
        });
        StackRecord {
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            start: start.to_owned(),
            refused: None,
            refusals: 0,
            drain_seconds: drain.as_secs(),
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
        .map_err(|error| cannot_open(settings.home.dir(), &error))?;
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
        limits: settings.zone_limits,
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
