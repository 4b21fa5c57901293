//! What a server is told: flag, then environment, then `server.toml`, then the default.

mod byte_size;
mod door_limits;
mod layer;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use caracal_connection::{Limits, NotANetwork, TrustedProxies};
use caracal_core::Secret;
use caracal_engine::{DEFAULT_MAX_DELEGATIONS, DEFAULT_MAX_SESSIONS, ZoneLimits};
use url::Url;

pub(crate) use byte_size::ByteSize;
pub(crate) use door_limits::DoorLimits;
pub(crate) use layer::SettingsLayer;

use crate::environment::Environment;
use crate::failure::{Failure, Outcome};
use crate::home::Home;
use crate::server::listen::ListenSpec;
use crate::server::tls::TlsFiles;
use crate::server::{DiskRules, Door, LogRules, LogSize};

/// How many days a zone's key signs when nothing is said.
const ZONE_KEY_DAYS: u32 = 90;

/// Everything that a server is told, checked.
pub(crate) struct Settings {
    /// The home.
    pub(crate) home: Home,
    /// The doors to open.
    pub(crate) doors: BTreeSet<Door>,
    /// Where each door listens, open or not.
    pub(crate) listen: BTreeMap<Door, ListenSpec>,
    /// Public URLs that were named, without a slash at the end.
    pub(crate) public_urls: BTreeMap<Door, String>,
    /// What is logged.
    pub(crate) log: LogRules,
    /// How large the log may become.
    pub(crate) log_size: LogSize,
    /// How much room the home may use.
    pub(crate) disk: DiskRules,
    /// The checkpoint file outside the home.
    pub(crate) checkpoint_file: Option<PathBuf>,
    /// The master key itself.
    pub(crate) master_key: Option<Secret>,
    /// The command that gives the master key.
    pub(crate) master_key_command: Option<String>,
    /// Certificate and key of all doors; without them they speak without TLS.
    pub(crate) tls: Option<TlsFiles>,
    /// The proxies that may say where a request comes from.
    pub(crate) trusted_proxies: TrustedProxies,
    /// What of a connection is borne.
    pub(crate) conversation: Limits,
    /// How many connections the Gateway may have.
    pub(crate) max_connections: usize,
    /// How many one address may have at a door, where that is set.
    pub(crate) max_connections_per_source: Option<usize>,
    /// True: TLS protects the doors, here or at a proxy.
    pub(crate) is_protected: bool,
    /// True: a proxy stands before the doors, so that loopback says nothing of who asks.
    pub(crate) behind_proxy: bool,
    /// How much of the server anybody may take.
    pub(crate) limits: DoorLimits,
    /// The master key before this one.
    pub(crate) master_key_previous: Option<Secret>,
    /// The command that gives the master key before this one.
    pub(crate) master_key_previous_command: Option<String>,
    /// How many days a zone's key signs; none: for ever.
    pub(crate) zone_key_days: Option<u32>,
    /// How many sessions and delegations each zone has alive at a time.
    pub(crate) zone_limits: ZoneLimits,
    /// True: resources may ask for loopback and private upstreams.
    pub(crate) allow_private: bool,
}

