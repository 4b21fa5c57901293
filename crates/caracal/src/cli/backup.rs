//! Backups of the local stack or a server.

use std::path::PathBuf;

use clap::Args;

/// What `backup` needs.
#[derive(Debug, Args)]
#[command(
    long_about = "Write a backup: every zone's state and ledger at one moment, in a tar archive.\n\n\
    A running stack goes on serving meanwhile. The backup does not hold the master key, without \
    which it cannot be restored: keep `master.key` somewhere else. With `--server` it is taken of \
    that server, which needs an owner's token.",
    after_long_help = "Examples:\n  caracal backup /srv/backups\n  caracal backup before-the-change.tar"
)]
pub(crate) struct BackupArgs {
    /// A new file, or a directory to put one into
    #[arg(value_name = "FILE|DIR")]
    pub(crate) target: PathBuf,
}

/// What `restore` needs.
#[derive(Debug, Args)]
#[command(
    long_about = "Restore a backup into a home that nothing runs in.\n\n\
    Every mandate that was ever issued ends, also those issued after the backup; so do all API \
    tokens. Every zone gets new signing keys and a new log. Needs the master key of the backup.",
    after_long_help = "Examples:\n  caracal restore backup.tar\n  caracal restore backup.tar --replace --freeze"
)]
pub(crate) struct RestoreArgs {
    /// The backup
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Move the data that is in the home aside
    #[arg(long)]
    pub(crate) replace: bool,
    /// Leave every zone frozen until `caracal thaw`, so that you can look first
    #[arg(long)]
    pub(crate) freeze: bool,
}
