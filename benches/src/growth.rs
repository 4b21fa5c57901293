//! What things cost when there is more of everything.

mod commits;
mod start;

use anyhow::Result;

use crate::arguments::Options;
use crate::measure::{Aim, Measure};
use crate::micro;

/// A hundred times as much may cost this much more.
const FACTOR: f64 = 1.5;

/// Policies and objects, a hundred and a thousand times as many.
pub(crate) async fn run(options: &Options) -> Result<Vec<Measure>> {
    let mut measures = Vec::new();
    for (what, ratio) in micro::policy_growth(options.micro())? {
        let name = format!("policy: ask at {what}, 1000 scoped policies against 10");
        measures.push(Measure::of(name, ratio, "").aiming(Aim::AtMost(FACTOR)));
    }
    let (few, many) = commits::run(options).await?;
    let ratio = many / few.max(f64::MIN_POSITIVE);
    measures.push(Measure::of(
        "commit, synced, 100 live objects, p50",
        few,
        "µs",
    ));
    measures.push(Measure::of(
        "commit, synced, 100,000 live objects, p50",
        many,
        "µs",
    ));
    measures.push(
        Measure::of("commit, 100,000 live objects against 100", ratio, "")
            .aiming(Aim::AtMost(FACTOR)),
    );
    Ok(measures)
}

pub(crate) use start::run as start;
