//! The objects of a zone.

use clap::{Args, Subcommand};

/// What every listing takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct ListArgs {
    /// At most this many
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(crate) limit: usize,
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
    },
    /// Remove an application; its mandates die with it
    Delete {
        /// The application, by name or id
        application: String,
    },
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
    /// Remove a provider and its secret
    Delete {
        /// The provider, by name or id
        provider: String,
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
