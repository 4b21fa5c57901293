//! Between the plain strings of the wire and the checked words of the core.

mod application;
mod apply;
mod approval;
mod explain;
mod fields;
mod issuer;
mod policy;
mod policy_test;
mod provider;
mod resource;
mod revocation;
mod sink;
#[cfg(test)]
mod tests;
mod zone;

pub(crate) use application::{
    application_spec, application_view, client_auth_body, created_application, rotated_secret,
    secret_view,
};
pub(crate) use apply::{
    apply_answer, note_created_zone, place_fields, planned_answer, top_fields, zone_file, zone_spec,
};
pub(crate) use approval::approval_view;
pub(crate) use explain::{decision_view, event_explanation, event_proof, explain_request};
pub(crate) use fields::Fields;
pub(crate) use issuer::{issuer_body, issuer_spec, issuer_view};
pub(crate) use policy::{bundle_view, policy_body, policy_set, policy_sources};
pub(crate) use policy_test::{policy_test_body, policy_tests, test_report, test_run};
pub(crate) use provider::{provider_entry, provider_spec, provider_view};
pub(crate) use resource::{resource_body, resource_spec, resource_view};
pub(crate) use revocation::{receipt_view, revocation_view};
pub(crate) use sink::{delivery_view, sink_entry, sink_spec, sink_view};
pub(crate) use zone::{pruned_view, retention_body, token_view, zone_view};
