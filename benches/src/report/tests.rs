use super::{Figures, Report, Round};
use crate::contender::Contender;
use crate::machine::Machine;

fn figures(contender: Contender, per_second: f64, p50_us: f64) -> Figures {
    Figures {
        contender,
        connections: 64,
        per_second,
        p50_us,
        p99_us: 2.0 * p50_us,
        cpu_us: 10.0,
        cpu_after_us: 0.0,
        errors: 1,
        first_error: None,
    }
}

/// A machine that is half as fast in the second round, for all alike.
fn report() -> Report {
    let round = |speed: f64, governed: f64| -> Round {
        vec![
            figures(Contender::Governed, governed * speed, 300.0),
            figures(Contender::Direct, 100_000.0 * speed, 80.0),
            figures(Contender::Nginx, 40_000.0 * speed, 100.0),
        ]
    };
    Report {
        revision: None,
        machine: Machine {
            cores: 2,
            processor: String::new(),
            kernel: String::new(),
            fsync_p50_us: 150.0,
            fsync_p99_us: 300.0,
        },
        seconds: 5,
        nginx: None,
        rounds: vec![
            round(1.0, 20_000.0),
            round(0.5, 24_000.0),
            round(1.0, 16_000.0),
        ],
        micro: Vec::new(),
        measures: Vec::new(),
    }
}

#[test]
fn ratios_are_taken_within_a_round() {
    let row = report().row(Contender::Governed, 64).unwrap();
    assert_eq!(row.figures.per_second, 16_000.0);
    // 0.5, 0.6 and 0.4, not 16,000 against the 40,000 of other rounds.
    assert_eq!(row.of_nginx, Some(0.5));
    assert_eq!(row.added_us, Some(220.0));
    assert_eq!(row.of_relay, None);
    assert_eq!(row.figures.errors, 3);
}

#[test]
fn what_was_not_measured_has_no_row() {
    assert!(report().row(Contender::Governed, 1).is_none());
    let order: Vec<_> = report()
        .figures()
        .iter()
        .map(|row| row.figures.contender)
        .collect();
    assert_eq!(
        order,
        [Contender::Direct, Contender::Nginx, Contender::Governed]
    );
}

#[test]
fn a_kept_run_can_be_read_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("latest.json");
    report().write(&path).unwrap();
    assert_eq!(Report::read(&path).unwrap(), report());
    std::fs::write(&path, "{}").unwrap();
    assert!(Report::read(&path).is_err());
}

#[test]
fn what_a_proof_adds_is_taken_within_a_round() {
    let mut report = report();
    for (round, cpu_us) in report.rounds.iter_mut().zip([60.0, 95.0, 45.0]) {
        let mut dpop = figures(Contender::Dpop, 10_000.0, 400.0);
        dpop.cpu_us = cpu_us;
        round.push(dpop);
    }
    let added = report.added_cpu(Contender::Dpop, Contender::Governed, 64);
    assert_eq!(added, Some(50.0));
    let told = report.aims();
    assert!(
        told.iter()
            .any(|m| m.name.starts_with("DPoP adds") && m.is_met())
    );
    assert_eq!(
        report.added_cpu(Contender::Mint, Contender::Governed, 64),
        None
    );
}
