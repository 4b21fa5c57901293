//! Random histories of authority against a plain model of it: what the engine allows is exactly
//! what the model allows, so authority never widens and nothing that ended is ever usable; and
//! what is stored is what the log of commits says.
//!
//! `CARACAL_TEST_MODEL_STEPS` sets how many steps are taken, `CARACAL_TEST_MODEL_SEED` the first
//! history.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and is told in the environment how long it takes"
)]

mod model {
    pub(super) mod history;
    pub(super) mod random;
    pub(super) mod reference;
}

use std::sync::Mutex;

use model::history::{Counts, History};

/// How many steps a history has.
const STEPS: u64 = 1000;

fn number(name: &str, default: u64) -> u64 {
    let text = std::env::var(name).ok();
    text.map_or(default, |text| text.parse().unwrap())
}

#[test]
fn the_engine_allows_what_the_model_allows() {
    let steps = number("CARACAL_TEST_MODEL_STEPS", 100_000);
    let first = number("CARACAL_TEST_MODEL_SEED", 1);
    let histories = steps.div_ceil(STEPS);
    let all = Mutex::new(Counts::new());
    let next = std::sync::atomic::AtomicU64::new(0);
    let work = || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        loop {
            let n = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            if n >= histories {
                return None;
            }
            let seed = first + n;
            let run = std::panic::AssertUnwindSafe(|| runtime.block_on(History::run(seed, STEPS)));
            let Ok(counts) = std::panic::catch_unwind(run) else {
                return Some(seed);
            };
            let mut all = all.lock().unwrap();
            for (kind, [allowed, refused]) in counts {
                let held = all.entry(kind).or_default();
                held[0] += allowed;
                held[1] += refused;
            }
        }
    };
    let failed: Vec<u64> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..2).map(|_| scope.spawn(work)).collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    assert!(
        failed.is_empty(),
        "histories that went wrong: CARACAL_TEST_MODEL_SEED={failed:?} CARACAL_TEST_MODEL_STEPS={STEPS}"
    );
    let all = all.into_inner().unwrap();
    println!(
        "{} steps in {histories} histories: {all:?}",
        histories * STEPS
    );
    // A history in which nothing is allowed, or everything, would show nothing.
    for (kind, [allowed, refused]) in all {
        let few = histories * STEPS / 1000;
        assert!(
            allowed > few && refused > few,
            "{kind}: {allowed} allowed, {refused} refused"
        );
    }
}