impl Settings {
    /// Puts the layers together. A local stack allows private upstreams by default.
    pub(crate) fn resolve(
        home: Home,
        flags: SettingsLayer,
        environment: &Environment,
        local: bool,
    ) -> Outcome<Self> {
        let file = SettingsLayer::from_file(&home)?;
        let layer = flags
            .or(SettingsLayer::from_environment(environment)?)
            .or(file);
        check_database(layer.database_url.as_deref())?;
        let doors = match &layer.doors {
            None => Door::ALL.into(),
            Some(names) => parse_doors(names)?,
        };
        let tls = tls_files(&layer)?;
        let trusted_proxies = trusted(&layer)?;
        let is_protected = tls.is_some() || layer.behind_tls_proxy.unwrap_or(false);
        let mut listen = BTreeMap::new();
        let mut public_urls = BTreeMap::new();
        for door in Door::ALL {
            let text = layer.listen(door).unwrap_or(door.default_listen());
            let spec: ListenSpec = text.parse().map_err(|why: String| {
                Failure::usage(format!("`{}`: {why}", door.listen_variable()))
            })?;
            if doors.contains(&door) && !spec.is_loopback() && !is_protected {
                return Err(exposed(door, text));
            }
            listen.insert(door, spec);
            if let Some(url) = layer.public_url(door) {
                public_urls.insert(door, check_public_url(door, url)?);
            }
        }
        let behind_proxy = layer.behind_tls_proxy.unwrap_or(false) || !trusted_proxies.is_empty();
        let conversation = conversation(&layer)?;
        let limits = DoorLimits::of(&layer)?;
        let zone_limits = zone_limits(&layer)?;
        let secret = |name: &str| {
            environment
                .find(name)
                .map(|text| Secret::from(text.to_owned()))
        };
        let master_key = secret("CARACAL_MASTER_KEY");
        if master_key.is_some() && layer.master_key_command.is_some() {
            return Err(Failure::usage(
                "both `CARACAL_MASTER_KEY` and `CARACAL_MASTER_KEY_COMMAND` (`master_key_command`) name the master key",
            )
            .hint("keep one; during a rotation the key before belongs into `CARACAL_MASTER_KEY_PREVIOUS`"));
        }
        let zone_key_days = check_days(layer.zone_key_days.unwrap_or(ZONE_KEY_DAYS))?;
        Ok(Self {
            home,
            doors,
            listen,
            public_urls,
            log: LogRules {
                level: layer.log.unwrap_or_else(|| "info".to_owned()),
                format: chosen(
                    "CARACAL_LOG_FORMAT",
                    "`text` or `json`",
                    layer.log_format.as_deref(),
                )?,
                access: chosen(
                    "CARACAL_ACCESS_LOG",
                    "`off`, `refusals` or `all`",
                    layer.access_log.as_deref(),
                )?,
            },
            log_size: log_size(layer.log_file_size, layer.log_files)?,
            disk: DiskRules {
                quota: layer.disk_quota.map(|size| size.0),
                reserve: layer.disk_reserve.map(|size| size.0),
            },
            checkpoint_file: layer.checkpoint_file,
            master_key,
            master_key_command: layer.master_key_command,
            master_key_previous: secret("CARACAL_MASTER_KEY_PREVIOUS"),
            master_key_previous_command: layer.master_key_previous_command,
            zone_key_days,
            conversation,
            max_connections: positive("max-connections", layer.max_connections, 16_384)?,
            max_connections_per_source: layer.max_connections_per_source,
            tls,
            trusted_proxies,
            is_protected,
            behind_proxy,
            limits,
            zone_limits,
            allow_private: layer.allow_private.unwrap_or(local),
        })
    }

    /// The door that listens on a port, if it was set.
    pub(crate) fn find_door_on(&self, port: u16) -> Option<Door> {
        let mut all = self.listen.iter();
        all.find(|(_, spec)| spec.port() == port)
            .map(|(door, _)| *door)
    }

    /// Refuses listeners that reach beyond this machine without TLS.
    pub(crate) fn check_reach(&self, door: Door, addresses: &[SocketAddr]) -> Outcome<()> {
        let exposing = addresses
            .iter()
            .find(|address| !address.ip().to_canonical().is_loopback());
        match exposing {
            Some(address) if !self.is_protected => Err(exposed(door, &address.to_string())),
            _ => Ok(()),
        }
    }

    /// The public URL of a door that listens on this port.
    pub(crate) fn public_url(&self, door: Door, port: u16) -> String {
        let named = self.public_urls.get(&door).cloned();
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        named.unwrap_or_else(|| format!("{scheme}://localhost:{port}"))
    }
}

fn log_size(bytes: Option<ByteSize>, files: Option<u32>) -> Outcome<LogSize> {
    let mut size = LogSize::default();
    if let Some(ByteSize(bytes)) = bytes {
        if bytes < LogSize::MIN_BYTES {
            return Err(Failure::usage(format!(
                "`CARACAL_LOG_FILE_SIZE` is {bytes} bytes, but must be at least {}",
                LogSize::MIN_BYTES
            )));
        }
        size.bytes = bytes;
    }
    if let Some(files) = files {
        let files = usize::try_from(files).unwrap_or(usize::MAX);
        if !(1..=LogSize::MAX_FILES).contains(&files) {
            return Err(Failure::usage(format!(
                "`CARACAL_LOG_FILES` is {files}, but must be 1 to {}",
                LogSize::MAX_FILES
            )));
        }
        size.files = files;
    }
    Ok(size)
}

fn check_days(days: u32) -> Outcome<Option<u32>> {
    match days {
        0 => Ok(None),
        1..=3650 => Ok(Some(days)),
        _ => Err(Failure::usage(format!(
            "a zone's key cannot sign for {days} days (`CARACAL_ZONE_KEY_DAYS`)"
        ))
        .hint("use 1 to 3650 days, or 0 for no rotation by itself")),
    }
}

fn exposed(door: Door, text: &str) -> Failure {
    Failure::usage(format!(
        "the door `{door}` would listen beyond this machine (`{text}`) without TLS"
    ))
    .hint(
        "set `CARACAL_TLS_CERT` and `CARACAL_TLS_KEY`, or put a TLS proxy before it and say \
         `--behind-tls-proxy`, or listen on `localhost`",
    )
}

/// What a setting chooses, or its default.
fn chosen<T>(variable: &str, choices: &str, said: Option<&str>) -> Outcome<T>
where
    T: FromStr<Err = String> + Default,
{
    said.map_or_else(|| Ok(T::default()), str::parse)
        .map_err(|why| {
            Failure::usage(format!("`{variable}`: {why}")).hint(format!("use {choices}"))
        })
}

