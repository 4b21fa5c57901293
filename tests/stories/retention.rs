//! A zone keeps its events for some days: what is older goes, and everything else still
//! verifies. Whoever removes more than was announced is named.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use caracal_ledger::{TileBuilder, leaf_hash};
use caracal_store::OpenOptions;
use caracal_testkit::{FakeClock, SeededZone, TestEngine};
use serde_json::Value;

use crate::harness::{Stack, copy_of, open_ledger, rows_of, until};

/// How many events are old when the stack starts; the fake clock stands in the past.
const OLD: usize = 330;

/// A stack whose zone `acme` has old events, and keeps them for 30 days or for ever.
async fn aged(retention: bool) -> Stack {
    let stack = Stack::new();
    std::fs::create_dir_all(&stack.home).unwrap();
    std::fs::set_permissions(&stack.home, std::fs::Permissions::from_mode(0o700)).unwrap();
    let key = stack.home.join("master.key");
    let text: String = TestEngine::MASTER_KEY
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    std::fs::write(&key, text).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();

    let test = TestEngine::embedded(&stack.home, OpenOptions::default(), FakeClock::new()).await;
    let mut spec = SeededZone::spec("permit (principal, action, resource);");
    spec.retention = retention.then(|| Some(caracal_core::Retention::days(30).unwrap()));
    let zone = test.seed("acme", spec).await;
    for _ in 0..OLD {
        let minted = zone.mint(&test.engine, &["resource://items"], Some("read"));
        minted.await.unwrap();
    }
    test.engine.close().await;
    stack
}

fn verify(stack: &Stack, more: &[&str]) -> (i32, Value) {
    let output = stack.cli(&[&["audit", "verify", "--json"], more].concat());
    (output.code, output.json())
}

/// Where the log of the zone stands, and what its announcement says.
fn announcement(stack: &Stack) -> Option<Value> {
    let list = [
        "audit",
        "list",
        "--zone",
        "acme",
        "--type",
        "log.pruned",
        "--json",
    ];
    stack.cli(&list).ok().json_lines().into_iter().next()
}

async fn pruned_stack() -> (Stack, String, u64) {
    let mut stack = aged(true).await;
    stack.up();
    until("old events are gone", async || {
        verify(&stack, &[]).1["pruned"].as_u64() >= Some(OLD as u64)
    })
    .await;
    let event = announcement(&stack).expect("it was announced");
    let below = event["pruned"]["below"].as_u64().unwrap();
    assert_eq!(event["pruned"]["days"], 30);
    assert!(event["index"].as_u64() >= Some(below));
    let log = event["log"].as_str().unwrap().to_owned();
    (stack, log, below)
}

fn first_bad(report: &(i32, Value)) -> (i32, Option<u64>) {
    (report.0, report.1["first_bad"]["index"].as_u64())
}

