//! How long a start takes when there is much to start with.

use anyhow::{Context, Result};
use caracal_crypto::MasterKey;

use crate::arguments::Options;
use crate::child::Part;
use crate::latency::median;
use crate::measure::{Aim, Measure};
use crate::seed::Seed;
use crate::stack::{KEY, Stack};

/// What a server that is brought back finds.
const FULL: Seed = Seed {
    applications: 10_000,
    revocations: 0,
    events: 1_000_000,
};
/// In a quick run the figure means little.
const QUICK: Seed = Seed {
    applications: 100,
    revocations: 0,
    events: 1_000,
};
/// From the start of the process until it says that it is ready.
const READY_MS: f64 = 300.0;
const STARTS: usize = 5;

/// Starts of a server with an empty home and with a full one, and its memory then.
pub(crate) async fn run(options: &Options) -> Result<Vec<Measure>> {
    let upstream = Part::start(&["upstream", "--key", KEY])?;
    let home = options.directory()?.join("home");
    let stack = Stack::start(&options.binary()?, &home, upstream.address)?;
    let seed = if options.is_quick() { QUICK } else { FULL };
    stack.stop()?;
    let (small, _) = starts(&stack)?;
    let key = std::fs::read_to_string(home.join("master.key")).context("no master key")?;
    seed.fill(&home, MasterKey::from_text(&key)?).await?;
    let (full, memory) = starts(&stack)?;
    let name = format!(
        "start until ready, {} events and {} objects",
        seed.events, seed.applications
    );
    let _running = stack.serve()?;
    stack
        .governed_call()
        .await
        .context("the server does not work with what was put in place")?;
    Ok(vec![
        Measure::of("start until ready, new home", small, "ms").aiming(Aim::AtMost(READY_MS)),
        Measure::of(name, full, "ms").aiming(Aim::AtMost(READY_MS)),
        Measure::of("memory when ready with these", memory, "MiB"),
    ])
}

/// Medians of some starts: milliseconds and MiB.
fn starts(stack: &Stack) -> Result<(f64, f64)> {
    let (mut times, mut memories) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let running = stack.serve()?;
        times.push(running.ready_after.as_secs_f64() * 1000.0);
        memories.push(crate::memory::resident_mib(running.pid())?);
    }
    let middle = |values| median(values).context("nothing was started");
    Ok((middle(times)?, middle(memories)?))
}
