//! The objects of a zone.

use clap::{Args, Subcommand};

/// What every listing takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct ListArgs {
    /// At most this many
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(crate) limit: usize,
}

/// What a listing of sessions takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct SessionListArgs {
    /// Only those of this application, by name or id
    #[arg(long, value_name = "APP")]
    pub(crate) app: Option<String>,
    /// Only those that are `active` or `suspended`
    #[arg(long, value_name = "STATUS")]
    pub(crate) status: Option<String>,
    /// Only those that work for this user
    #[arg(long, value_name = "SUB")]
    pub(crate) subject: Option<String>,
    /// Only the children of this session
    #[arg(long, value_name = "SES")]
    pub(crate) parent: Option<String>,
    #[command(flatten)]
    pub(crate) list: ListArgs,
}

/// Zones.
#[derive(Debug, Subcommand)]
pub(crate) enum ZoneCommand {
    /// List the zones that you may see
    List(ListArgs),
    /// Show one zone
    Show {
        /// The zone, by name or id [default: as for every command]
        #[arg(id = "shown", value_name = "ZONE")]
        zone: Option<String>,
    },
    /// List the keys that sign mandates
    Keys,
    /// Make a new key: published at once, signing two minutes later
    RotateKey,
    /// Drop a key in an emergency: every mandate that it signed is invalid at once
    DropKey {
        /// The key's id
        key: String,
    },
    /// Show how long events are kept, or change it
    Retention {
        /// A number of days, or `forever`
        #[arg(value_name = "DAYS")]
        days: Option<String>,
    },
    /// Create a zone with its keys and its log
    Create {
        /// The name, for good
        name: String,
    },
}

/// Applications.
#[derive(Debug, Subcommand)]
pub(crate) enum ApplicationCommand {
    /// List the applications of the zone
    List(ListArgs),
    /// Show one application
    Show {
        /// The application, by name or id
        application: String,
    },
    /// Register an application and print its client secret, this once
    Create {
        /// The name, for good
        name: String,
        /// A label that its sessions may carry; repeatable
        #[arg(long = "label", value_name = "LABEL")]
        labels: Vec<String>,
        #[command(flatten)]
        auth: ApplicationAuth,
    },
    /// List the client secrets of an application, without the secrets
    Secrets {
        /// The application, by name or id
        application: String,
    },
    /// Make a new client secret and print it, this once; the old one stays good for a while
    RotateSecret {
        /// The application, by name or id
        application: String,
        /// How long the old secret is accepted beside the new one, such as 90m, 24h or 7d [default: 24h]
        #[arg(long, value_name = "TIME", value_parser = seconds_of)]
        overlap: Option<u64>,
        /// End the old secrets at once
        #[arg(long, conflicts_with = "overlap")]
        revoke_old: bool,
    },
    /// End one client secret at once
    EndSecret {
        /// The application, by name or id
        application: String,
        /// The id of the secret
        secret: String,
    },
    /// Remove an application; its mandates die with it
    Delete {
        /// The application, by name or id
        application: String,
    },
}

/// The seconds of a time such as `90m`.
fn seconds_of(text: &str) -> Result<u64, String> {
    let refuse = || format!("`{text}` is no time: use for example `90m`, `24h` or `7d`");
    let unit = text.chars().last().ok_or_else(refuse)?;
    let factor = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return Err(refuse()),
    };
    let count = text.strip_suffix(unit).unwrap_or_default();
    let count: u64 = count.parse().map_err(|_| refuse())?;
    count.checked_mul(factor).ok_or_else(refuse)
}

/// Resources.
#[derive(Debug, Subcommand)]
pub(crate) enum ResourceCommand {
    /// List the resources of the zone
    List(ListArgs),
    /// Show one resource with its operations
    Show {
        /// The resource, by name or id
        resource: String,
    },
    /// Remove a resource
    Delete {
        /// The resource, by name or id
        resource: String,
    },
}

