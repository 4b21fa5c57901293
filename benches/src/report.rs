//! The figures of a run, and what follows from them.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::contender::Contender;
use crate::latency::median;
use crate::load::{Load, Measured};
use crate::machine::Machine;
use crate::measure::{Aim, Measure};

/// A run, as it is kept beside the table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Report {
    /// The checked-out revision; `+` when files differed from it.
    pub(crate) revision: Option<String>,
    /// What it ran on.
    pub(crate) machine: Machine,
    /// How long each turn was measured.
    pub(crate) seconds: u64,
    /// nginx's configuration.
    pub(crate) nginx: Option<String>,
    /// Every round.
    pub(crate) rounds: Vec<Round>,
    /// The organs by themselves.
    pub(crate) micro: Vec<MicroFigures>,
    /// Figures that stand for themselves.
    #[serde(default)]
    pub(crate) measures: Vec<Measure>,
}

/// The turns of one round.
pub(crate) type Round = Vec<Figures>;

/// One turn, or the medians of its rounds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Figures {
    /// Who.
    pub(crate) contender: Contender,
    /// How many connections.
    pub(crate) connections: usize,
    /// Right answers in a second.
    pub(crate) per_second: f64,
    /// Median latency in microseconds.
    pub(crate) p50_us: f64,
    /// 99th percentile of it.
    pub(crate) p99_us: f64,
    /// Processor time of what is measured, in microseconds a call.
    pub(crate) cpu_us: f64,
    /// The same, for work that went on after the last call, spread over the calls.
    pub(crate) cpu_after_us: f64,
    /// Calls that failed.
    pub(crate) errors: u64,
    /// Why the first of them did.
    pub(crate) first_error: Option<String>,
}

/// One organ.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct MicroFigures {
    /// What was done.
    pub(crate) name: String,
    /// How often in a second.
    pub(crate) per_second: f64,
    /// Median in microseconds.
    pub(crate) p50_us: f64,
    /// 99th percentile.
    pub(crate) p99_us: f64,
}

/// A contender's medians, and how they stand to others' of the same round.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// The medians.
    pub(crate) figures: Figures,
    /// Calls a second against nginx.
    pub(crate) of_nginx: Option<f64>,
    /// Calls a second against the bare relay.
    pub(crate) of_relay: Option<f64>,
    /// What the median latency is above that of direct calls, in microseconds.
    pub(crate) added_us: Option<f64>,
}

impl Figures {
    /// The figures of one turn.
    pub(crate) fn new(
        contender: Contender,
        load: Load,
        measured: &Measured,
        after: Duration,
    ) -> Self {
        let calls = measured.latency.count() as f64;
        let each = |time: Duration| time.as_secs_f64() * 1e6 / calls.max(1.0);
        // Work that is left behind comes from the warming up, too.
        let share = measured.elapsed.as_secs_f64()
            / (measured.elapsed + load.warm_up)
                .as_secs_f64()
                .max(f64::MIN_POSITIVE);
        Self {
            contender,
            connections: load.connections,
            per_second: calls / measured.elapsed.as_secs_f64(),
            p50_us: measured.latency.quantile_us(0.5),
            p99_us: measured.latency.quantile_us(0.99),
            cpu_us: each(measured.cpu),
            cpu_after_us: each(after) * share,
            errors: measured.errors,
            first_error: measured.first_error.clone(),
        }
    }

    fn is(&self, contender: Contender, connections: usize) -> bool {
        self.contender == contender && self.connections == connections
    }
}

