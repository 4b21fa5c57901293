//! Bundles and what they compile to.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use caracal_core::{Bundle, BundleVersion, PolicySource, Version};
use caracal_policy::{CompiledPolicy, PolicyErrors, Vocabulary};

/// A bundle with its stored version.
pub(crate) struct StoredBundle {
    pub(crate) version: Version,
    pub(crate) bundle: Bundle,
}

/// Compiled policies by bundle and vocabulary: what a use case has checked, the view that
/// follows need not compile again.
pub(crate) struct PolicyCache(moka::sync::Cache<(BundleVersion, u64), Arc<CompiledPolicy>>);

impl PolicyCache {
    pub(crate) fn new() -> Self {
        Self(moka::sync::Cache::new(64))
    }

    pub(crate) fn compile(
        &self,
        version: &BundleVersion,
        policies: &[PolicySource],
        vocabulary: &Vocabulary,
    ) -> Result<Arc<CompiledPolicy>, PolicyErrors> {
        let mut hasher = DefaultHasher::new();
        vocabulary.applications.hash(&mut hasher);
        vocabulary.resources.hash(&mut hasher);
        let key = (version.clone(), hasher.finish());
        if let Some(hit) = self.0.get(&key) {
            return Ok(hit);
        }
        let compiled = Arc::new(caracal_policy::compile(policies, vocabulary)?);
        self.0.insert(key, Arc::clone(&compiled));
        Ok(compiled)
    }
}

/// The version of a set of policies.
pub(crate) fn version_of(policies: &[PolicySource]) -> BundleVersion {
    BundleVersion::from_digest(&caracal_crypto::sha256(&caracal_policy::canonical_bytes(
        policies,
    )))
}
