//! The embedded back end: the suite of all back ends, and what only files can suffer.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking, also outside its own function"
)]

#[path = "embedded/damage.rs"]
mod damage;
#[path = "embedded/full.rs"]
mod full;
#[path = "embedded/kill.rs"]
mod kill;
#[path = "embedded/load.rs"]
mod load;
#[path = "embedded/opening.rs"]
mod opening;
#[path = "embedded/prune.rs"]
mod prune;

use std::path::Path;

use caracal_store::{Embedded, OpenOptions};
use caracal_testkit::conformance;

fn open(dir: &Path) -> Embedded {
    Embedded::open(dir, OpenOptions::default()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_a_state_store() {
    let home = tempfile::tempdir().unwrap();
    conformance::state_store(async |place| make(home.path(), place)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_an_evidence_store() {
    let home = tempfile::tempdir().unwrap();
    conformance::evidence_store(async |place| make(home.path(), place)).await;
}

fn make(home: &Path, place: &str) -> Embedded {
    let dir = home.join(place);
    std::fs::create_dir_all(&dir).unwrap();
    open(&dir)
}
