//! A disk that fills up: an alarm first, then the reserve, in which revoking and administering
//! still work and leave evidence, and all of it again when there is room.

use std::path::PathBuf;

use crate::harness::{Protected, Stack, ledger_rows, open_ledger, until};

const MIB: usize = 1024 * 1024;

/// Something of somebody else's that takes room in the home.
struct Ballast(PathBuf);

impl Ballast {
    fn of(stack: &Stack, bytes: usize) -> Self {
        let path = stack.file("log/ballast");
        std::fs::write(&path, vec![7; bytes]).unwrap();
        Self(path)
    }
}

impl Drop for Ballast {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn disk(stack: &Stack) -> String {
    let status = stack.cli(&["status", "--json"]).json();
    status["disk"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alarm_then_the_reserve_and_back() {
    let mut stack = Stack::new();
    stack.set("CARACAL_DISK_QUOTA", "100MiB");
    stack.set("CARACAL_DISK_RESERVE", "10MiB");
    let protected = Protected::on(stack).await;
    let (stack, client) = (&protected.stack, &protected.client);
    let mandate = protected.mint().await;
    let other = protected.mint().await;
    assert_eq!(disk(stack), "plenty");

    let alarm = Ballast::of(stack, 82 * MIB);
    until("the alarm is given", async || disk(stack) == "low").await;
    protected.call(&mandate).await;
    let doctor = stack.cli(&["doctor"]);
    assert!(doctor.stdout.contains("nearly full"), "{}", doctor.stdout);
    assert!(stack.cli(&["status"]).ok().stderr.contains("nearly full"));

    drop(alarm);
    let full = Ballast::of(stack, 95 * MIB);
    until("only the reserve is left", async || {
        disk(stack) == "reserve"
    })
    .await;
    let before = protected.upstream.seen().len();
    let refused = client.call("GET", "/r/items/items/1", &mandate).await;
    assert_eq!(
        (refused.status, &*refused.refusal()),
        (503, "ledger_unavailable")
    );
    assert!(refused.body.contains("reserve"), "{refused:?}");
    let mint = client.try_mint("resource://items", "items:read").await;
    assert_eq!(mint.status, 503, "{mint:?}");
    assert_eq!(mint.json()["error"], "temporarily_unavailable");
    assert_eq!(protected.upstream.seen().len(), before);
    let status = stack.cli(&["status"]).fails(1);
    assert!(status.stderr.contains("reserve"), "{}", status.stderr);
    stack.cli(&["doctor"]).fails(1);

    // What ends authority, and administering, still work, with evidence.
    let id = crate::harness::claims(&other)["jti"]
        .as_str()
        .unwrap()
        .to_owned();
    stack.cli(&["revoke", &id, "--reason", "lost"]).ok();
    stack.cli(&["app", "create", "meanwhile"]).ok();
    stack.cli(&["freeze", "--reason", "disk"]).ok();
    stack.cli(&["thaw"]).ok();
    let events = stack.events("acme");
    let has = |kind: &str| events.iter().any(|event| event["type"] == kind);
    assert!(has("authority.revoked") && has("revocation.lifted") && has("application.registered"));
    stack.cli(&["audit", "verify"]).ok();

    drop(full);
    until("there is room again", async || disk(stack) == "plenty").await;
    // Frozen and thawed: what was issued before is dead.
    let mandate = protected.mint().await;
    protected.call(&mandate).await;
    let dead = client.call("GET", "/r/items/items/1", &other).await;
    assert_eq!(dead.refusal(), "mandate_revoked");
    let kinds: Vec<_> = ledger_rows(&open_ledger(&stack.home))
        .iter()
        .filter_map(|row| row.event()["type"].as_str().map(str::to_owned))
        .filter(|kind| kind.starts_with("disk."))
        .collect();
    // Between the two fillings there may have been room for a moment.
    assert_eq!(kinds.first().map(String::as_str), Some("disk.low"));
    assert!(
        kinds.iter().any(|kind| kind == "disk.reserved"),
        "{kinds:?}"
    );
    assert_eq!(kinds.last().map(String::as_str), Some("disk.cleared"));
    stack.cli(&["audit", "verify"]).ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_size_that_is_none_is_refused_at_the_start() {
    let mut stack = Stack::new();
    for bad in ["lots", "10MB", "-1"] {
        stack.set("CARACAL_DISK_QUOTA", bad);
        let refused = stack.cli(&["up"]).fails(2);
        assert!(
            refused.stderr.contains("CARACAL_DISK_QUOTA"),
            "{}",
            refused.stderr
        );
    }
}