/// How an application proves itself without a secret.
#[derive(Debug, clap::Args)]
pub(crate) struct ApplicationAuth {
    /// A file with its public keys as a JWK set: it proves itself with them and gets no secret
    #[arg(long, value_name = "FILE")]
    pub(crate) jwks: Option<std::path::PathBuf>,
    /// Where it publishes its public keys: it proves itself with them and gets no secret
    #[arg(long, value_name = "URL", conflicts_with = "jwks")]
    pub(crate) jwks_uri: Option<String>,
    /// The outside issuer whose tokens prove it, by name: it gets no secret
    #[arg(long, value_name = "ISSUER", conflicts_with_all = ["jwks", "jwks_uri"])]
    pub(crate) issuer: Option<String>,
    /// What the `sub` of such a token is: the value, or its beginning and `*`
    #[arg(long, value_name = "SUB", requires = "issuer")]
    pub(crate) subject: Option<String>,
    /// What another claim of such a token is; repeatable
    #[arg(long = "claim", value_name = "NAME=VALUE", requires = "issuer")]
    pub(crate) claims: Vec<String>,
}

/// Outside issuers.
#[derive(Debug, Subcommand)]
pub(crate) enum IssuerCommand {
    /// List the outside issuers of the zone
    List(ListArgs),
    /// Show one outside issuer
    Show {
        /// The issuer, by name or id
        issuer: String,
    },
    /// Register an outside issuer
    #[command(
        after_long_help = "Examples:\n  caracal issuer create github https://token.actions.githubusercontent.com --proves applications\n  \
        caracal issuer create google https://accounts.google.com --proves subjects --audience CLIENT_ID"
    )]
    Create(Box<NewIssuer>),
    /// Print the Subject that a person is, from what the issuer calls them; nothing is stored
    Subject {
        /// The issuer, by name or id
        issuer: String,
        /// The `sub` of their ID tokens
        sub: String,
    },
    /// Remove an outside issuer: its tokens prove nothing any more
    Delete {
        /// The issuer, by name or id
        issuer: String,
    },
}

/// A new outside issuer.
#[derive(Debug, clap::Args)]
pub(crate) struct NewIssuer {
    /// The name, for good
    pub(crate) name: String,
    /// The `iss` of its tokens, or `spiffe://` and a trust domain
    pub(crate) issuer: String,
    /// What its tokens may prove: `applications` or `subjects`; repeatable
    #[arg(long, value_name = "WHAT", required = true)]
    pub(crate) proves: Vec<String>,
    /// Whom its tokens are for [default: this zone's issuer]; repeatable
    #[arg(long = "audience", value_name = "AUD")]
    pub(crate) audiences: Vec<String>,
    /// Where it publishes its keys [default: found by its metadata]
    #[arg(long, value_name = "URL")]
    pub(crate) jwks_uri: Option<String>,
    /// A file with its keys as a JWK set
    #[arg(long, value_name = "FILE", conflicts_with = "jwks_uri")]
    pub(crate) jwks: Option<std::path::PathBuf>,
    /// What its tokens may be signed with [default: all that are known]; repeatable
    #[arg(long = "algorithm", value_name = "ALG")]
    pub(crate) algorithms: Vec<String>,
    /// How old its tokens may be, in seconds [default: 3600]
    #[arg(long, value_name = "SECONDS")]
    pub(crate) max_age: Option<u32>,
    /// Take each of its tokens once
    #[arg(long)]
    pub(crate) single_use: bool,
    /// Its keys may be at a loopback or private address
    #[arg(long)]
    pub(crate) allow_private: bool,
}

