//! Policies and bundles.

use caracal_core::{Bundle, BundleVersion, MAX_POLICY_BYTES, PolicySet, PolicySource};
use caracal_engine::AdminError;
use caracal_wire::{BundleBody, BundleView, PolicyBody};

use super::{Fields, policy_test_body, policy_tests};

pub(crate) fn policy_source(
    body: &PolicyBody,
    at: &str,
    fields: &mut Fields,
) -> Option<PolicySource> {
    let name = fields.parse(format!("{at}name"), &body.name)?;
    let cedar = body.cedar.clone();
    Some(PolicySource { name, cedar })
}

/// The policies of a request: each name once, and together not too long.
pub(crate) fn policy_sources(bodies: &[PolicyBody], fields: &mut Fields) -> Vec<PolicySource> {
    let bytes: usize = bodies.iter().map(|body| body.cedar.len()).sum();
    if bytes > MAX_POLICY_BYTES {
        let why = format!("at most {MAX_POLICY_BYTES} bytes of policies");
        fields.wrong("policies", why);
    }
    let mut seen = std::collections::BTreeSet::new();
    let mut sources = Vec::with_capacity(bodies.len());
    for (i, body) in bodies.iter().enumerate() {
        let at = format!("policies[{i}].");
        if let Some(source) = policy_source(body, &at, fields) {
            if !seen.insert(source.name.clone()) {
                let why = format!("the name `{}` is used twice", source.name);
                fields.wrong(format!("{at}name"), why);
            }
            sources.push(source);
        }
    }
    sources
}

pub(crate) fn policy_set(body: &BundleBody) -> Result<PolicySet, AdminError> {
    let mut fields = Fields::default();
    let set = PolicySet {
        policies: policy_sources(&body.policies, &mut fields),
        tests: policy_tests(&body.tests, &mut fields),
    };
    fields.finish(Some(set))
}

pub(crate) fn policy_body(source: &PolicySource) -> PolicyBody {
    PolicyBody {
        name: source.name.to_string(),
        cedar: source.cedar.clone(),
    }
}

pub(crate) fn bundle_view(bundle: &Bundle, active: Option<&BundleVersion>) -> BundleView {
    BundleView {
        id: bundle.id.to_string(),
        version: bundle.version.to_string(),
        created_at: bundle.created_at,
        active: active == Some(&bundle.version),
        policies: bundle.policies.iter().map(policy_body).collect(),
        tests: bundle.tests.iter().map(policy_test_body).collect(),
    }
}
