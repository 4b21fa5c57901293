//! Nothing secret is ever written down in the clear: not in the databases, their logs, the
//! server's log, or an export.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use crate::harness::{KEY, Protected, Stack, claims};

/// Every file below a directory.
fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            files(&entry.path(), found);
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
}

/// A secret in the forms in which it could slip through.
fn forms(secret: &str) -> Vec<Vec<u8>> {
    let hex = |upper: bool| -> String {
        let byte = |b: u8| {
            if upper {
                format!("{b:02X}")
            } else {
                format!("{b:02x}")
            }
        };
        secret.bytes().map(byte).collect()
    };
    // Base64 at each of the three alignments, without the characters that its ends share.
    let aligned = (0..3).map(|pad| {
        let text = STANDARD.encode(format!("{}{secret}", "x".repeat(pad)));
        text[4..text.len() - 4].to_owned()
    });
    let mut forms: Vec<String> = vec![secret.to_owned(), hex(true), hex(false)];
    forms.extend(aligned);
    forms.into_iter().map(String::into_bytes).collect()
}

#[track_caller]
fn assert_nowhere(stack: &Stack, secrets: &[(&str, String)], when: &str) {
    let mut found = Vec::new();
    files(stack.beside(), &mut found);
    assert!(found.iter().any(|f| f.ends_with("state.db")), "{found:?}");
    assert!(
        found.iter().any(|f| f.ends_with("caracal.log")),
        "{found:?}"
    );
    for file in found {
        if file.ends_with("master.key") {
            continue;
        }
        let bytes = std::fs::read(&file).unwrap();
        for (name, secret) in secrets {
            for form in forms(secret) {
                let is_in = bytes.windows(form.len()).any(|window| window == form);
                assert!(!is_in, "{when}: the {name} is in `{}`", file.display());
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_written_down() {
    let mut stack = Stack::new();
    stack.set("CARACAL_LOG", "trace");
    let protected = Protected::on(stack).await;
    let (stack, client) = (&protected.stack, &protected.client);
    let master = std::fs::read_to_string(stack.file("master.key")).unwrap();
    let created = stack.cli(&["app", "create", "berta", "--json"]).ok().json();
    let token = stack
        .cli(&["token", "create", "ci", "--role", "owner", "--json"])
        .ok()
        .json();
    let mandate = protected.mint().await;
    protected.calls(8).await;
    for path in ["/r/items/stream", "/r/items/redirect"] {
        client.call("GET", path, &mandate).await;
    }
    // Secrets where they do not belong: none of it may be kept as a mistake either.
    client
        .call(
            "GET",
            &format!("/r/items/1?access_token={mandate}"),
            &mandate,
        )
        .await;
    client
        .call("GET", &format!("/r/items/{mandate}"), &mandate)
        .await;
    client.call("GET", "/r/items/1", &client.secret).await;
    client.try_mint(&client.secret, &mandate).await;
    let wrong = crate::harness::Client::new(stack, &client.secret, &mandate);
    wrong.try_mint("resource://items", "").await;
    stack
        .cli(&["revoke", claims(&mandate)["jti"].as_str().unwrap()])
        .ok();
    client.call("GET", "/r/items/1", &mandate).await;
    let api = crate::harness::http();
    let token = token["token"].as_str().unwrap().to_owned();
    let url = format!("{}/v1/zones/acme/events?limit=1", stack.console);
    let answer = api.get(&url).bearer_auth(&token).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let url = format!("{}/v1/zones/acme/events?cursor={token}", stack.console);
    api.get(&url).bearer_auth(&token).send().await.unwrap();

    let dir = stack.beside().join("export");
    stack.cli(&["audit", "export", dir.to_str().unwrap()]).ok();
    let zone_file = stack.cli(&["export"]).ok().stdout;
    std::fs::write(stack.beside().join("zone.yaml"), zone_file).unwrap();
    // A mandate's signature makes it one; what it says is no secret.
    let signature = mandate.rsplit('.').next().unwrap().to_owned();
    let raw = URL_SAFE_NO_PAD.decode(&signature).unwrap();
    assert_eq!(raw.len(), 64);
    let secret_part = |text: &str| text.rsplit('.').next().unwrap().to_owned();
    let secrets = [
        ("provider's secret", KEY.to_owned()),
        ("client secret", client.secret.clone()),
        ("client secret's random part", secret_part(&client.secret)),
        (
            "other client secret",
            created["client_secret"].as_str().unwrap().to_owned(),
        ),
        ("API token's random part", secret_part(&token)),
        ("mandate's signature", signature),
        ("master key", master.trim().to_owned()),
    ];
    for (name, secret) in &secrets {
        assert!(secret.len() > 16, "the {name} is too short to look for");
    }
    assert_nowhere(stack, &secrets, "while it runs");
    stack.cli(&["down"]).ok();
    assert_nowhere(stack, &secrets, "after it stopped");
}
