//! What agents speak to: OAuth endpoints, metadata and keys.
