//! The command line: every command and flag, and nothing of what they do.

mod audit;
mod backup;
mod objects;
mod stack;
mod zone_file;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub(crate) use audit::{AuditCommand, EventFilter, VerifyArgs};
pub(crate) use backup::{BackupArgs, RestoreArgs};
pub(crate) use objects::{
    ApplicationAuth, ApplicationCommand, ApprovalCommand, DelegationCommand, IssuerCommand,
    KeyCommand, ListArgs, NewIssuer, OpenSessionArgs, PolicyCommand, ProviderCommand,
    ResourceCommand, RevocationCommand, SessionCommand, SinkCommand, TokenCommand, ZoneCommand,
};
pub(crate) use stack::{DownArgs, LogsArgs, PurgeArgs, RestartArgs, ServeArgs, StatusArgs, UpArgs};
pub(crate) use zone_file::{ApplyArgs, DiffArgs};

/// Short-lived, policy-approved authority for agents and automation, instead of credentials.
#[derive(Debug, Parser)]
#[command(
    name = "caracal",
    version,
    propagate_version = true,
    arg_required_else_help = true,
    after_help = "Start here: `caracal quickstart` shows an allowed, a denied and a revoked call."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command understands.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// The directory with the local stack's data [env: CARACAL_HOME]
    #[arg(long, global = true, value_name = "DIR", help_heading = "Everywhere")]
    pub(crate) home: Option<PathBuf>,
    /// The control API to speak to, with the token in CARACAL_API_TOKEN [env: CARACAL_API_URL; default: what `login` stored, else the local stack]
    #[arg(long, global = true, value_name = "URL", help_heading = "Everywhere")]
    pub(crate) server: Option<String>,
    /// The zone, by name or id [env: CARACAL_ZONE_ID; default: the only one]
    #[arg(long, global = true, value_name = "ZONE", help_heading = "Everywhere")]
    pub(crate) zone: Option<String>,
    /// Print JSON, and only JSON, on standard output
    #[arg(long, global = true, help_heading = "Everywhere")]
    pub(crate) json: bool,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start the local stack in the background and print where its doors are
    Up(UpArgs),
    /// Tell whether every door is ready (exit 0) or what is wrong (exit 1)
    Status(StatusArgs),
    /// Restart the stack in place, with the program and settings as they are now; no call fails
    Restart(RestartArgs),
    /// Stop the local stack; its data stays
    Down(DownArgs),
    /// Stop the local stack and remove its data
    Purge(PurgeArgs),
    /// Write a backup of everything but the master key
    Backup(BackupArgs),
    /// Restore a backup, and end all authority that was ever issued
    Restore(RestoreArgs),
    /// Print the local stack's log
    Logs(LogsArgs),
    /// Run a server in the foreground, for production
    Serve(ServeArgs),
    /// Show an allowed, a denied and a revoked call, by really making them
    #[command(
        long_about = "Show an allowed, a denied and a revoked call, by really making them.\n\n\
        Starts the local stack when none runs, creates or reuses the zone `demo` with a demo upstream \
        that demands an API key, and checks that each call goes as it should. The stack stays up."
    )]
    Quickstart,
    /// Bring a zone to what a file says
    Apply(ApplyArgs),
    /// Show what `apply` would change
    Diff(DiffArgs),
    /// Print a zone as a file for `apply`, without its secrets
    Export,
    /// Zones: tenants, each with keys, policy and log of its own
    #[command(subcommand)]
    Zone(ZoneCommand),
    /// Applications: registered software
    #[command(subcommand, visible_alias = "application")]
    App(ApplicationCommand),
    /// Resources: protected APIs, tools and services
    #[command(subcommand)]
    Resource(ResourceCommand),
    /// Outside issuers: whose tokens prove workloads or people
    #[command(subcommand)]
    Issuer(IssuerCommand),
    /// Providers: where real credentials come from
    #[command(subcommand)]
    Provider(ProviderCommand),
    /// Sinks: who is told that something waits for a person
    #[command(subcommand)]
    Sink(SinkCommand),
    /// Policies: check, show, activate and roll back
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// The master key, which seals every secret: how it is, and a new one
    #[command(subcommand)]
    Key(KeyCommand),
    /// Sessions: runs of agents that are alive
    #[command(subcommand)]
    Session(SessionCommand),
    /// Delegations between sessions
    #[command(subcommand)]
    Delegation(DelegationCommand),
    /// API tokens of operators
    #[command(subcommand)]
    Token(TokenCommand),
    /// End authority at once, and print the receipt
    #[command(
        long_about = "End authority at once, and print the receipt.\n\n\
        The anchor is the id of a mandate, session, delegation, application, Subject, provider, resource or zone, or \
        `app/NAME`, `resource/NAME`, `provider/NAME`. Everything below it ends too; running calls are cut.",
        after_long_help = "Examples:\n  caracal revoke app/anton --reason \"prompt injection\"\n  caracal revoke mnd_0192f0c1-…"
    )]
    Revoke(RevokeArgs),
    /// Revocations: list and lift
    #[command(subcommand)]
    Revocation(RevocationCommand),
    /// Requests that wait for a person: list, show, approve and reject
    #[command(subcommand)]
    Approval(ApprovalCommand),
    /// Revoke a whole zone: every mint and call is refused until `thaw`
    Freeze(FreezeArgs),
    /// Lift the revocation of a frozen zone
    Thaw,
    /// The ledger: what was decided and done, with proofs
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Store the URL and token of a server for later commands
    Login(LoginArgs),
    /// Look for what keeps the local stack from working
    Doctor,
    /// Print the completions of a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// The upstream that `quickstart` calls
    #[command(hide = true)]
    DemoUpstream {
        /// The directory that holds its key and lock
        #[arg(long)]
        dir: PathBuf,
    },
}

