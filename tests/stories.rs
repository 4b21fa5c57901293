//! The stories.

mod apply;
mod bad_files;
mod clients;
<<<<<<< /tmp/mrg/work
mod databases;
=======
>>>>>>> tests/stories.rs
mod crash_full;
mod crash_kills;
mod evidence_before_effect;
mod evidence_export;
mod evidence_listing;
mod evidence_proofs;
mod evidence_resigned;
mod evidence_secrecy;
mod evidence_tampering;
mod first_call;
mod hygiene;
mod introspection;
mod listings;
mod mandates;
mod master_key;
mod minting;
mod operators;
mod policies;
mod quickstart;
mod refusals;
mod server;
mod streams;
mod upstreams;
