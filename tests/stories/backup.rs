//! Backups: taken under load, restored elsewhere, and everything that was issued before is dead.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use crate::harness::{Client, KEY, Protected, Stack, copy_of, ledger_rows, open_ledger};

/// Takes a backup and gives the file with what the command said.
fn take(stack: &Stack, name: &str) -> (PathBuf, Value) {
    let file = stack.beside().join(name);
    let said = stack
        .cli(&["backup", file.to_str().unwrap(), "--json"])
        .ok()
        .json();
    (file, said)
}

/// A home that was never used, with the master key of another one.
fn elsewhere(stack: &Stack) -> Stack {
    let other = Stack::new();
    std::fs::create_dir_all(&other.home).unwrap();
    std::fs::copy(stack.file("master.key"), other.file("master.key")).unwrap();
    other
}

fn restore(stack: &Stack, file: &Path, flags: &[&str]) -> crate::harness::Output {
    let mut arguments = vec!["restore", file.to_str().unwrap()];
    arguments.extend(flags);
    stack.cli(&arguments)
}

/// The same application at another stack.
fn at(stack: &Stack, client: &Client) -> Client {
    Client::new(stack, &client.id, &client.secret)
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_under_load_is_restored_elsewhere_and_old_mandates_are_dead() {
    let protected = Protected::on(Stack::start()).await;
    let before = protected.mint().await;
    let going = Arc::new(AtomicBool::new(true));
    let load: Vec<_> = (0..4)
        .map(|_| {
            let (client, mandate) = (protected.client.clone(), before.clone());
            let going = Arc::clone(&going);
            tokio::spawn(async move {
                let mut calls = 0;
                while going.load(Ordering::Relaxed) {
                    let answer = client.call("GET", "/r/items/items/1", &mandate).await;
                    assert_eq!(answer.status, 200, "{answer:?}");
                    calls += 1;
                }
                calls
            })
        })
        .collect();
    // State changes as well while it is taken.
    let stack = &protected.stack;
    stack
        .cli(&["token", "create", "ci", "--role", "viewer"])
        .ok();
    stack.cli(&["app", "create", "early"]).ok();
    let (file, said) = tokio::task::block_in_place(|| take(stack, "backup.tar"));
    going.store(false, Ordering::Relaxed);
    let mut calls = 0;
    for task in load {
        calls += task.await.unwrap();
    }
    assert!(calls > 0);
    assert!(said["id"].as_str().unwrap().starts_with("bak_"), "{said}");
    assert_eq!(said["files"].as_array().unwrap().len(), 2);
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&file).unwrap()) & 0o777;
    assert_eq!(mode, 0o600);
    let rows = ledger_rows(&open_ledger(&stack.home));
    let taken = rows
        .iter()
        .find(|row| row.event()["type"] == "backup.taken");
    assert_eq!(taken.expect("it is evidence").event()["target"], said["id"]);
    assert!(!stack.file("backing-up").exists());

    // What happens now is not in it.
    stack.cli(&["app", "create", "late"]).ok();
    let after = protected.mint().await;

    let mut other = elsewhere(stack);
    let restored = restore(&other, &file, &[]).ok();
    assert!(restored.stdout.contains(said["id"].as_str().unwrap()));
    assert!(restored.stdout.contains("ended"), "{}", restored.stdout);
    other.up();
    let client = at(&other, &protected.client);
    for dead in [&before, &after] {
        let answer = client.call("GET", "/r/items/items/1", dead).await;
        assert_eq!(answer.refusal(), "mandate_revoked");
    }
    let mandate = client.mint("resource://items", "items:read").await;
    assert_eq!(
        client
            .call("GET", "/r/items/items/1", &mandate)
            .await
            .status,
        200
    );
    // The new mandate is worth nothing where the backup came from.
    let answer = protected
        .client
        .call("GET", "/r/items/items/1", &mandate)
        .await;
    assert_eq!(answer.refusal(), "mandate_revoked");
    let applications = other.cli(&["app", "list", "--json"]).ok().stdout;
    assert!(applications.contains("early") && !applications.contains("late"));
    let tokens = other.cli(&["token", "list", "--json"]).ok().stdout;
    assert!(!tokens.contains("\"ci\""), "{tokens}");
    let zone = said["zones"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|zone| zone["name"].as_str())
        .find(|name| *name != "caracal-instance")
        .unwrap()
        .to_owned();
    let events = other.events(&zone);
    let event = events
        .iter()
        .find(|event| event["type"] == "zone.restored")
        .expect("the zone says what it is");
    assert_eq!(event["target"], said["id"]);
    other.cli(&["audit", "verify"]).ok();
    other.cli(&["down"]).ok();
    other.cli(&["audit", "verify"]).ok();
    stack.cli(&["audit", "verify"]).ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_holds_no_master_key_and_no_plain_secret() {
    let protected = Protected::on(Stack::start()).await;
    let _ = protected.calls(3).await;
    let mandate = protected.mint().await;
    let token = protected
        .stack
        .cli(&["token", "create", "ci", "--role", "viewer", "--json"])
        .ok()
        .json();
    let key = std::fs::read_to_string(protected.stack.file("master.key")).unwrap();
    let key = key.trim();
    let (running, _) = take(&protected.stack, "running.tar");
    protected.stack.cli(&["down"]).ok();
    let (stopped, _) = take(&protected.stack, "stopped.tar");
    use base64::Engine as _;
    let raw = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(key)
        .unwrap();
    let hex: String = raw.iter().map(|byte| format!("{byte:02x}")).collect();
    let token = token["token"].as_str().unwrap_or("no token").to_owned();
    for file in [running, stopped] {
        let bytes = std::fs::read(&file).unwrap();
        // The search finds what is there.
        assert!(contains(&bytes, b"manifest.json") && contains(&bytes, b"resource://items"));
        for secret in [
            key.as_bytes(),
            &raw,
            hex.as_bytes(),
            KEY.as_bytes(),
            protected.client.secret.as_bytes(),
            mandate.as_bytes(),
            token.as_bytes(),
        ] {
            assert!(!contains(&bytes, secret), "a secret stands in {file:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_whole_backup_or_has_another_key_changes_nothing() {
    let protected = Protected::on(Stack::start()).await;
    let _ = protected.calls(2).await;
    let (file, _) = take(&protected.stack, "backup.tar");
    let bytes = std::fs::read(&file).unwrap();
    let other = elsewhere(&protected.stack);
    let is_untouched = |stack: &Stack| {
        let mut names: Vec<_> = std::fs::read_dir(&stack.home)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "caracal.lock")
            .collect();
        names.sort();
        assert_eq!(names, ["master.key"]);
    };
    let refused = |content: &[u8], words: &[&str]| {
        let bad = other.beside().join("bad.tar");
        std::fs::write(&bad, content).unwrap();
        let output = restore(&other, &bad, &[]).fails(1);
        for word in words {
            assert!(output.stderr.contains(word), "{}", output.stderr);
        }
        is_untouched(&other);
    };
    refused(b"", &["no whole backup"]);
    refused(&vec![7; 4096], &["no whole backup"]);
    for part in [600, bytes.len() / 2, bytes.len() - 4096] {
        refused(&bytes[..part], &["no whole backup"]);
    }
    // One bit of the ledger, and one of the manifest.
    let mut altered = bytes.clone();
    let place = altered.len() - 20_000;
    altered[place] ^= 1;
    refused(&altered, &["not what the manifest says"]);
    let at = |text: &[u8]| bytes.windows(text.len()).position(|w| w == text).unwrap();
    let mut newer = bytes.clone();
    newer[at(b"\"format\": 1") + 10] = b'7';
    refused(&newer, &["newer caracal", "format 7"]);
    let mut digest = bytes.clone();
    let place = at(b"\"sha256\": \"") + 12;
    digest[place] = if digest[place] == b'0' { b'1' } else { b'0' };
    refused(&digest, &["not what the manifest says"]);

    let none = Stack::new();
    let output = restore(&none, &file, &[]).fails(1);
    assert!(output.stderr.contains("master key"), "{}", output.stderr);
    assert!(!none.file("master.key").exists(), "a new key opens nothing");
    std::fs::write(other.file("master.key"), "22".repeat(32)).unwrap();
    let output = restore(&other, &file, &[]).fails(1);
    assert!(
        output.stderr.contains("another master key"),
        "{}",
        output.stderr
    );
    is_untouched(&other);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_home_in_use_is_never_overwritten_and_a_replaced_one_is_kept() {
    let mut stack = Stack::new();
    let checkpoints = stack.beside().join("checkpoints");
    stack.set("CARACAL_CHECKPOINT_FILE", checkpoints.to_str().unwrap());
    stack.up();
    let mut protected = Protected::on(stack).await;
    let (file, said) = take(&protected.stack, "backup.tar");
    let _ = protected.calls(5).await;
    let running = restore(&protected.stack, &file, &["--replace"]).fails(1);
    assert!(running.stderr.contains("in use"), "{}", running.stderr);
    protected.stack.cli(&["down"]).ok();
    let lost = copy_of(&protected.stack);
    let kept = protected.stack.beside().join("kept");
    std::fs::copy(&checkpoints, &kept).unwrap();

    let full = restore(&protected.stack, &file, &[]).fails(1);
    assert!(full.stderr.contains("--replace"), "{}", full.stderr);
    let done = restore(
        &protected.stack,
        &file,
        &["--replace", "--freeze", "--json"],
    )
    .ok()
    .json();
    let aside = PathBuf::from(done["moved_aside"].as_str().unwrap());
    for name in ["state.db", "ledger.db"] {
        assert_eq!(
            std::fs::read(aside.join(name)).unwrap(),
            std::fs::read(lost.file(name)).unwrap(),
            "{name} is kept as it was"
        );
    }
    protected.stack.up();
    // Frozen until somebody has looked.
    let client = at(&protected.stack, &protected.client);
    let mint = client.try_mint("resource://items", "items:read").await;
    assert_eq!(mint.json()["error"], "zone_frozen", "{mint:?}");
    protected.stack.cli(&["thaw"]).ok();
    let mandate = client.mint("resource://items", "items:read").await;
    assert_eq!(
        client
            .call("GET", "/r/items/items/1", &mandate)
            .await
            .status,
        200
    );

    // The log as it is now is whole; the checkpoint from outside names what was lost.
    protected.stack.cli(&["audit", "verify"]).ok();
    let verify = [
        "audit",
        "verify",
        "--checkpoint",
        kept.to_str().unwrap(),
        "--json",
    ];
    let report = protected.stack.cli(&verify).fails(1).json();
    let bad = &report["first_bad"];
    let log = said["logs"]
        .as_array()
        .unwrap()
        .iter()
        .find(|log| log["id"] == bad["log"])
        .unwrap_or_else(|| panic!("{report}"));
    assert_eq!(bad["index"], log["size"], "{report}");
    // In what was moved aside it is all there.
    lost.cli(&verify).ok();
    let doctor = protected.stack.cli(&["doctor"]);
    assert!(doctor.stdout.contains("replaced"), "{}", doctor.stdout);
    protected.stack.cli(&["down"]).ok();

    // A restore that was cut off after it moved the old files and before it moved in the new ones.
    let stack = &mut protected.stack;
    std::fs::create_dir(stack.file("restoring")).unwrap();
    std::fs::write(stack.file("restoring/moving"), "").unwrap();
    std::fs::rename(stack.file("state.db"), aside.join("moved")).unwrap();
    let refused = stack.cli(&["up"]).fails(1);
    assert!(refused.stderr.contains("cut off"), "{}", refused.stderr);
    assert!(
        !stack.file("state.db").exists(),
        "nothing begins anew in its place"
    );
    stack.cli(&["doctor"]).fails(1);
    restore(stack, &file, &[]).ok();
    stack.up();
    let client = at(stack, &protected.client);
    client.mint("resource://items", "items:read").await;
    stack.cli(&["down"]).ok();
    protected.stack.cli(&["purge", "--yes"]).ok();
    assert!(!aside.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_take_a_backup() {
    let protected = Protected::on(Stack::start()).await;
    let mut stack = protected.stack;
    let existing = stack.beside().join("there");
    std::fs::write(&existing, "kept").unwrap();
    let there = stack.cli(&["backup", existing.to_str().unwrap()]).fails(2);
    assert!(there.stderr.contains("exists"), "{}", there.stderr);
    assert_eq!(std::fs::read(&existing).unwrap(), b"kept");
    let token = |role: &str| {
        let made = stack
            .cli(&[
                "token",
                "create",
                role,
                "--role",
                role,
                "--all-zones",
                "--json",
            ])
            .ok()
            .json();
        made["token"].as_str().unwrap().to_owned()
    };
    let (owner, admin) = (token("owner"), token("admin"));
    let console = stack.console.clone();
    stack.set("CARACAL_API_URL", &console);
    let dir = stack.beside().join("backups");
    std::fs::create_dir(&dir).unwrap();
    stack.set("CARACAL_API_TOKEN", &admin);
    let refused = stack.cli(&["backup", dir.to_str().unwrap()]);
    assert_ne!(refused.code, 0);
    assert!(refused.stderr.contains("owner"), "{}", refused.stderr);
    assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 0);
    stack.set("CARACAL_API_TOKEN", &owner);
    stack.cli(&["backup", dir.to_str().unwrap()]).ok();
    assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 1);
    // For the end of the story the stack is this machine's again.
    stack.set("CARACAL_API_URL", "");
}
