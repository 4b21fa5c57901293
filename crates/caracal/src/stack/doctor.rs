//! `caracal doctor`: what keeps the local stack from working, and what to do.

mod room;

use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

use serde::Serialize;

use crate::client::{Evidence, verify_home};
use crate::environment::Environment;
use crate::failure::{Exit, Failure, Outcome};
use crate::home::{Home, Ports, find_holder};
use crate::server::{Door, Settings, SettingsLayer, check_key_file, find_port_holder};
use crate::{clock, terminal};

/// A clock before this is not set: 2026-01-01.
const EARLIEST: i64 = 1_767_225_600;

/// What one check found.
#[derive(Debug, Serialize)]
struct Finding {
    check: &'static str,
    ok: bool,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<String>,
}

impl Finding {
    fn good(check: &'static str, detail: impl Into<String>) -> Self {
        Self {
            check,
            ok: true,
            detail: detail.into(),
            fix: None,
        }
    }

    fn bad(check: &'static str, detail: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            check,
            ok: false,
            detail: detail.into(),
            fix: Some(fix.into()),
        }
    }

    fn of(check: &'static str, failure: &Failure, fix: &str) -> Self {
        let hint = failure.hint.clone().unwrap_or_else(|| fix.to_owned());
        Self::bad(check, failure.message.clone(), hint)
    }
}

/// `caracal doctor`.
pub(crate) async fn doctor(home: &Home, environment: &Environment, json: bool) -> Outcome<()> {
    let mut findings = vec![
        check_home(home),
        check_key(home, environment),
        check_clock(home),
    ];
    findings.extend(room::check_disk(home, environment));
    findings.extend(room::check_leftovers(home));
    findings.extend(check_ports(home, environment));
    findings.extend(check_tls(home, environment));
    findings.push(check_ledger(home).await);
    if json {
        terminal::json(&findings)?;
    } else {
        for finding in &findings {
            let mark = if finding.ok { "✓" } else { "✗" };
            terminal::line(format_args!(
                "{mark} {:<9} {}",
                finding.check, finding.detail
            ))?;
            if let Some(fix) = &finding.fix {
                terminal::line(format_args!("            fix: {fix}"))?;
            }
        }
    }
    if findings.iter().all(|finding| finding.ok) {
        Ok(())
    } else {
        Err(Failure::silent(Exit::Failed))
    }
}

fn check_home(home: &Home) -> Finding {
    let shown = home.dir().display();
    let Ok(found) = std::fs::metadata(home.dir()) else {
        return Finding::good(
            "home",
            format!("`{shown}` does not exist yet; `caracal up` makes it"),
        );
    };
    if found.uid() != rustix::process::geteuid().as_raw() {
        return Finding::bad(
            "home",
            format!("`{shown}` belongs to another user"),
            "set `CARACAL_HOME` to a directory of your own",
        );
    }
    if found.mode() & 0o077 != 0 {
        return Finding::bad(
            "home",
            format!("`{shown}` is open to other users"),
            format!("chmod 700 {shown}"),
        );
    }
    Finding::good("home", format!("`{shown}` is yours alone"))
}

fn check_key(home: &Home, environment: &Environment) -> Finding {
    let elsewhere = ["CARACAL_MASTER_KEY", "CARACAL_MASTER_KEY_COMMAND"];
    let in_file =
        SettingsLayer::from_file(home).is_ok_and(|layer| layer.master_key_command.is_some());
    if in_file
        || elsewhere
            .iter()
            .any(|name| environment.find(name).is_some())
    {
        return Finding::good("key", "the master key comes from outside the home");
    }
    let path = home.join("master.key");
    if !path.exists() {
        if home.has_state() {
            return Finding::bad(
                "key",
                format!("there is data, but `{}` is missing", path.display()),
                "restore the key from your backup; without it the data cannot be opened",
            );
        }
        return Finding::good("key", "the first start makes one");
    }
    match check_key_file(&path) {
        Ok(()) => Finding::good("key", format!("`{}` is yours alone", path.display())),
        Err(failure) => Finding::of("key", &failure, "restore the key from your backup"),
    }
}

