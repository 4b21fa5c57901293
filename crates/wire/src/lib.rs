//! The HTTP contract that outside programs see.
