//! Starting, stopping, and everything that can be in the way.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::harness::{Output, Raw, RawUpstream, Stack, binary, http, run, until};

#[track_caller]
fn tells(output: Output, code: i32, words: &[&str]) {
    let output = output.fails(code);
    for word in words {
        assert!(
            output.stderr.contains(word),
            "no `{word}` in: {}",
            output.stderr
        );
    }
    assert!(!output.stderr.contains("panicked"), "{}", output.stderr);
}

#[test]
fn up_and_down_can_be_said_twice() {
    let mut stack = Stack::new();
    let down = stack.cli(&["status", "--json"]).fails(1).json();
    assert_eq!(
        (&down["ready"], &down["pid"]),
        (&false.into(), &serde_json::Value::Null)
    );
    assert!(!stack.home.exists(), "looking makes nothing");
    stack.cli(&["down"]).ok();

    let first = stack.up();
    for (field, kind) in [
        ("ready", "true"),
        ("pid", "number"),
        ("version", "string"),
        ("home", "string"),
    ] {
        let is = match &first[field] {
            serde_json::Value::Bool(true) => "true",
            serde_json::Value::Number(_) => "number",
            serde_json::Value::String(_) => "string",
            _ => "other",
        };
        assert_eq!(is, kind, "{field}");
    }
    assert!(first.as_object().unwrap().contains_key("sign_in_url"));
    for door in ["sts", "gateway", "console"] {
        assert_eq!(first["doors"][door]["ready"], true);
        assert!(
            first["doors"][door]["url"]
                .as_str()
                .unwrap()
                .starts_with("http://localhost:")
        );
    }
    let again = stack.up();
    assert_eq!(again, first);
    let status = stack.cli(&["status", "--ready", "--json"]).ok().json();
    assert_eq!(
        (&status["pid"], &status["doors"]),
        (&first["pid"], &first["doors"])
    );
    assert!(stack.cli(&["status"]).ok().stdout.contains("gateway"));
    assert!(stack.cli(&["logs"]).ok().stdout.contains("ready"));
    assert_eq!(
        stack.cli(&["logs", "-n", "1"]).ok().stdout.lines().count(),
        1
    );
    stack.cli(&["doctor"]).ok();

    stack.apply("zone: acme\n");
    stack.cli(&["down"]).ok();
    tells(stack.cli(&["status"]), 1, &["no stack", "caracal up"]);
    stack.cli(&["down"]).ok();
    stack.cli(&["logs"]).ok();
    stack.cli(&["doctor"]).ok();
    // The data is kept, and so are the ports that were chosen.
    let third = stack.up();
    assert_eq!(third["doors"], first["doors"]);
    assert_ne!(third["pid"], first["pid"]);
    assert_eq!(
        stack.cli(&["zone", "list", "--json"]).ok().json()["items"][0]["name"],
        "acme"
    );
}

#[test]
fn purging_needs_a_word_and_removes_only_what_is_ours() {
    let mut stack = Stack::start();
    stack.apply("zone: acme\n");
    let own = stack.file("notes.txt");
    std::fs::write(&own, "mine").unwrap();
    tells(stack.cli(&["purge"]), 2, &["--yes"]);
    stack.cli(&["status"]).ok();
    stack.cli(&["purge", "--yes"]).ok();
    let left: Vec<_> = std::fs::read_dir(&stack.home)
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(left, ["notes.txt"]);
    stack.cli(&["status"]).fails(1);
    stack.cli(&["purge", "--yes"]).ok();
    std::fs::remove_file(own).unwrap();
    stack.up();
    let zones = stack.cli(&["zone", "list", "--json"]).ok().json();
    assert_eq!(zones["items"], serde_json::json!([]));
}

#[test]
fn a_port_in_use_names_who_has_it() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let mut stack = Stack::new();
    stack.set("CARACAL_GATEWAY_LISTEN", &format!("localhost:{port}"));
    let me = format!("process {}", std::process::id());
    let words = [&*me, "gateway", "CARACAL_GATEWAY_LISTEN", &port.to_string()];
    tells(stack.cli(&["up"]), 1, &words);
    tells(stack.cli(&["up", "--foreground"]), 1, &words);
    let doctor = stack.cli(&["doctor"]).fails(1);
    assert!(doctor.stdout.contains(&me), "{}", doctor.stdout);
    drop(taken);
    stack.up();
}

