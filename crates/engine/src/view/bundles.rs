//! Bundles and what they compile to.

use std::sync::{Arc, Mutex, PoisonError};

use caracal_core::{Bundle, BundleVersion, PolicySet, PolicySource, Version};
use caracal_policy::{CompiledPolicy, PolicyErrors, Vocabulary};
use tokio::runtime::{Handle, RuntimeFlavor};

/// A bundle with its stored version.
pub(crate) struct StoredBundle {
    pub(crate) version: Version,
    pub(crate) bundle: Bundle,
}

/// Compiled policies by bundle and vocabulary: what a use case has checked, the view that
/// follows need not compile again.
pub(crate) struct PolicyCache {
    compiled: moka::sync::Cache<[u8; 32], Arc<CompiledPolicy>>,
    /// Compiling takes a core for as long as it lasts; one at a time leaves the others for calls.
    turn: Mutex<()>,
}

impl PolicyCache {
    pub(crate) fn new() -> Self {
        Self {
            compiled: moka::sync::Cache::new(64),
            turn: Mutex::new(()),
        }
    }

    /// Compiles policies that are, or are about to be, active.
    pub(crate) fn compile(
        &self,
        version: &BundleVersion,
        policies: &[PolicySource],
        vocabulary: &Vocabulary,
    ) -> Result<Arc<CompiledPolicy>, PolicyErrors> {
        let key = key_of(version, vocabulary);
        if let Some(hit) = self.compiled.get(&key) {
            return Ok(hit);
        }
        let compiled = Arc::new(self.check(policies, vocabulary)?);
        self.compiled.insert(key, Arc::clone(&compiled));
        Ok(compiled)
    }

    /// Compiles policies that nobody asks yet, and keeps nothing.
    pub(crate) fn check(
        &self,
        policies: &[PolicySource],
        vocabulary: &Vocabulary,
    ) -> Result<CompiledPolicy, PolicyErrors> {
        let compile = || {
            // A turn that was given up in a panic is as good as any other.
            let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
            caracal_policy::compile(policies, vocabulary)
        };
        aside(compile)
    }
}

/// Does what takes a core for milliseconds or more: on a runtime with several threads the
/// others take over what this one had to do.
pub(crate) fn aside<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

fn key_of(version: &BundleVersion, vocabulary: &Vocabulary) -> [u8; 32] {
    let mut names = String::new();
    // Names and scopes hold no line breaks and no spaces.
    for application in &vocabulary.applications {
        names.push_str("a ");
        names.push_str(application.as_str());
        names.push('\n');
    }
    for (resource, scopes) in &vocabulary.resources {
        names.push_str("r ");
        names.push_str(resource.as_str());
        for scope in scopes {
            names.push(' ');
            names.push_str(scope.as_str());
        }
        names.push('\n');
    }
    caracal_crypto::sha256_parts(&[version.as_str().as_bytes(), b"\n", names.as_bytes()])
}

/// The version of policies with their tests, which are ordered by name. Without tests it is that
/// of the policies alone.
pub(crate) fn version_of(set: &PolicySet) -> BundleVersion {
    let mut bytes = caracal_policy::canonical_bytes(&set.policies);
    if !set.tests.is_empty() {
        bytes.push(b'\n');
        // Words, texts and lists of them: nothing in them can fail to serialize.
        bytes.extend(serde_json::to_vec(&set.tests).unwrap_or_default());
    }
    BundleVersion::from_digest(&caracal_crypto::sha256(&bytes))
}
