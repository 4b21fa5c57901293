//! Opening the doors.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::sync::Arc;

use axum::Router;
use caracal_api::{ApiConfig, ServeOptions, serve_tcp, serve_unix};
use caracal_egress::Egress;
use caracal_engine::Engine;
use caracal_gateway::{Gateway, GatewayConfig};
use caracal_sts::StsConfig;
use caracal_wire::{DoorView, StatusView};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::failure::{Context, Outcome};
use crate::server::serve::{DRAIN, Listeners, Plan};
use crate::server::{Door, Settings};

/// How many connections each of the STS, the control API and the local socket may have.
const MAX_CONNECTIONS: usize = 4096;

/// Everything that a door is made of.
pub(crate) struct Doors {
    pub(crate) engine: Engine,
    pub(crate) egress: Egress,
    pub(crate) plan: Plan,
    pub(crate) shutdown: CancellationToken,
    pub(crate) tracker: TaskTracker,
}

impl Doors {
    /// Serves every door on its listeners, and the control API on the local socket.
    pub(crate) fn open(
        self,
        listeners: Listeners,
        socket: UnixListener,
        settings: &Settings,
    ) -> Outcome<()> {
        let control = self.control(settings);
        let socket = tokio::net::UnixListener::from_std(socket)
            .context("the local socket cannot be served")?;
        self.tracker
            .spawn(serve_unix(socket, control.clone(), self.options()));
        for (door, listeners) in listeners {
            let url = self.plan.url(door).to_owned();
            tracing::info!(%door, %url, "open");
            let listeners = listeners
                .into_iter()
                .map(into_tokio)
                .collect::<Outcome<Vec<_>>>()?;
            match door {
                Door::Sts => {
                    let router =
                        caracal_sts::router(self.engine.clone(), StsConfig { public_url: url });
                    self.serve(listeners, &router);
                }
                Door::Console => self.serve(listeners, &control),
                Door::Gateway => {
                    let config = GatewayConfig {
                        drain: DRAIN,
                        ..GatewayConfig::new(url)
                    };
                    let gateway = Gateway::new(self.engine.clone(), self.egress.clone(), config);
                    for listener in listeners {
                        let serving = gateway.clone().serve(
                            listener,
                            self.shutdown.clone(),
                            self.tracker.clone(),
                        );
                        self.tracker.spawn(serving);
                    }
                }
            }
        }
        Ok(())
    }

    /// All listeners of a door share its limits.
    fn serve(&self, listeners: Vec<tokio::net::TcpListener>, router: &Router) {
        let options = self.options();
        for listener in listeners {
            self.tracker
                .spawn(serve_tcp(listener, router.clone(), options.clone()));
        }
    }

    fn options(&self) -> ServeOptions {
        let mut options =
            ServeOptions::new(self.shutdown.clone(), self.tracker.clone(), MAX_CONNECTIONS);
        options.drain = DRAIN;
        options
    }

    fn control(&self, settings: &Settings) -> Router {
        let (engine, plan) = (self.engine.clone(), self.plan.clone());
        let home = settings.home.dir().display().to_string();
        let status = Arc::new(move || {
            let ready = engine.is_ready();
            let door = |door: Door| {
                (
                    door.name().to_owned(),
                    DoorView {
                        url: plan.url(door).to_owned(),
                        ready,
                    },
                )
            };
            StatusView {
                ready,
                pid: std::process::id(),
                doors: plan.doors().map(door).collect::<BTreeMap<_, _>>(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                home: home.clone(),
            }
        });
        let config = ApiConfig::new(
            self.plan.url(Door::Console),
            self.plan.port(Door::Console),
            env!("CARGO_PKG_VERSION"),
            status,
            self.shutdown.clone(),
        );
        caracal_api::router(self.engine.clone(), config)
    }
}

fn into_tokio(listener: TcpListener) -> Outcome<tokio::net::TcpListener> {
    listener
        .set_nonblocking(true)
        .context("a listener cannot be served")?;
    tokio::net::TcpListener::from_std(listener).context("a listener cannot be served")
}