/// What `revoke` needs.
#[derive(Debug, Args)]
pub(crate) struct RevokeArgs {
    /// An id, or app/NAME, resource/NAME, provider/NAME
    pub(crate) anchor: String,
    /// Why, for the ledger
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
}

/// What `freeze` needs.
#[derive(Debug, Args)]
pub(crate) struct FreezeArgs {
    /// Why, for the ledger
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
}

/// What `login` needs.
#[derive(Debug, Args)]
#[command(
    after_long_help = "Examples:\n  caracal login https://caracal.example.com\n  \
    printf %s \"$TOKEN\" | caracal login https://caracal.example.com --token-stdin\n  caracal login --forget"
)]
pub(crate) struct LoginArgs {
    /// The URL of the server's control API
    #[arg(required_unless_present = "forget")]
    pub(crate) url: Option<String>,
    /// Read the token from standard input
    #[arg(long)]
    pub(crate) token_stdin: bool,
    /// Forget the stored server, and use the local stack again
    #[arg(long, conflicts_with_all = ["url", "token_stdin"])]
    pub(crate) forget: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_and_flag_says_what_it_is_for() {
        fn check(command: &clap::Command) {
            let name = command.get_name();
            assert!(command.get_about().is_some(), "`{name}` says nothing");
            for argument in command.get_arguments().filter(|a| !a.is_hide_set()) {
                assert!(
                    argument.get_help().is_some(),
                    "`{name} {}` says nothing",
                    argument.get_id()
                );
            }
            command
                .get_subcommands()
                .filter(|c| c.get_name() != "help")
                .for_each(check);
        }
        check(&Cli::command());
    }

    #[test]
    fn flags_of_every_command_stand_before_and_behind_it() {
        for line in [
            "caracal --json --zone z status",
            "caracal status --zone z --json",
        ] {
            let cli = Cli::try_parse_from(line.split(' ')).unwrap();
            assert!(cli.global.json && cli.global.zone.as_deref() == Some("z"));
        }
        // An argument of the same name would take the flag's place.
        fn check(command: &clap::Command) {
            for argument in command.get_arguments() {
                let is_flag = argument.get_long().is_some();
                let taken =
                    ["home", "server", "zone", "json"].contains(&argument.get_id().as_str());
                assert!(is_flag || !taken, "`{}`", command.get_name());
            }
            command.get_subcommands().for_each(check);
        }
        check(&Cli::command());
    }
}
