//! The command that shows what Caracal does.

use crate::harness::Stack;

#[test]
fn the_quickstart_goes_as_it_should_and_can_be_repeated() {
    let stack = Stack::new();
    for _ in 0..2 {
        let shown = stack.cli(&["quickstart"]).ok();
        for word in ["allow", "denied", "revoked"] {
            let all = format!("{}{}", shown.stdout, shown.stderr).to_lowercase();
            assert!(all.contains(word), "no `{word}`: {all}");
        }
    }
    stack.cli(&["status"]).ok();
    let types: Vec<_> = stack
        .events("demo")
        .iter()
        .map(|e| e["type"].clone())
        .collect();
    for wanted in [
        "mandate.issued",
        "call.started",
        "call.finished",
        "call.denied",
        "authority.revoked",
    ] {
        assert!(
            types.iter().any(|t| t == wanted),
            "no {wanted} in {types:?}"
        );
    }
    let verified = stack.cli(&["audit", "verify", "--json"]).ok().json();
    assert_eq!(verified["ok"], true);

    // `down` ends the demo upstream too, and with it everything that the command started.
    stack.cli(&["down"]).ok();
    stack.cli(&["down"]).ok();
    let home = stack.home.to_str().unwrap();
    for process in std::fs::read_dir("/proc").unwrap().flatten() {
        let line = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line);
        assert!(!line.contains(home), "still running: {line}");
    }
}
