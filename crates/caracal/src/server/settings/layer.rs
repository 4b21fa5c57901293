//! One place that settings come from.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use serde::Deserialize;

use crate::environment::Environment;
use crate::failure::{Failure, Outcome};
use crate::home::Home;
use crate::server::Door;
use crate::server::settings::ByteSize;

/// What one place says; everything may be missing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SettingsLayer {
    /// Doors to open [env: CARACAL_DOORS; default: sts,gateway,console]
    #[arg(long, value_name = "DOOR", value_delimiter = ',')]
    pub(crate) doors: Option<Vec<String>>,
    /// Where the STS listens [env: CARACAL_STS_LISTEN; default: localhost:8080]
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) sts_listen: Option<String>,
    /// Where the Gateway listens [env: CARACAL_GATEWAY_LISTEN; default: localhost:8081]
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) gateway_listen: Option<String>,
    /// Where the control API and the console listen [env: CARACAL_CONSOLE_LISTEN; default: localhost:3001]
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) console_listen: Option<String>,
    /// URL of the STS as agents see it [env: CARACAL_PUBLIC_STS_URL; default: http://localhost:PORT]
    #[arg(long, value_name = "URL")]
    pub(crate) public_sts_url: Option<String>,
    /// URL of the Gateway as agents see it [env: CARACAL_PUBLIC_GATEWAY_URL]
    #[arg(long, value_name = "URL")]
    pub(crate) public_gateway_url: Option<String>,
    /// URL of the console as people see it [env: CARACAL_PUBLIC_CONSOLE_URL]
    #[arg(long, value_name = "URL")]
    pub(crate) public_console_url: Option<String>,
    /// Certificate chain (PEM) of all doors [env: CARACAL_TLS_CERT]
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Private key (PEM) of the certificate [env: CARACAL_TLS_KEY]
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_key: Option<PathBuf>,
    /// A proxy in front speaks TLS: listening beyond this machine without it is meant [env: CARACAL_BEHIND_TLS_PROXY]
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub(crate) behind_tls_proxy: Option<bool>,
    /// Proxies whose `X-Forwarded-*` may be believed [env: CARACAL_TRUSTED_PROXIES]
    #[arg(long, value_name = "NETWORK", value_delimiter = ',')]
    pub(crate) trusted_proxies: Option<Vec<String>>,
    /// Connections that the Gateway may have; the other doors may have a quarter [env: CARACAL_MAX_CONNECTIONS; default: 16384]
    #[arg(long, value_name = "N")]
    pub(crate) max_connections: Option<usize>,
    /// Connections that one address may have at a door, but for trusted proxies [env: CARACAL_MAX_CONNECTIONS_PER_SOURCE; default: three quarters of the door's]
    #[arg(long, value_name = "N")]
    pub(crate) max_connections_per_source: Option<usize>,
    /// Time for TLS's handshake, and for a request's head [env: CARACAL_HEAD_TIMEOUT_SECONDS; default: 10]
    #[arg(long, value_name = "N")]
    pub(crate) head_timeout_seconds: Option<u64>,
    /// How long a connection may stay without a request [env: CARACAL_IDLE_TIMEOUT_SECONDS; default: 75]
    #[arg(long, value_name = "N")]
    pub(crate) idle_timeout_seconds: Option<u64>,
    /// How long a client may leave an answer unread, or owe a KiB of its body [env: CARACAL_SLOW_TIMEOUT_SECONDS; default: 30]
    #[arg(long, value_name = "N")]
    pub(crate) slow_timeout_seconds: Option<u64>,
    /// How long calls under way may go on at the end [env: CARACAL_DRAIN_SECONDS; default: 30]
    #[arg(long, value_name = "N")]
    pub(crate) drain_seconds: Option<u64>,
    /// Where data is kept [env: CARACAL_DATABASE_URL; default: sqlite: in the home]
    #[arg(long, value_name = "URL")]
    pub(crate) database_url: Option<String>,
    /// What is logged: error, warn, info, debug or trace [env: CARACAL_LOG; default: info]
    #[arg(long, value_name = "LEVEL")]
    pub(crate) log: Option<String>,
    /// When the log's file turns over [env: CARACAL_LOG_FILE_SIZE; default: 10MiB]
    #[arg(long, value_name = "SIZE")]
    pub(crate) log_file_size: Option<ByteSize>,
    /// How many files of the log are kept [env: CARACAL_LOG_FILES; default: 5]
    #[arg(long, value_name = "N")]
    pub(crate) log_files: Option<u32>,
    /// The form of a line of the log: text or json [env: CARACAL_LOG_FORMAT; default: text]
    #[arg(long, value_name = "FORM")]
    pub(crate) log_format: Option<String>,
    /// Which requests have a line in the log: off, refusals or all [env: CARACAL_ACCESS_LOG; default: refusals]
    #[arg(long, value_name = "WHICH")]
    pub(crate) access_log: Option<String>,
    /// A file outside the home that gets every log's newest signed checkpoint [env: CARACAL_CHECKPOINT_FILE]
    #[arg(long, value_name = "FILE")]
    pub(crate) checkpoint_file: Option<PathBuf>,
    /// The most that the home may take of the disk, such as `20GiB` [env: CARACAL_DISK_QUOTA; default: all of it]
    #[arg(long, value_name = "SIZE")]
    pub(crate) disk_quota: Option<ByteSize>,
    /// Room kept for revoking and administering when calls are refused [env: CARACAL_DISK_RESERVE; default: 2 %, 64MiB to 1GiB]
    #[arg(long, value_name = "SIZE")]
    pub(crate) disk_reserve: Option<ByteSize>,
    /// A command that prints the master key, instead of a key file [env: CARACAL_MASTER_KEY_COMMAND]
    #[arg(long, value_name = "COMMAND")]
    pub(crate) master_key_command: Option<String>,
    /// Bad secrets per minute and source before they are answered 429; 0: no limit [env: CARACAL_BAD_SECRETS_PER_MINUTE; default: 120]
    #[arg(long, value_name = "COUNT")]
    pub(crate) bad_secrets_per_minute: Option<u32>,
    /// Calls that may be under way until their answer begins [env: CARACAL_GATEWAY_PLACES; default: 4096]
    #[arg(long, value_name = "COUNT")]
    pub(crate) gateway_places: Option<u32>,
    /// Calls that may be open until their answer ends [env: CARACAL_GATEWAY_OPEN_CALLS; default: 16384]
    #[arg(long, value_name = "COUNT")]
    pub(crate) gateway_open_calls: Option<u32>,
    /// Requests of authenticated clients that the STS answers at a time [env: CARACAL_STS_PLACES; default: 512]
    #[arg(long, value_name = "COUNT")]
    pub(crate) sts_places: Option<u32>,
    /// A command that prints the master key before this one, while secrets are sealed again [env: CARACAL_MASTER_KEY_PREVIOUS_COMMAND]
    #[arg(long, value_name = "COMMAND")]
    pub(crate) master_key_previous_command: Option<String>,
    /// Days until a zone's signing key is replaced by itself; 0: never [env: CARACAL_ZONE_KEY_DAYS; default: 90]
    #[arg(long, value_name = "DAYS")]
    pub(crate) zone_key_days: Option<u32>,
    /// Sessions that each zone has alive at a time [env: CARACAL_MAX_SESSIONS; default: 100000]
    #[arg(long, value_name = "COUNT")]
    pub(crate) max_sessions: Option<u32>,
    /// Sessions that one application has alive in a zone at a time [env: CARACAL_MAX_APPLICATION_SESSIONS; default: half of CARACAL_MAX_SESSIONS]
    #[arg(long, value_name = "COUNT")]
    pub(crate) max_application_sessions: Option<u32>,
    /// Delegations that each zone has alive at a time [env: CARACAL_MAX_DELEGATIONS; default: 100000]
    #[arg(long, value_name = "COUNT")]
    pub(crate) max_delegations: Option<u32>,
    /// Delegations that one application lends in a zone at a time [env: CARACAL_MAX_APPLICATION_DELEGATIONS; default: half of CARACAL_MAX_DELEGATIONS]
    #[arg(long, value_name = "COUNT")]
    pub(crate) max_application_delegations: Option<u32>,
    /// Resources may ask for loopback and private upstreams [env: CARACAL_ALLOW_PRIVATE; default: true for `up`, false for `serve`]
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub(crate) allow_private: Option<bool>,
}