#[test]
fn a_home_has_one_stack() {
    let stack = Stack::start();
    let pid = stack.pid().to_string();
    tells(
        stack.cli(&["serve"]),
        1,
        &["in use", &format!("process {pid}"), "CARACAL_HOME"],
    );
    tells(stack.cli(&["up", "--foreground"]), 1, &["in use"]);
    assert_eq!(stack.pid().to_string(), pid);
    // Two that start at once: one serves, both are content.
    let mut fresh = Stack::new();
    let other = fresh
        .command(&["up", "--json"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mine = fresh.up();
    let theirs = other.wait_with_output().unwrap();
    assert!(theirs.status.success());
    let theirs: serde_json::Value = serde_json::from_slice(&theirs.stdout).unwrap();
    assert_eq!(theirs["pid"], mine["pid"]);
    // Nobody waits for the home to become free.
    assert_eq!(
        Some(servers_of(&fresh)),
        mine["pid"].as_u64().map(|pid| vec![pid])
    );
}

/// The processes that were started for a stack.
fn servers_of(stack: &Stack) -> Vec<u64> {
    let wanted = format!("CARACAL_HOME={}", stack.home.display());
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = processes.filter_map(|process| process.file_name().to_str()?.parse().ok());
    pids.filter(|pid: &u64| {
        let variables = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        variables
            .split(|b| *b == 0)
            .any(|held| held == wanted.as_bytes())
    })
    .collect()
}

#[test]
fn settings_that_cannot_be_are_told_before_anything_starts() {
    type Row<'a> = (&'a [(&'a str, &'a str)], &'a str, &'a [&'a str]);
    let table: &[Row<'_>] = &[
        (
            &[],
            "sts_listen = \"localhost:0\"\nnonsense = 1\n",
            &["server.toml", "nonsense", "2"],
        ),
        (&[], "sts_listen = 1\n", &["server.toml", "sts_listen"]),
        (&[], "not toml", &["server.toml"]),
        (
            &[("CARACAL_STS_LISTEN", "nonsense")],
            "",
            &["CARACAL_STS_LISTEN", "nonsense"],
        ),
        (
            &[("CARACAL_STS_LISTEN", "0.0.0.0:0")],
            "",
            &["sts", "TLS", "--behind-tls-proxy"],
        ),
        (
            &[("CARACAL_CONSOLE_LISTEN", "[::]:0")],
            "",
            &["console", "TLS"],
        ),
        (&[("CARACAL_DOORS", "sts,window")], "", &["window"]),
        (
            &[("CARACAL_ALLOW_PRIVATE", "maybe")],
            "",
            &["CARACAL_ALLOW_PRIVATE", "maybe"],
        ),
        (
            &[("CARACAL_PUBLIC_STS_URL", "ftp://x")],
            "",
            &["sts", "ftp://x"],
        ),
        (
            &[("CARACAL_DATABASE_URL", "mysql://u:canary@x")],
            "",
            &["CARACAL_DATABASE_URL"],
        ),
        (
            &[("CARACAL_TRUSTED_PROXIES", "10.0.0.0/99")],
            "",
            &["10.0.0.0/99"],
        ),
        (&[("CARACAL_LOG", "loud=;=")], "", &["loud"]),
    ];
    for (variables, file, words) in table {
        let mut stack = Stack::new();
        std::fs::create_dir(&stack.home).unwrap();
        if !file.is_empty() {
            std::fs::write(stack.file("server.toml"), file).unwrap();
        }
        for (name, value) in *variables {
            stack.set(name, value);
        }
        if !file.is_empty() {
            // The file comes last; what it says of a listener must count here.
            stack.set("CARACAL_GATEWAY_LISTEN", "localhost:0");
        }
        for command in [&["up"][..], &["serve"]] {
            let output = stack.cli(command);
            assert!(
                matches!(output.code, 1 | 2),
                "{variables:?}{file}: {output:?}"
            );
            for word in *words {
                assert!(
                    output.stderr.contains(word),
                    "no `{word}`: {}",
                    output.stderr
                );
            }
            assert!(!output.stderr.contains("canary"), "{}", output.stderr);
        }
        assert!(!stack.file("state.db").exists(), "{variables:?}{file}");
    }
}

#[test]
fn a_listener_beyond_this_machine_needs_a_word() {
    let mut stack = Stack::new();
    stack.set("CARACAL_GATEWAY_LISTEN", "0.0.0.0:0");
    stack.set("CARACAL_BEHIND_TLS_PROXY", "true");
    let status = stack.up();
    assert_eq!(status["ready"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_graceful_stop_lets_a_stream_finish() {
    let (sender, receiver) = std::sync::mpsc::channel::<()>();
    let receiver = std::sync::Mutex::new(receiver);
    let upstream = RawUpstream::start(move |mut peer| {
        if peer.find_head().is_some() {
            peer.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
            peer.send_chunk("first");
            let _ = receiver.lock().unwrap().recv();
            peer.send_chunk("last");
            peer.send_chunk("");
        }
    });
    let mut stack = Stack::start();
    let applied = stack.apply(&format!(
        "zone: acme\napplications: [{{ name: anton }}]\nresources: [{{ name: r, upstream: '{}', allow_private: true, scopes: [s], \
         operations: [{{ method: GET, path: /a, scope: s }}] }}]\npolicies: [{{ name: all, cedar: 'permit (principal, action, resource);' }}]\n",
        upstream.url()
    ));
    let client = stack.client(&applied, "anton");
    let mandate = client.mint("resource://r", "").await;
    let mut raw = Raw::connect(&stack.gateway);
    raw.send(format!(
        "GET /r/r/a HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {mandate}\r\n\r\n"
    ));
    assert_eq!(raw.head().status(), 200);
    assert_eq!(raw.chunk().unwrap().as_deref(), Some("first"));

    let mut down = stack.command(&["down"]).spawn().unwrap();
    let gateway = stack.gateway.clone();
    until("nobody new is let in", async || {
        http().get(&gateway).send().await.is_err()
    })
    .await;
    assert!(
        down.try_wait().unwrap().is_none(),
        "it stopped under the stream"
    );
    sender.send(()).unwrap();
    assert_eq!(raw.chunk().unwrap().as_deref(), Some("last"));
    assert_eq!(raw.chunk().unwrap(), None);
    assert!(down.wait().unwrap().success());
    // The end of the call is in the ledger.
    stack.up();
    let events = stack.events("acme");
    assert!(
        events
            .iter()
            .any(|e| e["type"] == "call.finished" && e["status"] == 200),
        "{events:?}"
    );
}

#[test]
fn a_home_may_lie_deep() {
    let mut stack = Stack::new();
    stack.home = stack
        .beside()
        .join("d".repeat(100))
        .join("e".repeat(100))
        .join("home");
    assert!(stack.home.as_os_str().len() > 200);
    stack.up();
    stack.apply("zone: acme\n");
    assert_eq!(
        stack.cli(&["zone", "list", "--json"]).ok().json()["items"][0]["name"],
        "acme"
    );
    // A name with blanks and quotes is a name.
    let mut odd = Stack::new();
    odd.home = odd.beside().join("it's a \"home\" ä");
    odd.up();
    odd.cli(&["zone", "list"]).ok();
}

/// As in a container or a build: whoever leads the session is not seen from inside.
#[test]
fn it_runs_inside_a_pid_namespace() {
    let namespaces = |more: &[&'static str]| {
        let flags = [more, &["--pid", "--fork", "--mount-proc"]].concat();
        let tried = Command::new("unshare").args(&flags).arg("true").status();
        tried.is_ok_and(|status| status.success()).then_some(flags)
    };
    let Some(flags) = namespaces(&[]).or_else(|| namespaces(&["--user", "--map-root-user"])) else {
        eprintln!("this system makes no PID namespaces: nothing to see");
        return;
    };
    let stack = Stack::new();
    let each = ["up --json", "restart", "status --ready", "down"];
    let script = each
        .map(|arguments| format!("\"$0\" {arguments}"))
        .join(" && ");
    let mut command = Command::new("unshare");
    command.args(flags).args(["sh", "-c", &script, binary()]);
    for (name, value) in stack.command(&[]).get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let output = run(command, b"").ok();
    assert!(
        output.stdout.contains("\"ready\":true"),
        "{}",
        output.stdout
    );
    assert!(output.stdout.contains("runs anew"), "{}", output.stdout);
}

#[test]
fn a_home_that_is_not_ours_is_left_alone() {
    let stack = Stack::new();
    std::fs::write(&stack.home, "a file").unwrap();
    tells(stack.cli(&["up"]), 1, &["directory"]);
    assert_eq!(std::fs::read_to_string(&stack.home).unwrap(), "a file");

    let stack = Stack::new();
    std::fs::create_dir(&stack.home).unwrap();
    std::fs::write(stack.file("thesis.doc"), "a life's work").unwrap();
    open_to_all(&stack.home);
    tells(stack.cli(&["up"]), 1, &["thesis.doc", "chmod"]);
    assert_eq!(std::fs::read_dir(&stack.home).unwrap().count(), 1);
}

fn open_to_all(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_killed_stack_is_ready_again_at_once() {
    let mut stack = Stack::start();
    stack.apply("zone: acme\n");
    stack.kill();
    let begun = Instant::now();
    stack.up();
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(
        stack.cli(&["zone", "list", "--json"]).ok().json()["items"][0]["name"],
        "acme"
    );
}