/// Providers.
#[derive(Debug, Subcommand)]
pub(crate) enum ProviderCommand {
    /// List the providers of the zone
    List(ListArgs),
    /// Show one provider, without its secret
    Show {
        /// The provider, by name or id
        provider: String,
    },
    /// Put another secret in place of the stored one; the next call carries it
    #[command(
        after_long_help = "Examples:\n  caracal provider rotate-secret openai --from-env NEW_KEY\n  \
        pass show openai | caracal provider rotate-secret openai"
    )]
    RotateSecret {
        /// The provider, by name or id
        provider: String,
        /// Read the secret from this environment variable [default: from standard input]
        #[arg(long, value_name = "NAME", conflicts_with = "from_file")]
        from_env: Option<String>,
        /// Read the secret from this file; one line ending at its end is not part of it
        #[arg(long, value_name = "FILE")]
        from_file: Option<std::path::PathBuf>,
    },
    /// Remove a provider and its secret
    Delete {
        /// The provider, by name or id
        provider: String,
    },
}

/// Sinks.
#[derive(Debug, Subcommand)]
pub(crate) enum SinkCommand {
    /// List the sinks of the zone; `apply` makes them
    List(ListArgs),
    /// Show one sink, without its secret
    Show {
        /// The sink, by name or id
        sink: String,
    },
    /// Send a message that is about nothing, and tell what came of it
    Test {
        /// The sink, by name or id
        sink: String,
    },
    /// List the latest messages to sinks, the latest first
    Deliveries(ListArgs),
    /// Put another secret in place of the stored one, which signs beside it for a day
    #[command(
        after_long_help = "Examples:\n  caracal sink rotate-secret pager --from-env NEW_KEY\n  \
        echo \"whsec_$(openssl rand -base64 32)\" | caracal sink rotate-secret pager"
    )]
    RotateSecret {
        /// The sink, by name or id
        sink: String,
        /// Read the secret from this environment variable [default: from standard input]
        #[arg(long, value_name = "NAME", conflicts_with = "from_file")]
        from_env: Option<String>,
        /// Read the secret from this file; one line ending at its end is not part of it
        #[arg(long, value_name = "FILE")]
        from_file: Option<std::path::PathBuf>,
    },
    /// Remove a sink and its secret
    Delete {
        /// The sink, by name or id
        sink: String,
    },
}

/// Policies.
#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Check the policies of zone files against the zone, without storing them
    Check {
        /// A zone file, or `-` for standard input
        #[arg(long = "file", short = 'f', value_name = "FILE", required = true)]
        files: Vec<String>,
    },
    /// Run tests of policies against the zone, without activating anything (exit 1 when one fails)
    #[command(
        long_about = "Run tests of policies against the zone, without activating anything; exit 1 when one fails.\n\n\
        The policies and tests are those of the zone files. Where the files hold no policies, or no tests, those of the \
        active bundle are taken, and without files both are. `apply` runs the same tests and activates nothing that fails one."
    )]
    Test {
        /// A zone file, or `-` for standard input
        #[arg(long = "file", short = 'f', value_name = "FILE")]
        files: Vec<String>,
    },
    /// List the active policies
    List(ListArgs),
    /// Show the text of an active policy
    Show {
        /// Its name
        name: String,
    },
    /// List the bundles that were stored, newest first
    History(ListArgs),
    /// Activate a stored bundle
    Activate {
        /// Its version, or the first 8 or more digits of it
        bundle: String,
    },
    /// Activate the bundle that was stored before the active one
    Rollback,
    /// Ask whether an application may do something, and why (exit 3 when not)
    Explain {
        /// The name of the application
        application: String,
        /// The name of the resource
        resource: String,
        /// The scope
        scope: String,
        /// The method of a call; without it the question is about a mandate
        #[arg(long, requires = "path")]
        method: Option<String>,
        /// The path of a call
        #[arg(long, requires = "method")]
        path: Option<String>,
    },
}

/// The master key.
#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Tell which master key seals, what waits to be sealed again, and what can be taken away
    Status,
    /// Put a new master key into the key file; secrets are sealed again in the background
    #[command(
        long_about = "Put a new master key into the key file; secrets are sealed again in the background.\n\n\
        The server goes on. The old key stays in `master.key.previous` until `caracal key status` says that it can go. \
        Where the key comes from the environment or a command, give the new one there and the old one as \
        CARACAL_MASTER_KEY_PREVIOUS, and start the server again."
    )]
    RotateMaster,
}

