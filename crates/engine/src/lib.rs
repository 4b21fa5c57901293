//! The use cases; the only crate that can build a permit.
