//! What the uncontended way costs: `cargo run --release -p caracal-limits --example timing`.

#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a measurement prints, and fails when it cannot be made"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use caracal_limits::{Claimant, FailureBudget, Source, Turnstile, TurnstileLimits};

const ROUNDS: u32 = 2_000_000;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    let places = Turnstile::new("test", TurnstileLimits::of(4096));
    let open = Turnstile::new("test", TurnstileLimits::of(8192).without_queue());
    let claimant = |n: u32| Claimant {
        zone: 7,
        application: u128::from(n % 5),
    };
    let enter = runtime.block_on(async {
        let begin = Instant::now();
        for n in 0..ROUNDS {
            let place = places.enter(black_box(claimant(n))).await;
            drop(black_box(place.expect("a place")));
        }
        begin.elapsed()
    });
    show("enter and leave a turnstile", enter, ROUNDS);
    let begin = Instant::now();
    for n in 0..ROUNDS {
        let place = open.try_enter(black_box(claimant(n)));
        drop(black_box(place.expect("a place")));
    }
    show("try to enter, and leave", begin.elapsed(), ROUNDS);

    let threads: Vec<_> = (0..2)
        .map(|thread| {
            let places = places.clone();
            std::thread::spawn(move || {
                let begin = Instant::now();
                for _ in 0..ROUNDS {
                    let place = places.try_enter(claimant(thread));
                    drop(black_box(place.expect("a place")));
                }
                begin.elapsed()
            })
        })
        .collect();
    for thread in threads {
        let elapsed = thread.join().expect("a thread");
        show("the same by each of two threads at a time", elapsed, ROUNDS);
    }

    let budget = FailureBudget::new(60);
    let source = Some(Source::of([192, 0, 2, 1].into()));
    let begin = Instant::now();
    for _ in 0..ROUNDS {
        let _ = black_box(budget.spend(black_box(source)));
    }
    show("put a failure down to its source", begin.elapsed(), ROUNDS);
}

fn show(what: &str, elapsed: Duration, rounds: u32) {
    println!(
        "{what}: {:.1} ns",
        elapsed.as_secs_f64() * 1e9 / f64::from(rounds)
    );
}
