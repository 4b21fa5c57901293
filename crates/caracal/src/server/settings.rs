//! What a server is told: flag, then environment, then `server.toml`, then the default.

mod byte_size;
mod door_limits;
mod layer;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::str::FromStr;

use caracal_connection::{NotANetwork, TrustedProxies};
use caracal_core::Secret;
use url::Url;

pub(crate) use byte_size::ByteSize;
pub(crate) use door_limits::DoorLimits;
pub(crate) use layer::SettingsLayer;

use crate::environment::Environment;
use crate::failure::{Failure, Outcome};
use crate::home::Home;
use crate::server::listen::ListenSpec;
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
    /// The proxies that may say where a request comes from.
    pub(crate) trusted_proxies: TrustedProxies,
    /// The master key itself.
    pub(crate) master_key: Option<Secret>,
    /// The command that gives the master key.
    pub(crate) master_key_command: Option<String>,
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
        let mut listen = BTreeMap::new();
        let mut public_urls = BTreeMap::new();
        for door in Door::ALL {
            let text = layer.listen(door).unwrap_or(door.default_listen());
            let spec: ListenSpec = text.parse().map_err(|why: String| {
                Failure::usage(format!("`{}`: {why}", door.listen_variable()))
            })?;
            let protected = layer.behind_tls_proxy.unwrap_or(false);
            if doors.contains(&door) && !spec.is_loopback() && !protected {
                return Err(Failure::usage(format!(
                    "the door `{door}` would listen beyond this machine (`{text}`) without TLS"
                ))
                .hint("put a TLS proxy before it and say `--behind-tls-proxy`, or listen on `localhost`"));
            }
            listen.insert(door, spec);
            if let Some(url) = layer.public_url(door) {
                public_urls.insert(door, check_public_url(door, url)?);
            }
        }
        if layer.tls_cert.is_some() || layer.tls_key.is_some() {
            return Err(Failure::usage(
                "this version cannot serve TLS itself yet (`CARACAL_TLS_CERT`)",
            )
            .hint("put a TLS proxy before it and say `--behind-tls-proxy`"));
        }
        let trusted_proxies =
            trusted_proxies(layer.trusted_proxies.as_deref().unwrap_or_default())?;
        let behind_proxy = layer.behind_tls_proxy.unwrap_or(false) || !trusted_proxies.is_empty();
        let limits = DoorLimits::of(&layer)?;
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
            trusted_proxies,
            behind_proxy,
            limits,
            allow_private: layer.allow_private.unwrap_or(local),
        })
    }

    /// The public URL of a door that listens on this port.
    pub(crate) fn public_url(&self, door: Door, port: u16) -> String {
        let named = self.public_urls.get(&door).cloned();
        named.unwrap_or_else(|| format!("http://localhost:{port}"))
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

fn trusted_proxies(texts: &[String]) -> Outcome<TrustedProxies> {
    TrustedProxies::parse(texts.iter().map(String::as_str)).map_err(|NotANetwork(text)| {
        Failure::usage(format!(
            "the trusted proxy `{text}` is no address or network"
        ))
        .hint("use for example `10.0.0.0/8`")
    })
}

#[cfg(test)]
mod tests;
