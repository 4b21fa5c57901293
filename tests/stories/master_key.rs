//! The key that opens everything stored.

use std::os::unix::fs::PermissionsExt;

use crate::harness::{KEY, Stack, Upstream};

const A: &str = "1111111111111111111111111111111111111111111111111111111111111111";
const B: &str = "2222222222222222222222222222222222222222222222222222222222222222";

#[track_caller]
fn refused(stack: &Stack, words: &[&str]) {
    let output = stack.cli(&["up"]).fails(1);
    for word in words {
        assert!(
            output.stderr.contains(word),
            "no `{word}` in: {}",
            output.stderr
        );
    }
    for secret in [A, B] {
        assert!(!output.stderr.contains(secret), "{}", output.stderr);
    }
}

fn zone_file(upstream: &Upstream) -> String {
    format!(
        "zone: acme\napplications: [{{ name: anton }}]\nproviders: [{{ name: p, kind: bearer, secret: {{ value: {KEY} }} }}]\n\
         resources: [{{ name: r, upstream: '{}', provider: p, allow_private: true, scopes: [s], \
         operations: [{{ method: GET, path: /a, scope: s }}] }}]\npolicies: [{{ name: all, cedar: 'permit (principal, action, resource);' }}]\n",
        upstream.url()
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_file_is_needed_private_and_the_right_one() {
    let upstream = Upstream::start().await;
    let mut stack = Stack::start();
    let applied = stack.apply(&zone_file(&upstream));
    let client = stack.client(&applied, "anton");
    stack.cli(&["down"]).ok();
    let path = stack.file("master.key");
    let text = std::fs::read(&path).unwrap();
    let mode =
        |bits| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(bits)).unwrap();

    std::fs::remove_file(&path).unwrap();
    refused(&stack, &["master.key", "missing", "backup"]);
    assert!(!path.exists(), "a new key would open nothing");
    for (bits, content) in [(0o644, &*text), (0o604, &text), (0o660, &text)] {
        std::fs::write(&path, content).unwrap();
        mode(bits);
        refused(&stack, &["master.key", "chmod 600"]);
        let doctor = stack.cli(&["doctor"]).fails(1);
        assert!(doctor.stdout.contains("chmod 600"), "{}", doctor.stdout);
    }
    mode(0o600);
    std::fs::write(&path, "nonsense").unwrap();
    refused(&stack, &["master.key", "no master key"]);
    std::fs::write(&path, B).unwrap();
    refused(&stack, &["key"]);

    // With the right one everything is as it was.
    std::fs::write(&path, &text).unwrap();
    stack.up();
    let mandate = client.mint("resource://r", "").await;
    assert_eq!(client.call("GET", "/r/r/a", &mandate).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_may_come_from_the_environment_or_a_command() {
    let upstream = Upstream::start().await;
    let mut stack = Stack::new();
    stack.set("CARACAL_MASTER_KEY", A);
    stack.up();
    let applied = stack.apply(&zone_file(&upstream));
    let client = stack.client(&applied, "anton");
    assert!(!stack.file("master.key").exists());
    stack.cli(&["down"]).ok();

    stack.set("CARACAL_MASTER_KEY", B);
    refused(&stack, &["key"]);
    stack.set("CARACAL_MASTER_KEY", "short");
    refused(&stack, &["CARACAL_MASTER_KEY", "32 random bytes"]);
    stack.set("CARACAL_MASTER_KEY", "");
    refused(&stack, &["master.key"]);

    stack.set("CARACAL_MASTER_KEY_COMMAND", "false");
    refused(&stack, &["master_key_command"]);
    stack.set("CARACAL_MASTER_KEY_COMMAND", &format!("echo {B}x"));
    refused(&stack, &["master_key_command"]);
    let secret = stack.beside().join("key");
    std::fs::write(&secret, A).unwrap();
    stack.set(
        "CARACAL_MASTER_KEY_COMMAND",
        &format!("cat {}", secret.display()),
    );
    stack.up();
    assert!(!stack.file("master.key").exists());
    let mandate = client.mint("resource://r", "").await;
    assert_eq!(client.call("GET", "/r/r/a", &mandate).await.status, 200);
    assert!(!stack.cli(&["logs"]).ok().stdout.contains(A));
}
