//! The ledger.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::cli::ListArgs;

/// The ledger.
#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Print events as they happen
    Tail {
        #[command(flatten)]
        filter: EventFilter,
    },
    /// List events, newest first
    List {
        #[command(flatten)]
        list: ListArgs,
        #[command(flatten)]
        filter: EventFilter,
    },
    /// Tell why a decision was taken
    Explain {
        /// The id of an event (`evt_…`) or of a request (`req_…`)
        id: String,
    },
    /// Write the zone's logs to a directory that anyone can verify
    Export {
        /// The directory; it is created
        dir: PathBuf,
    },
    /// Make anew what is searched, from the ledger; until then searches say so
    RebuildIndex,
    /// Recompute every log from its leaf bytes and compare it with signed checkpoints
    Verify(VerifyArgs),
}

/// What to look for.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct EventFilter {
    /// Only events of this type, such as `call.denied`
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) event_type: Option<String>,
    /// Only this decision: allow, deny or hold
    #[arg(long, value_name = "DECISION")]
    pub(crate) decision: Option<String>,
    /// Only this application, by name or id
    #[arg(long, value_name = "APP")]
    pub(crate) app: Option<String>,
    /// Only this resource, by name or identifier
    #[arg(long, value_name = "RESOURCE")]
    pub(crate) resource: Option<String>,
    /// Only this session
    #[arg(long, value_name = "ID")]
    pub(crate) session: Option<String>,
    /// Only this request
    #[arg(long, value_name = "ID")]
    pub(crate) request: Option<String>,
}

/// What `audit verify` needs.
#[derive(Debug, Args)]
#[command(
    after_long_help = "Without a directory it verifies the local stack's ledger, with or without a running \
    server; a server named by `--server` or `login` is exported first.\n\nExamples:\n  caracal audit verify\n  \
    caracal audit verify --checkpoint /mnt/elsewhere/checkpoints\n  caracal audit export out && caracal audit verify out"
)]
pub(crate) struct VerifyArgs {
    /// A directory that `audit export` wrote
    pub(crate) dir: Option<PathBuf>,
    /// A file with signed checkpoints that were kept elsewhere; repeatable
    #[arg(long = "checkpoint", value_name = "FILE")]
    pub(crate) checkpoints: Vec<PathBuf>,
    /// A file with one `Caracal-Receipt` value per line; repeatable
    #[arg(long, value_name = "FILE")]
    pub(crate) receipts: Vec<PathBuf>,
}
