//! What people read.

use crate::measure::Measure;
use crate::report::{Figures, Report, Row};

/// Prints what is measured on.
pub(crate) fn print_machine(report: &Report) {
    let machine = &report.machine;
    println!(
        "{} cores, {}, Linux {}; fsync p50 {:.0} µs, p99 {:.0} µs (512 bytes, fdatasync); revision {}",
        machine.cores,
        machine.processor,
        machine.kernel,
        machine.fsync_p50_us,
        machine.fsync_p99_us,
        report.revision.as_deref().unwrap_or("unknown"),
    );
}

/// Prints one turn, so that somebody who waits sees that it goes on.
pub(crate) fn print_turn(round: u64, rounds: u64, figures: &Figures) {
    println!(
        "round {} of {rounds}: {:<10} {:>2} conn {:>9.0}/s  p50 {:>6.0} µs",
        round + 1,
        figures.contender,
        figures.connections,
        figures.per_second,
        figures.p50_us,
    );
}

/// Prints the table.
pub(crate) fn print(report: &Report, rows: &[Row]) {
    println!();
    print_machine(report);
    let rounds = report.rounds.len();
    if rounds > 0 {
        let seconds = report.seconds;
        println!("medians of {rounds} rounds of {seconds} s each; everything on this machine\n");
    }
    let mut connections = None;
    for row in rows {
        if connections != Some(row.figures.connections) {
            connections = Some(row.figures.connections);
            print_head(row.figures.connections);
        }
        print_row(row);
    }
    if !report.micro.is_empty() {
        println!(
            "\n{:<44} {:>12} {:>10} {:>10}",
            "in one process", "per second", "p50 µs", "p99 µs"
        );
    }
    for figures in &report.micro {
        println!(
            "{:<44} {:>12.0} {:>10.1} {:>10.1}",
            figures.name, figures.per_second, figures.p50_us, figures.p99_us
        );
    }
    print_aims(report);
}

fn print_head(connections: usize) {
    let title = match connections {
        1 => "1 connection".to_owned(),
        many => format!("{many} connections"),
    };
    println!(
        "{title:<16} {:>10} {:>8} {:>8} {:>9} {:>9} {:>9} {:>9} {:>9} {:>7}",
        "calls/s",
        "p50 µs",
        "p99 µs",
        "added µs",
        "CPU µs",
        "after µs",
        "of nginx",
        "of relay",
        "errors"
    );
}

fn print_row(row: &Row) {
    let Figures {
        contender,
        per_second,
        p50_us,
        p99_us,
        cpu_us,
        cpu_after_us,
        errors,
        first_error,
        ..
    } = &row.figures;
    let show = |value: Option<f64>, digits: usize| {
        value.map_or_else(|| "–".to_owned(), |value| format!("{value:.digits$}"))
    };
    println!(
        "{contender:<16} {per_second:>10.0} {p50_us:>8.0} {p99_us:>8.0} {:>9} {cpu_us:>9.1} {cpu_after_us:>9.1} {:>9} {:>9} {errors:>7}",
        show(row.added_us, 0),
        show(row.of_nginx, 2),
        show(row.of_relay, 2),
    );
    if let Some(error) = first_error {
        println!("    first error: {error}");
    }
}

/// How far it is to what we want.
fn print_aims(report: &Report) {
    let measures: Vec<Measure> = report.aims();
    if measures.is_empty() {
        return;
    }
    println!();
    for measure in &measures {
        println!("{}", measure.line());
    }
    let missed = measures.iter().filter(|measure| !measure.is_met()).count();
    println!(
        "{missed} of {} aims are not met",
        measures.iter().filter(|m| m.aim.is_some()).count()
    );
}