impl SettingsLayer {
    /// What `server.toml` in the home says; nothing when there is none.
    pub(crate) fn from_file(home: &Home) -> Outcome<Self> {
        let path = home.join("server.toml");
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self::default());
            }
            Err(error) => return Err(Failure::usage(format!("`{}`: {error}", path.display()))),
        };
        let layer: Self = toml::from_str(&text).map_err(|error| {
            Failure::usage(format!(
                "`{}`: {}",
                path.display(),
                error.to_string().trim_end()
            ))
        })?;
        Ok(layer.beside(home.dir()))
    }

    /// What the environment says.
    pub(crate) fn from_environment(environment: &Environment) -> Outcome<Self> {
        let text = |name: &str| environment.find(name).map(str::to_owned);
        let path = |name: &str| environment.find(name).map(PathBuf::from);
        let list = |name: &str| {
            let items = environment.find(name)?.split(',').map(str::trim);
            Some(
                items
                    .filter(|item| !item.is_empty())
                    .map(str::to_owned)
                    .collect(),
            )
        };
        let size = |name: &str| match environment.find(name).map(str::parse::<ByteSize>) {
            None => Ok(None),
            Some(Ok(size)) => Ok(Some(size)),
            Some(Err(why)) => Err(Failure::usage(format!("`{name}`: {why}"))),
        };
        let truth = |name: &str| match environment.find(name) {
            None => Ok(None),
            Some("true" | "1") => Ok(Some(true)),
            Some("false" | "0") => Ok(Some(false)),
            Some(other) => Err(Failure::usage(format!(
                "`{name}` is `{other}`, but must be `true` or `false`"
            ))),
        };
        let count = |name: &str| whole::<u32>(name, environment);
        let seconds = |name: &str| whole::<u64>(name, environment);
        let amount = |name: &str| whole::<usize>(name, environment);
        Ok(Self {
            doors: list("CARACAL_DOORS"),
            sts_listen: text("CARACAL_STS_LISTEN"),
            gateway_listen: text("CARACAL_GATEWAY_LISTEN"),
            console_listen: text("CARACAL_CONSOLE_LISTEN"),
            public_sts_url: text("CARACAL_PUBLIC_STS_URL"),
            public_gateway_url: text("CARACAL_PUBLIC_GATEWAY_URL"),
            public_console_url: text("CARACAL_PUBLIC_CONSOLE_URL"),
            tls_cert: path("CARACAL_TLS_CERT"),
            tls_key: path("CARACAL_TLS_KEY"),
            behind_tls_proxy: truth("CARACAL_BEHIND_TLS_PROXY")?,
            trusted_proxies: list("CARACAL_TRUSTED_PROXIES"),
            max_connections: amount("CARACAL_MAX_CONNECTIONS")?,
            max_connections_per_source: amount("CARACAL_MAX_CONNECTIONS_PER_SOURCE")?,
            head_timeout_seconds: seconds("CARACAL_HEAD_TIMEOUT_SECONDS")?,
            idle_timeout_seconds: seconds("CARACAL_IDLE_TIMEOUT_SECONDS")?,
            slow_timeout_seconds: seconds("CARACAL_SLOW_TIMEOUT_SECONDS")?,
            drain_seconds: seconds("CARACAL_DRAIN_SECONDS")?,
            database_url: text("CARACAL_DATABASE_URL"),
            log: text("CARACAL_LOG"),
            log_format: text("CARACAL_LOG_FORMAT"),
            access_log: text("CARACAL_ACCESS_LOG"),
            checkpoint_file: path("CARACAL_CHECKPOINT_FILE"),
            log_file_size: size("CARACAL_LOG_FILE_SIZE")?,
            log_files: whole("CARACAL_LOG_FILES", environment)?,
            disk_quota: size("CARACAL_DISK_QUOTA")?,
            disk_reserve: size("CARACAL_DISK_RESERVE")?,
            master_key_command: text("CARACAL_MASTER_KEY_COMMAND"),
            bad_secrets_per_minute: count("CARACAL_BAD_SECRETS_PER_MINUTE")?,
            gateway_places: count("CARACAL_GATEWAY_PLACES")?,
            gateway_open_calls: count("CARACAL_GATEWAY_OPEN_CALLS")?,
            sts_places: count("CARACAL_STS_PLACES")?,
            master_key_previous_command: text("CARACAL_MASTER_KEY_PREVIOUS_COMMAND"),
            zone_key_days: count("CARACAL_ZONE_KEY_DAYS")?,
            max_sessions: count("CARACAL_MAX_SESSIONS")?,
            max_application_sessions: count("CARACAL_MAX_APPLICATION_SESSIONS")?,
            max_delegations: count("CARACAL_MAX_DELEGATIONS")?,
            max_application_delegations: count("CARACAL_MAX_APPLICATION_DELEGATIONS")?,
            allow_private: truth("CARACAL_ALLOW_PRIVATE")?,
        })
    }

    /// This layer, with what it leaves open taken from a weaker one.
    #[must_use]
    pub(crate) fn or(self, weaker: Self) -> Self {
        Self {
            doors: self.doors.or(weaker.doors),
            sts_listen: self.sts_listen.or(weaker.sts_listen),
            gateway_listen: self.gateway_listen.or(weaker.gateway_listen),
            console_listen: self.console_listen.or(weaker.console_listen),
            public_sts_url: self.public_sts_url.or(weaker.public_sts_url),
            public_gateway_url: self.public_gateway_url.or(weaker.public_gateway_url),
            public_console_url: self.public_console_url.or(weaker.public_console_url),
            tls_cert: self.tls_cert.or(weaker.tls_cert),
            tls_key: self.tls_key.or(weaker.tls_key),
            behind_tls_proxy: self.behind_tls_proxy.or(weaker.behind_tls_proxy),
            trusted_proxies: self.trusted_proxies.or(weaker.trusted_proxies),
            max_connections: self.max_connections.or(weaker.max_connections),
            max_connections_per_source: self
                .max_connections_per_source
                .or(weaker.max_connections_per_source),
            head_timeout_seconds: self.head_timeout_seconds.or(weaker.head_timeout_seconds),
            idle_timeout_seconds: self.idle_timeout_seconds.or(weaker.idle_timeout_seconds),
            slow_timeout_seconds: self.slow_timeout_seconds.or(weaker.slow_timeout_seconds),
            drain_seconds: self.drain_seconds.or(weaker.drain_seconds),
            database_url: self.database_url.or(weaker.database_url),
            log: self.log.or(weaker.log),
            log_format: self.log_format.or(weaker.log_format),
            access_log: self.access_log.or(weaker.access_log),
            checkpoint_file: self.checkpoint_file.or(weaker.checkpoint_file),
            log_file_size: self.log_file_size.or(weaker.log_file_size),
            log_files: self.log_files.or(weaker.log_files),
            disk_quota: self.disk_quota.or(weaker.disk_quota),
            disk_reserve: self.disk_reserve.or(weaker.disk_reserve),
            master_key_command: self.master_key_command.or(weaker.master_key_command),
            bad_secrets_per_minute: self
                .bad_secrets_per_minute
                .or(weaker.bad_secrets_per_minute),
            gateway_places: self.gateway_places.or(weaker.gateway_places),
            gateway_open_calls: self.gateway_open_calls.or(weaker.gateway_open_calls),
            sts_places: self.sts_places.or(weaker.sts_places),
            master_key_previous_command: self
                .master_key_previous_command
                .or(weaker.master_key_previous_command),
            zone_key_days: self.zone_key_days.or(weaker.zone_key_days),
            max_sessions: self.max_sessions.or(weaker.max_sessions),
            max_application_sessions: self
                .max_application_sessions
                .or(weaker.max_application_sessions),
            max_delegations: self.max_delegations.or(weaker.max_delegations),
            max_application_delegations: self
                .max_application_delegations
                .or(weaker.max_application_delegations),
            allow_private: self.allow_private.or(weaker.allow_private),
        }
    }

    /// Where a door is told to listen.
    pub(crate) fn listen(&self, door: Door) -> Option<&str> {
        match door {
            Door::Sts => self.sts_listen.as_deref(),
            Door::Gateway => self.gateway_listen.as_deref(),
            Door::Console => self.console_listen.as_deref(),
        }
    }

    /// The public URL that a door is told.
    pub(crate) fn public_url(&self, door: Door) -> Option<&str> {
        match door {
            Door::Sts => self.public_sts_url.as_deref(),
            Door::Gateway => self.public_gateway_url.as_deref(),
            Door::Console => self.public_console_url.as_deref(),
        }
    }

    /// The flags that say the same to another process of this program.
    pub(crate) fn to_arguments(&self) -> Vec<String> {
        let list = |list: &Option<Vec<String>>| list.as_ref().map(|items| items.join(","));
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        let all = [
            ("doors", list(&self.doors)),
            ("sts-listen", self.sts_listen.clone()),
            ("gateway-listen", self.gateway_listen.clone()),
            ("console-listen", self.console_listen.clone()),
            ("public-sts-url", self.public_sts_url.clone()),
            ("public-gateway-url", self.public_gateway_url.clone()),
            ("public-console-url", self.public_console_url.clone()),
            ("tls-cert", path(&self.tls_cert)),
            ("tls-key", path(&self.tls_key)),
            ("behind-tls-proxy", shown(&self.behind_tls_proxy)),
            ("trusted-proxies", list(&self.trusted_proxies)),
            ("max-connections", shown(&self.max_connections)),
            (
                "max-connections-per-source",
                shown(&self.max_connections_per_source),
            ),
            ("head-timeout-seconds", shown(&self.head_timeout_seconds)),
            ("idle-timeout-seconds", shown(&self.idle_timeout_seconds)),
            ("slow-timeout-seconds", shown(&self.slow_timeout_seconds)),
            ("drain-seconds", shown(&self.drain_seconds)),
            ("database-url", self.database_url.clone()),
            ("log", self.log.clone()),
            ("log-format", self.log_format.clone()),
            ("access-log", self.access_log.clone()),
            ("checkpoint-file", path(&self.checkpoint_file)),
            ("log-file-size", shown(&self.log_file_size)),
            ("log-files", shown(&self.log_files)),
            ("disk-quota", shown(&self.disk_quota)),
            ("disk-reserve", shown(&self.disk_reserve)),
            ("master-key-command", self.master_key_command.clone()),
            (
                "bad-secrets-per-minute",
                shown(&self.bad_secrets_per_minute),
            ),
            ("gateway-places", shown(&self.gateway_places)),
            ("gateway-open-calls", shown(&self.gateway_open_calls)),
            ("sts-places", shown(&self.sts_places)),
            (
                "master-key-previous-command",
                self.master_key_previous_command.clone(),
            ),
            ("zone-key-days", shown(&self.zone_key_days)),
            ("max-sessions", shown(&self.max_sessions)),
            (
                "max-application-sessions",
                shown(&self.max_application_sessions),
            ),
            ("max-delegations", shown(&self.max_delegations)),
            (
                "max-application-delegations",
                shown(&self.max_application_delegations),
            ),
            ("allow-private", shown(&self.allow_private)),
        ];
        let said = all
            .into_iter()
            .filter_map(|(name, value)| Some(format!("--{name}={}", value?)));
        said.collect()
    }

    /// Paths in a file are meant beside the file.
    fn beside(mut self, dir: &std::path::Path) -> Self {
        for path in [
            &mut self.tls_cert,
            &mut self.tls_key,
            &mut self.checkpoint_file,
        ] {
            *path = path.take().map(|path| dir.join(path));
        }
        self
    }
}

fn whole<T: FromStr>(name: &str, environment: &Environment) -> Outcome<Option<T>> {
    let Some(text) = environment.find(name) else {
        return Ok(None);
    };
    text.parse()
        .map(Some)
        .map_err(|_| Failure::usage(format!("`{name}` is `{text}`, but must be a whole number")))
}

fn shown(number: &Option<impl ToString>) -> Option<String> {
    number.as_ref().map(ToString::to_string)
}