fn check_clock(home: &Home) -> Finding {
    let now = clock::now();
    if now.as_second() < EARLIEST {
        return Finding::bad(
            "clock",
            format!("the clock says {now}"),
            "set the machine's clock, for example with NTP",
        );
    }
    // What the stack wrote lies in the past, unless the clock was set back.
    let written = std::fs::metadata(home.join("ledger.db")).and_then(|found| found.modified());
    let written = written
        .ok()
        .and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
    let now_seconds = Duration::from_secs(u64::try_from(now.as_second()).unwrap_or(0));
    if written.is_some_and(|at| at > now_seconds + Duration::from_secs(5)) {
        return Finding::bad(
            "clock",
            format!("the clock says {now}, but the ledger was written later"),
            "the clock was set back; set it right, for example with NTP",
        );
    }
    Finding::good("clock", format!("{now}"))
}

fn check_ports(home: &Home, environment: &Environment) -> Vec<Finding> {
    let settings =
        match Settings::resolve(home.clone(), SettingsLayer::default(), environment, true) {
            Ok(settings) => settings,
            Err(failure) => return vec![Finding::of("settings", &failure, "correct the setting")],
        };
    let own = find_holder(home).ok().flatten();
    let ports = Ports::load(home);
    let mut findings = Vec::new();
    for door in Door::ALL {
        let spec = settings.listen.get(&door).map_or(0, |spec| spec.port());
        let port = if spec == 0 {
            ports.find(door.name()).unwrap_or(0)
        } else {
            spec
        };
        let free = std::net::TcpListener::bind(("127.0.0.1", port));
        match free {
            Ok(_) => findings.push(Finding::good(
                "port",
                format!("{port} is free for the door `{door}`"),
            )),
            Err(error) => {
                let holder = find_port_holder(port);
                if own.is_some() && holder.as_ref().map(|holder| holder.pid()) == own {
                    findings.push(Finding::good(
                        "port",
                        format!("{port} is served by the stack's door `{door}`"),
                    ));
                    continue;
                }
                let who =
                    holder.map_or_else(|| error.to_string(), |holder| format!("{holder} has it"));
                findings.push(Finding::bad(
                    "port",
                    format!("{port} for the door `{door}`: {who}"),
                    format!(
                        "stop it, or set `{}` to another port",
                        door.listen_variable()
                    ),
                ));
            }
        }
    }
    findings
}

/// The certificate, where one is set.
fn check_tls(home: &Home, environment: &Environment) -> Option<Finding> {
    let flags = SettingsLayer::default();
    let settings = Settings::resolve(home.clone(), flags, environment, true).ok()?;
    let files = settings.tls?;
    let certificate = match files.load() {
        Ok(certificate) => certificate,
        Err(failure) => return Some(Finding::of("tls", &failure, "correct the file")),
    };
    let shown = files.certificate.display();
    Some(match certificate.find_warning(&files, clock::now()) {
        Some(warning) if certificate.is_open => {
            Finding::bad("tls", warning, format!("chmod 600 {}", files.key.display()))
        }
        Some(warning) => Finding::bad(
            "tls",
            warning,
            "renew it; a running stack takes it from its files",
        ),
        None => Finding::good(
            "tls",
            certificate.not_after.map_or_else(
                || format!("`{shown}` does not expire"),
                |end| format!("`{shown}` holds until {end}"),
            ),
        ),
    })
}

async fn check_ledger(home: &Home) -> Finding {
    if !home.has_state() {
        return Finding::good("ledger", "there is none yet");
    }
    match verify_home(home, Evidence::default()).await {
        Ok(report) if report.ok => Finding::good(
            "ledger",
            format!(
                "{} events in {} logs are what was signed",
                report.events, report.logs
            ),
        ),
        Ok(report) => {
            let why = report.first_bad.map_or_else(
                || "a checkpoint is not signed by its log".to_owned(),
                |bad| format!("log `{}`, leaf {}: {}", bad.log, bad.index, bad.why),
            );
            Finding::bad(
                "ledger",
                why,
                "keep the files for an investigation; the stack goes on with new logs",
            )
        }
        Err(failure) => Finding::of("ledger", &failure, "`caracal logs` may tell more"),
    }
}
