//! The Gateway over real sockets, with a real engine over a store in memory.
#![cfg(test)]

mod bodies;
mod calls;
mod connections;
mod limits;
mod peer;
mod refusals;
mod streams;
mod world;
