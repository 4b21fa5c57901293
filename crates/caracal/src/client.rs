//! The commands that speak to a server: clients of the public API like anyone's.

mod api;
mod applications;
mod apply;
mod approvals;
pub(crate) mod audit;
mod changes;
mod delegations;
mod export;
mod issuers;
mod listing;
mod login;
mod master_key;
mod merge;
mod policies;
mod problem;
mod providers;
mod resources;
mod revocations;
mod sessions;
mod sinks;
mod target;
mod tokens;
pub(crate) mod verify;
mod yaml;
pub(crate) mod zone;
mod zones;

pub(crate) use api::Api;
pub(crate) use applications::applications;
pub(crate) use apply::{apply, diff, send as apply_request};
pub(crate) use approvals::approvals;
pub(crate) use delegations::delegations;
pub(crate) use export::export;
pub(crate) use issuers::issuers;
pub(crate) use login::login;
pub(crate) use master_key::master_key;
pub(crate) use policies::policies;
pub(crate) use providers::providers;
pub(crate) use resources::resources;
pub(crate) use revocations::{freeze, revocations, revoke, thaw};
pub(crate) use sessions::sessions;
pub(crate) use sinks::sinks;
pub(crate) use target::Target;
pub(crate) use tokens::tokens;
#[cfg(test)]
pub(crate) use verify::fuzz::export as fuzz_export;
pub(crate) use verify::{Evidence, split_notes, verify_home};
#[cfg(test)]
pub(crate) use yaml::parse as parse_zone_file;
pub(crate) use zones::zones;