/// API tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// List the API tokens
    List {
        #[command(flatten)]
        list: ListArgs,
        /// Those of all zones instead of one zone's
        #[arg(long)]
        all_zones: bool,
    },
    /// Create an API token and print it, this once
    Create {
        /// What to call it
        name: String,
        /// What it may do: owner, admin, approver, auditor or viewer
        #[arg(long, value_name = "ROLE")]
        role: String,
        /// For how long, in seconds [default: 30 days]
        #[arg(long, value_name = "SECONDS")]
        ttl_seconds: Option<u64>,
        /// Good for all zones instead of one
        #[arg(long)]
        all_zones: bool,
    },
    /// Delete an API token; it is refused from now on
    Delete {
        /// The token, by name or id
        token: String,
        /// One of all zones instead of one zone's
        #[arg(long)]
        all_zones: bool,
    },
}

/// Approvals.
#[derive(Debug, Subcommand)]
pub(crate) enum ApprovalCommand {
    /// List the approvals of the zone: those that wait, and those of the last hour
    List(ListArgs),
    /// Show an approval, with the request itself for those who may decide
    Show {
        /// The id of the approval
        approval: String,
    },
    /// Approve a request: it may happen once, exactly as it was asked for
    Approve {
        /// The id of the approval
        approval: String,
        /// Why; whoever asked reads it
        #[arg(long)]
        reason: Option<String>,
    },
    /// Reject a request
    Reject {
        /// The id of the approval
        approval: String,
        /// Why; whoever asked reads it
        #[arg(long)]
        reason: Option<String>,
    },
}

/// Revocations.
#[derive(Debug, Subcommand)]
pub(crate) enum RevocationCommand {
    /// List the revocations of the zone, newest first
    List(ListArgs),
    /// Lift a revocation; what was issued before it stays dead
    Lift {
        /// The id of the revocation
        revocation: String,
    },
}

/// Sessions.
#[derive(Debug, Subcommand)]
pub(crate) enum SessionCommand {
    /// List the sessions of the zone that are alive
    List(SessionListArgs),
    /// Show a session
    Show {
        /// The id of the session
        session: String,
    },
    /// Show what a session may effectively do, by each of its paths
    Authority {
        /// The id of the session
        session: String,
    },
    /// Show what would end with a session
    Radius {
        /// The id of the session
        session: String,
    },
    /// Open a session in the name of an application; prints its mandate
    Open(OpenSessionArgs),
    /// Suspend a session: nothing begins under it, and what goes on is cut
    Suspend {
        /// The id of the session
        session: String,
    },
    /// Resume a suspended session
    Resume {
        /// The id of the session
        session: String,
    },
    /// Close a session and everything below it
    Close {
        /// The id of the session
        session: String,
    },
}

/// A session that an operator opens.
#[derive(Debug, Args)]
pub(crate) struct OpenSessionArgs {
    /// The application, by name or id
    #[arg(long, value_name = "NAME")]
    pub(crate) app: String,
    /// A label that the application is registered for; may be repeated
    #[arg(long = "label", value_name = "LABEL")]
    pub(crate) labels: Vec<String>,
    /// How long it lives, in seconds
    #[arg(long, value_name = "SECONDS")]
    pub(crate) ttl: Option<u32>,
    /// The session that it is a part of
    #[arg(long, value_name = "SESSION")]
    pub(crate) parent: Option<String>,
    /// How many calls it and everything below it may make
    #[arg(long, value_name = "COUNT")]
    pub(crate) calls: Option<u64>,
}

/// Delegations.
#[derive(Debug, Subcommand)]
pub(crate) enum DelegationCommand {
    /// List the delegations of the zone
    List(ListArgs),
    /// Show a delegation
    Show {
        /// The id of the delegation
        delegation: String,
    },
    /// End a delegation and everything that was taken from it; prints the receipt
    End {
        /// The id of the delegation
        delegation: String,
    },
}