fn parse_doors(names: &[String]) -> Outcome<BTreeSet<Door>> {
    let doors: Result<BTreeSet<Door>, String> = names.iter().map(|name| name.parse()).collect();
    let doors = doors.map_err(Failure::usage)?;
    if doors.is_empty() {
        return Err(Failure::usage(
            "a server needs a door: use `sts`, `gateway` or `console`",
        ));
    }
    Ok(doors)
}

fn check_database(url: Option<&str>) -> Outcome<()> {
    match url {
        None | Some("sqlite:") => Ok(()),
        Some(url) if url.starts_with("postgres://") || url.starts_with("postgresql://") => Err(
            Failure::usage("this version cannot use PostgreSQL yet (`CARACAL_DATABASE_URL`)")
                .hint("leave it out to keep data in `CARACAL_HOME`"),
        ),
        // The URL may hold a password: it is not repeated.
        Some(_) => Err(Failure::usage("`CARACAL_DATABASE_URL` is not understood")
            .hint("use `sqlite:`, which keeps data in `CARACAL_HOME`")),
    }
}

fn check_public_url(door: Door, text: &str) -> Outcome<String> {
    let refuse = |why: &str| {
        Failure::usage(format!(
            "the public URL of the door `{door}`, `{text}`, {why}"
        ))
        .hint("use for example `https://sts.example.com`")
    };
    let url = Url::parse(text).map_err(|error| refuse(&format!("is no URL: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(refuse("is not of `http` or `https`"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(refuse("has a query or a fragment"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refuse("has a user name"));
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

fn tls_files(layer: &SettingsLayer) -> Outcome<Option<TlsFiles>> {
    match (&layer.tls_cert, &layer.tls_key) {
        (None, None) => Ok(None),
        (Some(certificate), Some(key)) => Ok(Some(TlsFiles {
            certificate: certificate.clone(),
            key: key.clone(),
        })),
        _ => Err(Failure::usage(
            "TLS needs a certificate and its key, but only one of them is named",
        )
        .hint("set both `CARACAL_TLS_CERT` and `CARACAL_TLS_KEY`")),
    }
}

fn trusted(layer: &SettingsLayer) -> Outcome<TrustedProxies> {
    let texts = layer.trusted_proxies.iter().flatten();
    TrustedProxies::parse(texts.map(String::as_str)).map_err(|NotANetwork(text)| {
        Failure::usage(format!(
            "the trusted proxy `{text}` is no address or network"
        ))
        .hint("use for example `10.0.0.0/8`")
    })
}

fn zone_limits(layer: &SettingsLayer) -> Outcome<ZoneLimits> {
    let count = |flag: &str, set: Option<u32>, default: usize| match set {
        Some(count) => {
            let count = positive(flag, Some(u64::from(count)), 1)?;
            Ok::<_, Failure>(usize::try_from(count).unwrap_or(usize::MAX))
        }
        None => Ok(default),
    };
    let sessions = count("max-sessions", layer.max_sessions, DEFAULT_MAX_SESSIONS)?;
    let delegations = count(
        "max-delegations",
        layer.max_delegations,
        DEFAULT_MAX_DELEGATIONS,
    )?;
    let halves = ZoneLimits::of(sessions, delegations);
    Ok(ZoneLimits {
        sessions_of_application: count(
            "max-application-sessions",
            layer.max_application_sessions,
            halves.sessions_of_application,
        )?,
        delegations_of_application: count(
            "max-application-delegations",
            layer.max_application_delegations,
            halves.delegations_of_application,
        )?,
        ..halves
    })
}

fn conversation(layer: &SettingsLayer) -> Outcome<Limits> {
    let seconds = |flag: &str, set: Option<u64>, default: u64| {
        let seconds = positive(flag, set, default)?;
        Ok::<_, Failure>(Duration::from_secs(seconds.min(24 * 60 * 60)))
    };
    Ok(Limits {
        head_timeout: seconds("head-timeout-seconds", layer.head_timeout_seconds, 10)?,
        idle_timeout: seconds("idle-timeout-seconds", layer.idle_timeout_seconds, 75)?,
        slow_timeout: seconds("slow-timeout-seconds", layer.slow_timeout_seconds, 30)?,
        drain: seconds("drain-seconds", layer.drain_seconds, 30)?,
        ..Limits::default()
    })
}

fn positive<N: PartialEq + From<u8>>(flag: &str, set: Option<N>, default: N) -> Outcome<N> {
    match set {
        Some(zero) if zero == N::from(0) => Err(Failure::usage(format!(
            "`--{flag}` is 0, but must be at least 1"
        ))),
        set => Ok(set.unwrap_or(default)),
    }
}

#[cfg(test)]
mod tests;
