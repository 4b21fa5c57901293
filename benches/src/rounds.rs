//! The run: contenders take turns, round after round.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::arguments::Options;
use crate::child::Part as Child;
use crate::contender::{Contender, Part};
use crate::cpu::CpuMeter;
use crate::http_call::HttpCall;
use crate::load::Load;
use crate::machine::{self, Machine};
use crate::measure::Measure;
use crate::nginx::Nginx;
use crate::report::{Figures, Report, Round};
use crate::stack::{KEY, Stack};
use crate::upstream::ANSWER_BYTES;
use crate::{compare, growth, memory, micro, revocation, sessions, size, soak, table};

/// Mandates for the first uses of one turn; minting them takes a few seconds.
const FRESH: usize = 40_000;

/// Proofs of a key for one turn. They are good for 10 s at least, making included.
const PROOFS: usize = 80_000;

/// How many connections each contender is measured with.
const CONNECTIONS: [usize; 2] = [1, 64];

/// Measures, prints, and keeps the figures as `latest.json`. It fails when any call failed.
pub(crate) async fn run(options: &Options) -> Result<ExitCode> {
    // Read before it is overwritten, and before minutes have passed.
    let earlier = options.compare.as_deref().map(Report::read).transpose()?;
    let directory = options.directory()?;
    let mut report = Report {
        revision: machine::find_revision(),
        machine: Machine::look(&directory)?,
        seconds: options.measured().as_secs(),
        nginx: None,
        rounds: Vec::new(),
        micro: Vec::new(),
        measures: Vec::new(),
    };
    table::print_machine(&report);
    if let Some(minutes) = options.soak {
        report.measures = soak::run(options, minutes).await?;
        table::print(&report, &[]);
        report.write(&directory.join("soak.json"))?;
        let all_met = report.measures.iter().all(Measure::is_met);
        return Ok(if all_met {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        });
    }
    if Contender::ALL.iter().any(|c| options.wants(c.part())) {
        let field = Field::prepare(options)?.open().await?;
        report.nginx = field.nginx.as_ref().map(|n| n.configuration.clone());
        if let Some(configuration) = &report.nginx {
            println!("nginx.conf:\n{configuration}");
        }
        for round in 0..options.rounds() {
            report.rounds.push(field.round(options, round).await?);
        }
    }
    if options.wants(Part::Micro) {
        report.micro = micro::run(options.micro(), &directory).await?;
    }
    if options.wants(Part::Growth) {
        report.measures.extend(growth::run(options).await?);
    }
    if options.wants(Part::Sessions) {
        report.measures.extend(sessions::run(options).await?);
    }
    if options.wants(Part::Revocation) {
        report.measures.extend(revocation::run(options).await?);
    }
    if options.wants(Part::Start) {
        report.measures.extend(growth::start(options).await?);
    }
    if options.wants(Part::Memory) {
        report.measures.extend(memory::run(options).await?);
    }
    if options.wants(Part::Size) {
        report.measures.extend(size::run(options)?);
    }
    let figures = report.figures();
    table::print(&report, &figures);
    if let Some(earlier) = &earlier {
        compare::print(&report, earlier);
    }
    let path = directory.join("latest.json");
    report.write(&path)?;
    println!("\nkept as `{}`", path.display());
    let errors: u64 = report.rounds.iter().flatten().map(|f| f.errors).sum();
    if errors > 0 {
        eprintln!("error: {errors} calls failed, so these figures do not count");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// The processes that calls are sent to. What is not wanted is not started.
struct Field {
    upstream: Child,
    keyed: Option<Child>,
    relay: Option<Child>,
    nginx: Option<Nginx>,
    stack: Option<Stack>,
    nginx_directory: Option<std::path::PathBuf>,
    wanted: Vec<Contender>,
}

impl Field {
    fn prepare(options: &Options) -> Result<Self> {
        let wanted: Vec<Contender> = Contender::ALL
            .into_iter()
            .filter(|contender| options.wants(contender.part()))
            .collect();
        let upstream = Child::start(&["upstream"])?;
        let mut field = Self {
            keyed: None,
            relay: None,
            nginx: None,
            stack: None,
            nginx_directory: None,
            wanted,
            upstream,
        };
        let directory = options.directory()?;
        if field.wants(Contender::Relay) {
            let to = field.upstream.address.to_string();
            field.relay = Some(Child::start(&["relay", "--upstream", &to])?);
        }
        if field.wants(Contender::Nginx) {
            field.nginx_directory = Some(directory.join("nginx"));
        }
        let governed = [
            Contender::Governed,
            Contender::Dpop,
            Contender::Mint,
            Contender::FirstUse,
        ];
        if governed.into_iter().any(|contender| field.wants(contender)) {
            let keyed = Child::start(&["upstream", "--key", KEY])?;
            let home = directory.join("home");
            field.stack = Some(Stack::start(&options.binary()?, &home, keyed.address)?);
            field.keyed = Some(keyed);
        }
        Ok(field)
    }

    async fn open(mut self) -> Result<Self> {
        if let Some(directory) = &self.nginx_directory {
            self.nginx = Some(Nginx::start(directory, self.upstream.address).await?);
        }
        Ok(self)
    }

    fn wants(&self, contender: Contender) -> bool {
        self.wanted.contains(&contender)
    }

    /// Everyone's turn once. Each round begins with another contender.
    async fn round(&self, options: &Options, number: u64) -> Result<Round> {
        let mut order = self.wanted.clone();
        let shift = usize::try_from(number).unwrap_or(0) % order.len().max(1);
        order.rotate_left(shift);
        let mut round = Vec::new();
        for connections in CONNECTIONS {
            for contender in &order {
                let load = Load {
                    connections,
                    warm_up: options.warm_up(),
                    measured: options.measured(),
                };
                let figures = self
                    .turn(*contender, load)
                    .await
                    .with_context(|| format!("`{contender}` with {connections} connections"))?;
                table::print_turn(number, options.rounds(), &figures);
                round.push(figures);
            }
        }
        Ok(round)
    }

    async fn turn(&self, contender: Contender, mut load: Load) -> Result<Figures> {
        if contender == Contender::FirstUse {
            // There are only so many mandates.
            load.warm_up = load.warm_up.min(Duration::from_millis(200));
            load.measured = load.measured.min(Duration::from_secs(1));
        }
        if contender == Contender::Dpop {
            // There are only so many proofs, and they do not keep.
            load.warm_up = load.warm_up.min(Duration::from_millis(500));
            load.measured = load.measured.min(Duration::from_millis(2500));
        }
        let meter = self.meter(contender)?;
        meter.settle().await?;
        let call = self.call(contender).await?;
        if contender != Contender::Dpop {
            meter.settle().await?;
        }
        let measured = load.run(&call, &meter).await?;
        let after = meter.settle().await?;
        Ok(Figures::new(contender, load, &measured, after))
    }

    async fn call(&self, contender: Contender) -> Result<HttpCall> {
        let plain = |address: std::net::SocketAddr| {
            HttpCall::get(address, &address.to_string(), "/v1/items/1", ANSWER_BYTES)
        };
        match contender {
            Contender::Direct => plain(self.upstream.address),
            Contender::Nginx => plain(self.nginx()?.address),
            Contender::Relay => plain(self.relay()?.address),
            Contender::Governed => self.stack()?.governed_call().await,
            Contender::Dpop => self.stack()?.proven_calls(PROOFS).await,
            Contender::Mint => self.stack()?.mint_call(),
            Contender::FirstUse => self.stack()?.first_uses(FRESH).await,
        }
    }

    /// Of what stands between the load and the upstream; for direct calls of the upstream.
    fn meter(&self, contender: Contender) -> Result<CpuMeter> {
        Ok(CpuMeter::new(match contender {
            Contender::Direct => vec![self.upstream.pid],
            Contender::Nginx => self.nginx()?.workers.clone(),
            Contender::Relay => vec![self.relay()?.pid],
            Contender::Governed | Contender::Dpop | Contender::Mint | Contender::FirstUse => {
                vec![self.stack()?.pid]
            }
        }))
    }

    fn nginx(&self) -> Result<&Nginx> {
        self.nginx.as_ref().context("nginx was not started")
    }

    fn relay(&self) -> Result<&Child> {
        self.relay.as_ref().context("the relay was not started")
    }

    fn stack(&self) -> Result<&Stack> {
        self.stack.as_ref().context("the server was not started")
    }
}
