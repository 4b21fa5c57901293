//! How the local stack is.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use caracal_wire::{IndexView, StatusView};
use serde::Serialize;

use crate::cli::StatusArgs;
use crate::client::{Api, Target};
use crate::failure::{Exit, Failure, Outcome};
use crate::home::{DoorRecord, Home, StackRecord, find_holder};
use crate::server::Door;
use crate::table::Table;
use crate::terminal;

const WAIT: Duration = Duration::from_secs(30);
const PROBE: Duration = Duration::from_secs(2);

/// The fixed shape of `status --json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct StackStatus {
    /// True when every door is ready.
    pub(crate) ready: bool,
    /// The process; none when no stack runs.
    pub(crate) pid: Option<u32>,
    /// The doors.
    pub(crate) doors: BTreeMap<String, DoorStatus>,
    /// The version of the running stack.
    pub(crate) version: String,
    /// The home.
    pub(crate) home: String,
    /// How much room the disk has left, where the stack was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) disk: Option<String>,
    /// How far the index is, while the stack runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) index: Option<IndexView>,
}

/// One door.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct DoorStatus {
    /// Its public URL.
    pub(crate) url: String,
    /// True when it can serve.
    pub(crate) ready: bool,
}

impl StackStatus {
    /// Looks at the home and asks every door.
    pub(crate) async fn look(home: &Home) -> Outcome<Self> {
        let mut status = Self {
            ready: false,
            pid: find_holder(home)?,
            doors: BTreeMap::new(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            home: home.dir().display().to_string(),
            disk: None,
            index: None,
        };
        let Some(record) = status.pid.and_then(|pid| StackRecord::find(home, pid)) else {
            return Ok(status);
        };
        status.version = record.version;
        for (name, door) in record.doors {
            let ready = is_ready(&name, &door).await;
            status.doors.insert(
                name,
                DoorStatus {
                    url: door.url,
                    ready,
                },
            );
        }
        status.ready = !status.doors.is_empty() && status.doors.values().all(|door| door.ready);
        Ok(status)
    }

    /// Looks again and again until everything is ready or the time is over.
    pub(crate) async fn wait(home: &Home, limit: Duration) -> Outcome<Self> {
        let deadline = Instant::now() + limit;
        loop {
            let status = Self::look(home).await?;
            if status.ready || Instant::now() > deadline {
                return Ok(status);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The public URL of a door.
    pub(crate) fn find_url(&self, door: Door) -> Option<&str> {
        self.doors.get(door.name()).map(|door| door.url.as_str())
    }

    /// The lines for people.
    pub(crate) fn text(&self) -> String {
        let mut table = Table::new(&["DOOR", "URL", "STATE"]);
        for (name, door) in &self.doors {
            let state = if door.ready { "ready" } else { "not ready" };
            table.row([name.clone(), door.url.clone(), state.to_owned()]);
        }
        table.text()
    }

    /// Why it is not ready.
    fn failure(&self) -> Option<Failure> {
        if self.ready {
            return None;
        }
        let Some(pid) = self.pid else {
            return Some(
                Failure::new(format!("no stack is running in `{}`", self.home))
                    .hint("`caracal up` starts it"),
            );
        };
        let down: Vec<&str> = self
            .doors
            .iter()
            .filter(|(_, d)| !d.ready)
            .map(|(name, _)| name.as_str())
            .collect();
        let why = if down.is_empty() {
            format!("process {pid} holds the home, but has not opened its doors")
        } else {
            format!("not ready: {}", down.join(", "))
        };
        if self.disk.as_deref() == Some("reserve") {
            let why = format!("{why}: the disk has only its reserve left");
            return Some(
                Failure::new(why).hint("make room; revoking and administering still work"),
            );
        }
        Some(Failure::new(why).hint("`caracal logs` tells why, `caracal status --ready` waits"))
    }
}

async fn is_ready(name: &str, door: &DoorRecord) -> bool {
    let Ok(kind) = name.parse::<Door>() else {
        return false;
    };
    let builder = reqwest::Client::builder().no_proxy().timeout(PROBE);
    // Nothing is told to whoever answers, and the certificate is for other names than addresses.
    let builder = builder.tls_danger_accept_invalid_certs(door.is_tls);
    let scheme = if door.is_tls { "https" } else { "http" };
    let Ok(http) = builder.build() else {
        return false;
    };
    if door.addresses.is_empty() {
        return false;
    }
    for address in &door.addresses {
        let url = format!("{scheme}://{}{}", reachable(*address), kind.ready_path());
        let answer = http.get(url).send().await;
        if !answer.is_ok_and(|answer| answer.status().is_success()) {
            return false;
        }
    }
    true
}

/// What a running stack says of itself, if it answers.
async fn ask(home: &Home) -> Option<StatusView> {
    let api = Api::connect(Target::Local, home).ok()?;
    let asked = api.get::<StatusView>("/v1/status");
    tokio::time::timeout(PROBE, asked).await.ok()?.ok()
}

/// Where this machine reaches a listener.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// `caracal status`.
pub(crate) async fn status(home: &Home, args: &StatusArgs, json: bool) -> Outcome<()> {
    let limit = if args.ready { WAIT } else { Duration::ZERO };
    let looked = StackStatus::wait(home, limit).await;
    // Whatever keeps it from looking, the answer is that it is not ready.
    let mut status = looked.map_err(|failure| failure.exit(Exit::Failed))?;
    if status.pid.is_some()
        && let Some(told) = ask(home).await
    {
        status.disk = Some(told.disk).filter(|disk| !disk.is_empty());
        status.index = told.index;
    }
    if json {
        terminal::json(&status)?;
    } else if let Some(pid) = status.pid {
        terminal::line(format_args!(
            "caracal {} in `{}`, process {pid}",
            status.version, status.home
        ))?;
        terminal::raw(&status.text())?;
        if status.disk.as_deref() == Some("low") {
            terminal::note("the disk is nearly full; `caracal doctor` tells how much is left");
        }
        if let Some(IndexView { done, newest }) = status.index.filter(|i| i.done < i.newest) {
            terminal::line(format_args!(
                "searches find {done} of {newest} events; the index is being built"
            ))?;
        }
    }
    status.failure().map_or(Ok(()), Err)
}
