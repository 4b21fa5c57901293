//! The bytes that identify a bundle.

use caracal_core::PolicySource;

/// The canonical form of a set of policies: JSON, ordered by name. Its SHA-256 is the
/// bundle's version; two sets with the same bytes decide the same.
pub fn canonical_bytes(policies: &[PolicySource]) -> Vec<u8> {
    let mut sorted: Vec<&PolicySource> = policies.iter().collect();
    sorted.sort_by(|a, b| (&a.name, &a.cedar).cmp(&(&b.name, &b.cedar)));
    // Two strings each: nothing in them can fail to serialize.
    serde_json::to_vec(&sorted).unwrap_or_default()
}
