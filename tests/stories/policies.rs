//! Bundles: checked, activated, rolled back, explained.

use crate::harness::Stack;

fn zone_with(cedar: &str) -> String {
    format!(
        "zone: acme\napplications: [{{ name: anton }}]\nresources:\n  - name: mail\n    upstream: https://mail.example\n\
         \x20   scopes: [mail:read, mail:send]\n    operations: [{{ method: '*', path: '/**', scope: mail:read }}]\n\
         policies:\n  - name: rule\n    cedar: {cedar}\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_is_checked_activated_and_rolled_back() {
    let stack = Stack::start();
    let read = zone_with(r#"permit (principal, action == Action::"mail:read", resource);"#);
    let send = zone_with(r#"permit (principal, action == Action::"mail:send", resource);"#);
    let applied = stack.apply(&read);
    let client = stack.client(&applied, "anton");
    let granted = async || client.try_mint("resource://mail", "").await.json()["scope"].clone();
    assert_eq!(granted().await, "mail:read");

    // Checking stores nothing and activates nothing.
    let checked = stack
        .cli_with(&["policy", "check", "-f", "-", "--json"], &send)
        .ok()
        .json();
    let history = || stack.cli(&["policy", "history", "--json"]).ok().json()["items"].clone();
    assert_eq!(
        (history().as_array().unwrap().len(), granted().await),
        (1, "mail:read".into())
    );

    stack.apply(&send);
    assert_eq!(granted().await, "mail:send");
    let bundles = history();
    assert_eq!(bundles.as_array().unwrap().len(), 2);
    assert_eq!(
        (&bundles[0]["version"], &bundles[0]["active"]),
        (&checked["version"], &true.into())
    );
    assert_eq!(bundles[0]["version"].as_str().unwrap().len(), 64);

    stack.cli(&["policy", "rollback"]).ok();
    assert_eq!(granted().await, "mail:read");
    let version = checked["version"].as_str().unwrap();
    stack.cli(&["policy", "activate", &version[..8]]).ok();
    assert_eq!(granted().await, "mail:send");
    let unknown = stack.cli(&["policy", "activate", &"0".repeat(64)]).fails(1);
    assert!(!unknown.stderr.is_empty());
    assert!(
        stack
            .cli(&["policy", "show", "rule"])
            .ok()
            .stdout
            .contains("mail:send")
    );

    let activations = stack.events("acme");
    let activations = activations
        .iter()
        .filter(|e| e["type"] == "policy.activated");
    assert_eq!(activations.count(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_is_explained_before_and_after_it_is_taken() {
    let stack = Stack::start();
    let cedar = r#"'permit (principal, action == Action::"mail:read", resource) when { context.request.method == "GET" };'"#;
    let applied = stack.apply(&zone_with(cedar));
    let client = stack.client(&applied, "anton");
    let explain = |more: &[&str]| {
        let mut arguments = vec!["policy", "explain", "anton", "mail"];
        arguments.extend(more);
        stack.cli(&arguments)
    };
    explain(&["mail:read"]).ok();
    explain(&["mail:read", "--method", "GET", "--path", "/a"]).ok();
    explain(&["mail:read", "--method", "DELETE", "--path", "/a"]).fails(3);
    explain(&["mail:send"]).fails(3);
    assert!(
        explain(&["mail:send", "--json"])
            .fails(3)
            .json()
            .is_object()
    );

    let mandate = client.mint("resource://mail", "mail:read").await;
    let denied = client.call("DELETE", "/r/mail/a", &mandate).await;
    assert_eq!(denied.refusal(), "policy_denied");
    let request = denied.header("caracal-request-id").unwrap();
    let told = stack.cli(&["audit", "explain", request]).ok();
    assert!(
        told.stdout.contains("policy_denied") && told.stdout.contains("no policy permits"),
        "{}",
        told.stdout
    );
    let told = stack
        .cli(&["audit", "explain", request, "--json"])
        .ok()
        .json();
    assert!(told.to_string().contains("policy_denied"), "{told}");
    stack
        .cli(&[
            "audit",
            "explain",
            "req_018bcfe5-6800-7000-8000-000000000000",
        ])
        .fails(1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_errors_denies() {
    let stack = Stack::start();
    // The sum overflows: Cedar alone would skip the forbid and permit.
    let cedar = "|\n      permit (principal, action, resource);\n      forbid (principal, action, resource)\n        \
        when { 9223372036854775807 + principal.depth + 1 > 0 && context.request.method == \"GET\" };\n";
    let applied = stack.apply(&zone_with(cedar));
    let client = stack.client(&applied, "anton");
    let answer = client.try_mint("resource://mail", "mail:read").await;
    if answer.status == 200 {
        let mandate = answer.json()["access_token"].as_str().unwrap().to_owned();
        let denied = client.call("GET", "/r/mail/a", &mandate).await;
        assert_eq!((denied.status, &*denied.refusal()), (403, "policy_denied"));
    } else {
        assert_eq!(
            (answer.status, answer.json()["error"].clone()),
            (403, "access_denied".into())
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tests_beside_the_policies_refuse_an_activation_that_fails_them() {
    let stack = Stack::start();
    let read = r#"permit (principal, action == Action::"mail:read", resource);"#;
    let all = "permit (principal, action, resource);";
    let tests = "tests:\n  - { name: reads, application: anton, resource: mail, scope: mail:read, expect: allow, by: [rule] }\n\
                 \x20 - name: never-sends\n    application: anton\n    resource: mail\n    scope: mail:send\n\
                 \x20   request: { method: POST, path: /send }\n    expect: deny\n";
    let good = format!("{}{tests}", zone_with(read));
    let applied = stack.apply(&good);
    let client = stack.client(&applied, "anton");
    let granted = async || client.try_mint("resource://mail", "").await.json()["scope"].clone();
    assert_eq!(granted().await, "mail:read");

    // The active tests, against the active policies.
    let active = stack.cli(&["policy", "test", "--json"]).ok().json();
    assert_eq!(
        (&active["passed"], &active["failed"]),
        (&2.into(), &0.into())
    );
    assert_eq!(active["results"][1]["decision"], "allow");
    let listed = stack.cli(&["policy", "history", "--json"]).ok().json();
    assert_eq!(listed["items"][0]["version"], active["version"]);

    // A draft without tests is measured by the active ones, and changes nothing.
    let bad = zone_with(all);
    let run = stack
        .cli_with(&["policy", "test", "-f", "-"], &bad)
        .fails(1);
    assert!(
        run.stdout
            .contains("deny is expected, and the decision is allow by `rule`"),
        "{}",
        run.stdout
    );
    assert!(run.stdout.contains("1 passed, 1 failed"), "{}", run.stdout);
    let refused = stack.cli_with(&["apply", "-f", "-"], &bad).fails(1);
    assert!(
        refused.stderr.contains("tests[never-sends]"),
        "{}",
        refused.stderr
    );
    let refused = stack.cli_with(&["policy", "check", "-f", "-"], &format!("{bad}{tests}"));
    assert!(refused.fails(1).stderr.contains("tests[never-sends]"));
    assert_eq!(granted().await, "mail:read");

    // What is exported holds the tests, and is so already.
    let exported = stack.cli(&["export"]).ok().stdout;
    assert!(exported.contains("never-sends"), "{exported}");
    let again = stack.cli_with(&["apply", "-f", "-", "--json"], &exported);
    assert_eq!(again.ok().json()["changes"], 0);

    // A difference shows a changed test; who drops the test may activate.
    let without = stack.cli_with(&["diff", "-f", "-", "--prune"], &bad).ok();
    assert!(
        without.stdout.contains("tests.never-sends"),
        "{}",
        without.stdout
    );
    stack.cli_with(&["apply", "-f", "-", "--prune"], &bad).ok();
    assert_eq!(granted().await, "mail:read mail:send");
    let none = stack.cli(&["policy", "test"]).fails(1);
    assert!(
        none.stderr.contains("there is no test to run"),
        "{}",
        none.stderr
    );
}
