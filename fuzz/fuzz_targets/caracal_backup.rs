#![no_main]
#![expect(
    dead_code,
    reason = "more lies in these files than is reached from here"
)]

// The binary has no library: what reads a backup is built in here.
#[path = "../../crates/caracal/src/backup/archive.rs"]
mod archive;
#[path = "../../crates/caracal/src/failure.rs"]
mod failure;
#[path = "../../crates/caracal/src/backup/fuzz.rs"]
mod fuzz;
#[path = "../../crates/caracal/src/backup/manifest.rs"]
mod manifest;

mod backup {
    pub(crate) use crate::{archive, manifest};
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::archive(data));
