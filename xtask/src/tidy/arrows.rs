//! Which crate may know which: the shape of the house.

use super::finding::Finding;
use super::manifests::Package;

/// Normal dependencies of ours that each crate may have. What is not listed is an error.
/// Changing a line here changes the design: write the decision down.
const ARROWS: &[(&str, &[&str])] = &[
    ("caracal-core", &[]),
    ("caracal-wire", &["caracal-core"]),
    ("caracal-crypto", &["caracal-core"]),
    ("caracal-policy", &["caracal-core"]),
    ("caracal-egress", &["caracal-core"]),
    ("caracal-connection", &["caracal-core"]),
    ("caracal-limits", &["caracal-core"]),
    ("caracal-ledger", &["caracal-core", "caracal-crypto"]),
    (
        "caracal-provider",
        &["caracal-core", "caracal-crypto", "caracal-egress"],
    ),
    ("caracal-store", &["caracal-core", "caracal-ledger"]),
    (
        "caracal-engine",
        &[
            "caracal-core",
            "caracal-crypto",
            "caracal-policy",
            "caracal-egress",
            "caracal-provider",
            "caracal-ledger",
            "caracal-store",
        ],
    ),
    (
        "caracal-sts",
        &[
            "caracal-engine",
            "caracal-wire",
            "caracal-core",
            "caracal-limits",
        ],
    ),
    (
        "caracal-api",
        &[
            "caracal-engine",
            "caracal-connection",
            "caracal-wire",
            "caracal-core",
            "caracal-limits",
        ],
    ),
    (
        "caracal-gateway",
        &[
            "caracal-engine",
            "caracal-wire",
            "caracal-core",
            "caracal-connection",
            "caracal-egress",
            "caracal-limits",
        ],
    ),
    (
        "caracal-sdk",
        &["caracal-wire", "caracal-core", "caracal-crypto"],
    ),
    (
        "caracal-runner",
        &["caracal-sdk", "caracal-core", "caracal-crypto"],
    ),
];

/// Crates that may depend on any of ours: the wiring, and what never ships.
const FREE: &[&str] = &["caracal", TESTKIT, "caracal-benches", "xtask"];
/// Of those, the ones that may build on the testkit.
const NEVER_SHIPPED: &[&str] = &["caracal-benches", "xtask"];
const TESTKIT: &str = "caracal-testkit";

/// Compares the dependencies with the allowed arrows; those for tests are free.
pub(super) fn check(packages: &[Package]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in packages {
        let is_free = FREE.contains(&package.name.as_str());
        let allowed = ARROWS
            .iter()
            .find(|(name, _)| *name == package.name)
            .map(|(_, allowed)| *allowed);
        if allowed.is_none() && !is_free {
            findings.push(Finding::new(
                &package.manifest,
                package.line_of("name"),
                format!("the crate `{}` has no arrows", package.name),
                "list it in xtask/src/tidy/arrows.rs and record the decision",
            ));
            continue;
        }
        for dependency in &package.dependencies {
            if !dependency.is_ours || dependency.is_dev {
                continue;
            }
            let name = dependency.name.as_str();
            if name == TESTKIT {
                if !NEVER_SHIPPED.contains(&package.name.as_str()) {
                    findings.push(Finding::new(
                        &package.manifest,
                        package.line_of(name),
                        "the testkit would ship",
                        "move it to [dev-dependencies]",
                    ));
                }
            } else if !is_free && !allowed.is_some_and(|allowed| allowed.contains(&name)) {
                findings.push(Finding::new(
                    &package.manifest,
                    package.line_of(name),
                    format!("`{}` must not know `{name}`", package.name),
                    format!("allowed are: {}", list(allowed.unwrap_or_default())),
                ));
            }
        }
    }
    findings
}

fn list(names: &[&str]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::manifests::fake;

    #[test]
    fn allowed_arrows_pass() {
        let packages = [
            fake("caracal-core", &[("serde", false)]),
            fake(
                "caracal-ledger",
                &[("caracal-core", false), ("caracal-crypto", false)],
            ),
            fake("caracal", &[("caracal-store", false)]),
            fake("caracal-testkit", &[("caracal-engine", false)]),
            fake("caracal-benches", &[("caracal-testkit", false)]),
            fake(
                "caracal-core",
                &[("caracal-testkit", true), ("caracal-engine", true)],
            ),
        ];
        assert_eq!(check(&packages), Vec::new());
    }

    #[test]
    fn a_door_that_reaches_past_the_engine_is_named_with_its_line() {
        let findings = check(&[fake(
            "caracal-gateway",
            &[("caracal-engine", false), ("caracal-sts", false)],
        )]);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].line, 4);
        assert!(findings[0].what.contains("`caracal-sts`"));
    }

    #[test]
    fn the_testkit_never_ships_and_new_crates_are_not_waved_through() {
        assert_eq!(
            check(&[fake("caracal", &[("caracal-testkit", false)])]).len(),
            1
        );
        assert_eq!(check(&[fake("caracal-new", &[])]).len(), 1);
    }
}