impl Report {
    /// Reads an earlier run.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read `{}`", path.display()))?;
        serde_json::from_str(&text)
            .with_context(|| format!("`{}` is no file of this program", path.display()))
    }

    /// Keeps the run.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).context("the figures cannot be written")?;
        std::fs::write(path, text + "\n")
            .with_context(|| format!("cannot write `{}`", path.display()))
    }

    /// The medians over the rounds. Ratios are taken within each round first, since what
    /// slows the machine down for a while slows its neighbours down as well.
    pub(crate) fn figures(&self) -> Vec<Row> {
        let first = self.rounds.first().map(Vec::as_slice).unwrap_or_default();
        let mut rows: Vec<Row> = first
            .iter()
            .filter_map(|figures| self.row(figures.contender, figures.connections))
            .collect();
        rows.sort_by_key(|row| {
            let place = Contender::ALL
                .iter()
                .position(|contender| *contender == row.figures.contender);
            (row.figures.connections, place)
        });
        rows
    }

    /// What follows from the rounds, and the figures that stand for themselves.
    pub(crate) fn aims(&self) -> Vec<Measure> {
        let busy = self.row(Contender::Governed, 64);
        let alone = self.row(Contender::Governed, 1);
        let mint = self.row(Contender::Mint, 64);
        let mut measures = Vec::new();
        if let Some(ratio) = busy.as_ref().and_then(|row| row.of_nginx) {
            let measure = Measure::of("governed of nginx, 64 connections", ratio, "");
            measures.push(measure.aiming(Aim::AtLeast(0.45)));
        }
        if let Some(ratio) = busy.as_ref().and_then(|row| row.of_relay) {
            let measure = Measure::of("governed of the bare relay, 64 connections", ratio, "");
            measures.push(measure.aiming(Aim::AtLeast(0.6)));
        }
        if let Some(added) = alone.and_then(|row| row.added_us) {
            let measure = Measure::of("added p50, one connection", added / 1000.0, "ms");
            measures.push(measure.aiming(Aim::AtMost(0.35)));
        }
        if let Some(added) = self.added_cpu(Contender::Dpop, Contender::Governed, 64) {
            let name = "DPoP adds, processor time a call, 64 connections";
            measures.push(Measure::of(name, added, "us").aiming(Aim::AtMost(60.0)));
        }
        if let Some(mint) = mint {
            let cpu = mint.figures.cpu_us + mint.figures.cpu_after_us;
            let each = 1e6 / cpu.max(0.001);
            let measure = Measure::of("mints a second and core of the server", each, "");
            measures.push(measure.aiming(Aim::AtLeast(8000.0)));
        }
        measures.extend(self.measures.iter().cloned());
        measures
    }

    /// What a call of one contender takes of the server's processor time beyond one of another, in
    /// microseconds: the median of the differences within each round.
    fn added_cpu(&self, contender: Contender, other: Contender, connections: usize) -> Option<f64> {
        let of_round = |round: &Round| {
            let find = |wanted| round.iter().find(|f| f.is(wanted, connections));
            let all = |figures: &Figures| figures.cpu_us + figures.cpu_after_us;
            Some(all(find(contender)?) - all(find(other)?))
        };
        median(self.rounds.iter().filter_map(of_round).collect())
    }

    /// The row of a contender, where it was measured.
    pub(crate) fn row(&self, contender: Contender, connections: usize) -> Option<Row> {
        let all: Vec<&Figures> = self
            .rounds
            .iter()
            .flatten()
            .filter(|figures| figures.is(contender, connections))
            .collect();
        let middle = |get: fn(&Figures) -> f64| median(all.iter().map(|f| get(f)).collect());
        let against = |other: Contender, relate: fn(&Figures, &Figures) -> f64| {
            if other == contender || contender == Contender::Mint {
                return None;
            }
            let of_round = |round: &Round| {
                let find = |wanted| round.iter().find(|f| f.is(wanted, connections));
                Some(relate(find(contender)?, find(other)?))
            };
            median(self.rounds.iter().filter_map(of_round).collect())
        };
        let ratio = |ours: &Figures, theirs: &Figures| ours.per_second / theirs.per_second;
        Some(Row {
            figures: Figures {
                contender,
                connections,
                per_second: middle(|f| f.per_second)?,
                p50_us: middle(|f| f.p50_us)?,
                p99_us: middle(|f| f.p99_us)?,
                cpu_us: middle(|f| f.cpu_us)?,
                cpu_after_us: middle(|f| f.cpu_after_us)?,
                errors: all.iter().map(|f| f.errors).sum(),
                first_error: all.iter().find_map(|f| f.first_error.clone()),
            },
            of_nginx: against(Contender::Nginx, ratio),
            of_relay: against(Contender::Relay, ratio),
            added_us: against(Contender::Direct, |ours, theirs| {
                ours.p50_us - theirs.p50_us
            }),
        })
    }
}

#[cfg(test)]
mod tests;
