//! The control API with a real engine over a store in memory.
#![cfg(test)]

mod coverage;
mod document;
mod evidence;
mod limits;
mod listeners;
mod requests;
mod stories;
mod world;
