//! The Gateway over real sockets, with a real engine over a store in memory.
#![cfg(test)]

mod bodies;
mod calls;
mod connections;
mod frames;
mod held;
mod hostile;
mod http2;
mod limits;
mod peer;
mod recorder;
mod refusals;
mod smuggling;
mod streams;
mod world;
