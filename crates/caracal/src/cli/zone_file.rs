//! Declarative configuration.

use clap::Args;

/// What `apply` needs.
#[derive(Debug, Args)]
#[command(
    after_long_help = "Examples:\n  caracal apply -f zone.yaml\n  caracal apply -f zone.yaml --dry-run\n  \
    generate-zone | caracal apply -f - --prune --json\n\nSecrets named by `from_env` and `from_file` are read by this \
    process, and paths in a file are meant beside it. The zone is created when it is missing."
)]
pub(crate) struct ApplyArgs {
    /// A zone file, or `-` for standard input; files of one zone are applied together
    #[arg(long = "file", short = 'f', value_name = "FILE", required = true)]
    pub(crate) files: Vec<String>,
    /// Remove what the files do not name
    #[arg(long)]
    pub(crate) prune: bool,
    /// Refuse when the zone was changed since a `diff` that showed this base
    #[arg(long, value_name = "BASE")]
    pub(crate) base: Option<String>,
    /// Check everything and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// What `diff` needs.
#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// A zone file, or `-` for standard input
    #[arg(long = "file", short = 'f', value_name = "FILE", required = true)]
    pub(crate) files: Vec<String>,
    /// Show what `--prune` would remove
    #[arg(long)]
    pub(crate) prune: bool,
}
