//! Opening the doors.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::sync::Arc;

use axum::Router;
use caracal_api::{ApiConfig, serve_unix};
use caracal_connection::{Admission, DoorRules, Stopping};
use caracal_egress::Egress;
use caracal_engine::{Engine, Room};
use caracal_gateway::{Gateway, GatewayConfig};
use caracal_sts::StsConfig;
use caracal_wire::{DoorView, StatusView};
use tokio_util::task::TaskTracker;

use crate::backup;
use crate::failure::{Context, Outcome};
use crate::server::doorway::{Answerer, Doorway};
use crate::server::handover::Listeners;
use crate::server::serve::Plan;
use crate::server::tls::Tls;
use crate::server::{Door, Settings};

/// How many connections may wait to be accepted: at a restart, they do.
const BACKLOG: i32 = 4096;
/// How many the local socket may have.
const LOCAL_CONNECTIONS: usize = 256;

/// Everything that a door is made of.
pub(crate) struct Doors {
    pub(crate) engine: Engine,
    pub(crate) egress: Egress,
    pub(crate) plan: Plan,
    pub(crate) tls: Option<Tls>,
    pub(crate) stopping: Stopping,
    pub(crate) tracker: TaskTracker,
}

impl Doors {
    /// Serves every door on its listeners, and the control API on the local socket. The listeners
    /// stay open when the doors close.
    pub(crate) fn open(
        self,
        listeners: &Listeners,
        socket: &UnixListener,
        settings: &Settings,
    ) -> Outcome<()> {
        let control = self.control(settings);
        let limits = settings.limits;
        let socket = socket
            .try_clone()
            .and_then(|socket| {
                socket.set_nonblocking(true)?;
                tokio::net::UnixListener::from_std(socket)
            })
            .context("the local socket cannot be served")?;
        self.tracker.spawn(serve_unix(
            socket,
            control.clone(),
            self.rules("local", settings),
            LOCAL_CONNECTIONS,
            self.tracker.clone(),
        ));
        for (door, listeners) in listeners {
            let url = self.plan.url(*door).to_owned();
            tracing::info!(%door, %url, "open");
            let answerer = match door {
                Door::Sts => {
                    let config = StsConfig {
                        public_url: url,
                        bad_secrets_per_minute: limits.bad_secrets_per_minute,
                        places: limits.sts_places,
                        shutdown: self.stopping.token().clone(),
                        tasks: self.tracker.clone(),
                    };
                    Answerer::Router(caracal_sts::router(self.engine.clone(), config))
                }
                Door::Console => Answerer::Router(control.clone()),
                Door::Gateway => {
                    let config = GatewayConfig {
                        public_url: url,
                        bad_secrets_per_minute: limits.bad_secrets_per_minute,
                        places: limits.gateway_places,
                        open_calls: limits.gateway_open_calls,
                    };
                    let (engine, egress) = (self.engine.clone(), self.egress.clone());
                    Answerer::Gateway(Gateway::new(engine, egress, config))
                }
            };
            // All listeners of a door share its limits.
            let (tls, rules) = (self.tls.clone(), self.rules(door.name(), settings));
            let doorway = Doorway::new(answerer, tls, admission(*door, settings), rules);
            for listener in listeners {
                let serving = doorway
                    .clone()
                    .open(into_tokio(listener)?, self.tracker.clone());
                self.tracker.spawn(serving);
            }
        }
        Ok(())
    }

    fn rules(&self, door: &'static str, settings: &Settings) -> DoorRules {
        DoorRules {
            door,
            limits: settings.conversation.clone(),
            proxies: settings.trusted_proxies.clone(),
            stopping: self.stopping.clone(),
        }
    }

    fn control(&self, settings: &Settings) -> Router {
        let (engine, plan) = (self.engine.clone(), self.plan.clone());
        let home = settings.home.dir().display().to_string();
        let status = Arc::new(move || {
            let (ready, administers) = (engine.is_ready(), engine.can_administer());
            let door = |door: Door| {
                (
                    door.name().to_owned(),
                    DoorView {
                        url: plan.url(door).to_owned(),
                        ready: if door == Door::Console {
                            administers
                        } else {
                            ready
                        },
                    },
                )
            };
            StatusView {
                ready,
                pid: std::process::id(),
                doors: plan.doors().map(door).collect::<BTreeMap<_, _>>(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                home: home.clone(),
                disk: match engine.room() {
                    Room::Plenty => "plenty",
                    Room::Low => "low",
                    Room::Reserve => "reserve",
                }
                .to_owned(),
                index: None,
            }
        });
        let mut config = ApiConfig::new(
            self.plan.url(Door::Console),
            self.plan.port(Door::Console),
            env!("CARGO_PKG_VERSION"),
            status,
            self.stopping.token().clone(),
        );
        config.backup = Some(backup::source(settings.home.clone(), settings.disk));
        config.bad_secrets_per_minute = settings.limits.bad_secrets_per_minute;
        caracal_api::router(self.engine.clone(), config)
    }
}

/// One address cannot take all of a door, unless that is set.
fn admission(door: Door, settings: &Settings) -> Arc<Admission> {
    let limit = match door {
        Door::Gateway => settings.max_connections,
        Door::Sts | Door::Console => settings.max_connections.div_ceil(4),
    };
    let most = limit.saturating_sub(limit / 4);
    let per_source = settings.max_connections_per_source.unwrap_or(most);
    let proxies = settings.trusted_proxies.clone();
    Admission::new(door.name(), limit, per_source, proxies)
}

fn into_tokio(listener: &TcpListener) -> Outcome<tokio::net::TcpListener> {
    rustix::net::listen(listener, BACKLOG).context("a listener cannot be served")?;
    let listener = listener
        .try_clone()
        .context("a listener cannot be served")?;
    listener
        .set_nonblocking(true)
        .context("a listener cannot be served")?;
    tokio::net::TcpListener::from_std(listener).context("a listener cannot be served")
}
