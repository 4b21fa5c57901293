//! The local stack and servers.

use clap::Args;

use crate::server::SettingsLayer;

/// What `up` needs.
#[derive(Debug, Args)]
#[command(
    after_long_help = "Examples:\n  caracal up\n  caracal up --foreground --log debug\n  \
    CARACAL_HOME=/tmp/try CARACAL_STS_LISTEN=localhost:0 caracal up --json"
)]
pub(crate) struct UpArgs {
    /// Stay in the foreground and log to standard error
    #[arg(long)]
    pub(crate) foreground: bool,
    /// Only look whether it could start
    #[arg(long, hide = true)]
    pub(crate) check: bool,
    #[command(flatten)]
    pub(crate) settings: SettingsLayer,
}

/// What `serve` needs.
#[derive(Debug, Args)]
#[command(
    after_long_help = "Examples:\n  caracal serve --public-sts-url https://sts.example.com --behind-tls-proxy \\\n      \
    --sts-listen 0.0.0.0:8080\n  caracal serve --doors sts,gateway\n\nSettings come from the flag, then the \
    environment, then `server.toml` in CARACAL_HOME."
)]
pub(crate) struct ServeArgs {
    /// Serve with the defaults of `up`
    #[arg(long, hide = true)]
    pub(crate) local: bool,
    /// Leave the terminal and log to the home's log file
    #[arg(long, hide = true)]
    pub(crate) background_child: bool,
    /// Only check the settings and the files that they name
    #[arg(long)]
    pub(crate) check: bool,
    #[command(flatten)]
    pub(crate) settings: SettingsLayer,
}

/// What `status` needs.
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// Wait up to 30 s until every door is ready
    #[arg(long)]
    pub(crate) ready: bool,
}

/// What `restart` needs.
#[derive(Debug, Args)]
pub(crate) struct RestartArgs {}

/// What `down` needs.
#[derive(Debug, Args)]
pub(crate) struct DownArgs {}

/// What `purge` needs.
#[derive(Debug, Args)]
pub(crate) struct PurgeArgs {
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
}

/// What `logs` needs.
#[derive(Debug, Args)]
pub(crate) struct LogsArgs {
    /// Go on as the log grows
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// How many lines to begin with
    #[arg(long, short = 'n', value_name = "N", default_value_t = 200)]
    pub(crate) lines: usize,
}
