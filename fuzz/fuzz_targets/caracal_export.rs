#![no_main]
#![expect(
    dead_code,
    reason = "more lies in these files than is reached from here"
)]

// The binary has no library: what reads an export is built in here.
#[path = "../../crates/caracal/src/client/verify/checker.rs"]
mod checker;
#[path = "../../crates/caracal/src/client/verify/directory.rs"]
mod directory;
#[path = "../../crates/caracal/src/client/verify/evidence.rs"]
mod evidence;
#[path = "../../crates/caracal/src/client/verify/fuzz.rs"]
mod export;
#[path = "../../crates/caracal/src/failure.rs"]
mod failure;
#[path = "../../crates/caracal/src/client/verify/report.rs"]
mod report;

mod client {
    pub(crate) mod verify {
        pub(crate) use crate::checker::Checker;
        pub(crate) use crate::directory::verify_directory;
        pub(crate) use crate::evidence::Evidence;
        pub(crate) use crate::report::{BadNote, FirstBad, Report};
    }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| export::export(data));
