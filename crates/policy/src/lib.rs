//! Compile, check, evaluate and explain Cedar policies.
