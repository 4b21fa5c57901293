//! Signing, verifying, sealing and hashing; the only importer of crypto libraries.
