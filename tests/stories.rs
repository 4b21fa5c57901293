//! The stories.

mod clients;
mod first_call;
mod hygiene;
mod introspection;
mod mandates;
mod minting;
mod refusals;
mod streams;
mod upstreams;
