//! This run beside an earlier one.

use crate::report::{Report, Row};

/// Between runs everything drifts by about as much.
const DRIFT: f64 = 0.25;

/// Prints how this run differs.
pub(crate) fn print(now: &Report, earlier: &Report) {
    let revision = earlier.revision.as_deref().unwrap_or("unknown");
    println!("\nagainst the earlier run of revision {revision}");
    if now.machine.processor != earlier.machine.processor
        || now.machine.cores != earlier.machine.cores
    {
        println!("warning: that was another machine; only ratios can be compared");
    }
    println!(
        "fsync p50 {}",
        change(now.machine.fsync_p50_us, earlier.machine.fsync_p50_us)
    );
    for row in now.figures() {
        let Some(old) = earlier.row(row.figures.contender, row.figures.connections) else {
            continue;
        };
        println!("{}", line(&row, &old));
    }
    for figures in &now.micro {
        let Some(old) = earlier.micro.iter().find(|f| f.name == figures.name) else {
            continue;
        };
        println!(
            "{:<44} p50 {}",
            figures.name,
            change(figures.p50_us, old.p50_us)
        );
    }
    for measure in &now.measures {
        let Some(old) = earlier.measures.iter().find(|m| m.name == measure.name) else {
            continue;
        };
        let how = change(measure.value, old.value);
        println!("{:<60} {how}", measure.name);
    }
    println!(
        "a change below {:.0} % between two runs means nothing; ratios drift less",
        DRIFT * 100.0
    );
}

fn line(now: &Row, old: &Row) -> String {
    let (f, o) = (&now.figures, &old.figures);
    let mut line = format!(
        "{:<12} {:>2} conn  calls/s {}, p50 {}, p99 {}, CPU {}",
        f.contender,
        f.connections,
        change(f.per_second, o.per_second),
        change(f.p50_us, o.p50_us),
        change(f.p99_us, o.p99_us),
        change(f.cpu_us + f.cpu_after_us, o.cpu_us + o.cpu_after_us),
    );
    for (name, now, old) in [
        ("nginx", now.of_nginx, old.of_nginx),
        ("relay", now.of_relay, old.of_relay),
    ] {
        if let (Some(now), Some(old)) = (now, old) {
            line.push_str(&format!(", of {name} {old:.2} → {now:.2}"));
        }
    }
    line
}

/// The change in percent; one that is larger than the drift is marked.
fn change(now: f64, old: f64) -> String {
    if old <= 0.0 {
        return "–".to_owned();
    }
    let change = now / old - 1.0;
    let mark = if change.abs() > DRIFT { "!" } else { "" };
    format!("{:+.0} %{mark}", change * 100.0)
}

#[cfg(test)]
mod tests {
    use super::change;

    #[test]
    fn what_exceeds_the_drift_is_marked() {
        assert_eq!(change(110.0, 100.0), "+10 %");
        assert_eq!(change(60.0, 100.0), "-40 %!");
        assert_eq!(change(60.0, 0.0), "–");
    }
}