fn scalar(home: &Path, sql: &str) -> i64 {
    let value = open_ledger(home).query_row(sql, [], |row| row.get(0));
    value.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn old_events_go_and_what_is_kept_verifies_everywhere() {
    let (stack, log, below) = pruned_stack().await;
    let told = verify(&stack, &[]);
    assert_eq!((told.0, &told.1["ok"]), (0, &true.into()), "{}", told.1);
    assert_eq!(told.1["pruned"], below);
    // The rows are gone from the file, not only from sight.
    let rows = rows_of(&open_ledger(&stack.home), &log);
    assert_eq!(rows[0].event()["index"], below);
    // Searching finds what is kept.
    assert_eq!(stack.events("acme").len(), rows.len());

    let dir = stack.beside().join("export");
    let dir = dir.to_str().unwrap();
    stack.cli(&["audit", "export", dir, "--zone", "acme"]).ok();
    let exported = verify(&stack, &[dir]);
    assert_eq!(exported.0, 0, "{}", exported.1);
    assert_eq!(exported.1["pruned"], below);

    // Built anew, the index has no hashes of what is gone, and nothing needs them.
    stack.cli(&["audit", "rebuild-index"]).ok();
    until("the index is built", async || {
        stack.cli(&["audit", "list", "--zone", "acme"]).code == 0
    })
    .await;
    let told = verify(&stack, &[]);
    assert_eq!((told.0, &told.1["pruned"]), (0, &below.into()));
    stack.cli(&["down"]).ok();
    let told = verify(&stack, &[]);
    assert_eq!((told.0, &told.1["pruned"]), (0, &below.into()));
    assert_eq!(told.1.get("unchecked"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_retention_everything_stays_and_only_an_owner_sets_one() {
    let mut stack = aged(false).await;
    stack.up();
    let shown = stack.cli(&["zone", "retention", "--zone", "acme", "--json"]);
    assert_eq!(shown.ok().json()["retention"]["events_days"], Value::Null);
    assert_eq!(announcement(&stack), None);
    assert_eq!(verify(&stack, &[]).1.get("pruned"), None);
    for wrong in ["0", "36526", "-1", "soon"] {
        let output = stack.cli(&["zone", "retention", wrong, "--zone", "acme"]);
        assert_ne!(output.code, 0, "{wrong}");
    }
    let set = |days: &str| {
        stack
            .cli(&["zone", "retention", days, "--zone", "acme", "--json"])
            .ok()
    };
    assert_eq!(set("45").json()["retention"]["events_days"], 45);
    let export = stack
        .cli(&["export", "--zone", "acme", "--json"])
        .ok()
        .json();
    assert_eq!(export["retention"]["events_days"], 45);
    let last = stack.events("acme").pop().unwrap();
    assert_eq!(last["type"], "zone.updated");
    assert!(
        last["reason"].as_str().unwrap().contains("45 days"),
        "{last}"
    );

    let token = stack
        .cli(&[
            "token",
            "create",
            "ci",
            "--role",
            "admin",
            "--all-zones",
            "--json",
        ])
        .ok()
        .json();
    let mut admin = Stack::new();
    admin.set("CARACAL_API_URL", &stack.console);
    admin.set(
        "CARACAL_API_TOKEN",
        token["token"].as_str().unwrap_or_default(),
    );
    let refused = admin.cli(&["zone", "retention", "1", "--zone", "acme"]);
    assert_ne!(refused.code, 0);
    assert_eq!(
        set("forever").json()["retention"]["events_days"],
        Value::Null
    );
    let export = stack
        .cli(&["export", "--zone", "acme", "--json"])
        .ok()
        .json();
    assert_eq!(export.get("retention"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_removes_more_than_was_announced_is_named() {
    let (stack, log, below) = pruned_stack().await;
    stack.cli(&["down"]).ok();
    let rows = rows_of(&open_ledger(&stack.home), &log);
    let execute = |stack: &Stack, sql: &str| {
        open_ledger(&stack.home).execute_batch(sql).unwrap();
    };
    let delete = |seq: i64| format!("DELETE FROM events WHERE seq = {seq};");

    // One leaf more.
    let copy = copy_of(&stack);
    execute(&copy, &delete(rows[0].seq));
    assert_eq!(first_bad(&verify(&copy, &[])), (1, Some(below)));

    // One leaf more, with the summary brought up to it, as whoever reads this code can do.
    let copy = copy_of(&stack);
    let forge_summary = |copy: &Stack, count: usize| {
        let connection = open_ledger(&copy.home);
        let tiles: Vec<u8> = connection
            .query_row("SELECT tiles FROM pruned WHERE log = $1", [&log], |row| {
                row.get(0)
            })
            .unwrap();
        let mut builder = TileBuilder::unpack(below, &tiles).unwrap();
        let gone = &rows[..count];
        builder.append(
            &gone
                .iter()
                .map(|row| leaf_hash(&row.body))
                .collect::<Vec<_>>(),
        );
        let size = i64::try_from(builder.size()).unwrap();
        connection
            .execute(
                "UPDATE pruned SET size = $1, tiles = $2 WHERE log = $3",
                (size, builder.pack(), &log),
            )
            .unwrap();
        for row in gone {
            connection.execute_batch(&delete(row.seq)).unwrap();
        }
    };
    forge_summary(&copy, 1);
    let told = verify(&copy, &[]);
    // When the one leaf more is the announcement itself, nothing lets any leaf go.
    let is_announcement = rows[0].event()["type"] == "log.pruned";
    let expected = if is_announcement { 0 } else { below };
    assert_eq!(first_bad(&told), (1, Some(expected)), "{}", told.1);

    // And with the announcement made to say so, which nobody can sign.
    let copy = copy_of(&stack);
    let last = rows
        .iter()
        .rev()
        .find(|row| row.event()["type"] == "log.pruned")
        .unwrap();
    let forged = String::from_utf8(last.body.clone()).unwrap();
    let (was, is) = (
        format!("\"below\":{below}"),
        format!("\"below\":{}", below + 1),
    );
    assert!(forged.contains(&was));
    open_ledger(&copy.home)
        .execute(
            "UPDATE events SET body = $1 WHERE seq = $2",
            (forged.replace(&was, &is).as_bytes(), last.seq),
        )
        .unwrap();
    let announced_at = last.event()["index"].as_u64().unwrap();
    if announced_at > below {
        forge_summary(&copy, 1);
        assert_eq!(first_bad(&verify(&copy, &[])).0, 1);
    } else {
        assert_eq!(first_bad(&verify(&copy, &[])), (1, Some(announced_at)));
    }

    // Without the summary nothing stands for what is gone.
    let copy = copy_of(&stack);
    execute(&copy, "DELETE FROM pruned");
    assert_eq!(first_bad(&verify(&copy, &[])), (1, Some(0)));
    // An altered leaf is found as before.
    let copy = copy_of(&stack);
    let last = rows.last().unwrap();
    let altered = String::from_utf8(last.body.clone())
        .unwrap()
        .replace("req_", "rex_");
    open_ledger(&copy.home)
        .execute(
            "UPDATE events SET body = $1 WHERE seq = $2",
            (altered.as_bytes(), last.seq),
        )
        .unwrap();
    let index = last.event()["index"].as_u64();
    assert_eq!(first_bad(&verify(&copy, &[])), (1, index));
    assert_eq!(verify(&stack, &[]).0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_of_what_is_gone_are_checked_while_hashes_are_kept() {
    let mut stack = aged(true).await;
    let log = {
        let rows = crate::harness::ledger_rows(&open_ledger(&stack.home));
        rows.last().unwrap().event()["log"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let rows = rows_of(&open_ledger(&stack.home), &log);
    let line = |index: usize, body: &[u8]| {
        let leaf = leaf_hash(body).to_base64();
        format!("log=\"{log}\"; index={index}; leaf={leaf}\n")
    };
    let good = stack.beside().join("good");
    std::fs::write(&good, line(7, &rows[7].body) + &line(200, &rows[200].body)).unwrap();
    let bad = stack.beside().join("bad");
    std::fs::write(&bad, line(200, b"{}")).unwrap();
    let (good, bad) = (good.to_str().unwrap(), bad.to_str().unwrap());
    stack.up();
    until("old events are gone", async || {
        verify(&stack, &[]).1["pruned"].as_u64() >= Some(OLD as u64)
    })
    .await;
    let told = verify(&stack, &["--receipts", good]);
    assert_eq!((told.0, told.1.get("unchecked")), (0, None), "{}", told.1);
    assert_eq!(
        first_bad(&verify(&stack, &["--receipts", bad])),
        (1, Some(200))
    );
    stack.cli(&["down"]).ok();
    assert!(scalar(&stack.home, "SELECT count(*) FROM pruned WHERE size > 0") > 0);

    // Without the stored hashes they are neither confirmed nor contradicted, and it says so.
    std::fs::remove_file(stack.home.join("index.db")).unwrap();
    for receipts in [good, bad] {
        let told = verify(&stack, &["--receipts", receipts]);
        assert_eq!(told.0, 0, "{}", told.1);
        assert_eq!(told.1["unchecked"], if receipts == good { 2 } else { 1 });
    }
}
