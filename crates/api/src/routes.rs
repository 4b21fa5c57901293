//! The routes, a file for each noun.

mod answer;
mod applications;
mod apply;
mod approvals;
mod backup;
mod bundles;
mod delegations;
mod events;
mod explain;
mod feed;
mod freeze;
mod instance;
mod issuers;
mod keys;
mod logs;
mod master_key;
mod metrics;
mod nodes;
mod policies;
mod providers;
mod resources;
mod revocations;
mod root;
mod secrets;
mod sessions;
mod sinks;
mod tokens;
mod zones;

use http::StatusCode;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Api;
use crate::refusal::Refusal;

pub(crate) use metrics::metrics;
pub(crate) use root::root;

/// What only operators reach.
pub(crate) fn closed() -> OpenApiRouter<Api> {
    OpenApiRouter::default()
        .routes(routes!(zones::list, zones::create))
        .routes(routes!(zones::get))
        .routes(routes!(applications::list, applications::create))
        .routes(routes!(
            applications::get,
            applications::update,
            applications::delete
        ))
        .routes(routes!(secrets::list, secrets::rotate))
        .routes(routes!(secrets::end))
        .routes(routes!(resources::list, resources::create))
        .routes(routes!(
            resources::get,
            resources::update,
            resources::delete
        ))
        .routes(routes!(providers::list, providers::create))
        .routes(routes!(
            providers::get,
            providers::update,
            providers::delete
        ))
        .routes(routes!(issuers::list, issuers::create))
        .routes(routes!(issuers::get, issuers::update, issuers::delete))
        .routes(routes!(issuers::subject))
        .routes(routes!(sinks::list, sinks::create))
        .routes(routes!(sinks::get, sinks::update, sinks::delete))
        .routes(routes!(sinks::test))
        .routes(routes!(sinks::deliveries))
        .routes(routes!(policies::list))
        .routes(routes!(policies::get))
        .routes(routes!(bundles::list, bundles::store))
        .routes(routes!(bundles::check))
        .routes(routes!(bundles::test))
        .routes(routes!(bundles::get))
        .routes(routes!(bundles::activate))
        .routes(routes!(explain::explain))
        .routes(routes!(tokens::list, tokens::create))
        .routes(routes!(tokens::delete))
        .routes(routes!(tokens::list_instance, tokens::create_instance))
        .routes(routes!(tokens::delete_instance))
        .routes(routes!(sessions::list))
        .routes(routes!(sessions::get, sessions::close))
        .routes(routes!(sessions::authority))
        .routes(routes!(sessions::blast_radius))
        .routes(routes!(sessions::suspend))
        .routes(routes!(sessions::resume))
        .routes(routes!(sessions::open))
        .routes(routes!(delegations::list))
        .routes(routes!(delegations::get, delegations::end))
        .routes(routes!(revocations::list, revocations::revoke))
        .routes(routes!(revocations::lift))
        .routes(routes!(approvals::list))
        .routes(routes!(approvals::get))
        .routes(routes!(approvals::approve))
        .routes(routes!(approvals::reject))
        .routes(routes!(keys::list, keys::rotate))
        .routes(routes!(keys::drop_key))
        .routes(routes!(master_key::get, master_key::rotate))
        .routes(routes!(freeze::freeze))
        .routes(routes!(freeze::thaw))
        .routes(routes!(events::list))
        .routes(routes!(feed::stream))
        .routes(routes!(events::get))
        .routes(routes!(events::explain))
        .routes(routes!(events::prove))
        .routes(routes!(logs::list))
        .routes(routes!(logs::checkpoint))
        .routes(routes!(logs::pruned))
        .routes(routes!(logs::tile))
        .routes(routes!(logs::entries))
        .routes(routes!(apply::apply))
        .routes(routes!(apply::apply_by_name))
        .routes(routes!(apply::export))
        .routes(routes!(nodes::list))
        .routes(routes!(backup::take))
        .routes(routes!(instance::status))
        .routes(routes!(instance::rebuild_index))
}

/// What everybody reaches.
pub(crate) fn open() -> OpenApiRouter<Api> {
    OpenApiRouter::default()
        .routes(routes!(instance::document))
        .routes(routes!(instance::health))
        .routes(routes!(instance::ready))
}

pub(crate) async fn unknown() -> Refusal {
    Refusal::anonymous(
        StatusCode::NOT_FOUND,
        "route_unknown",
        "there is no such path",
    )
    .hint("the paths are listed at `/v1/openapi.json`")
}
