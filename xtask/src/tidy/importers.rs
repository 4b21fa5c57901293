//! Libraries that only one crate may import, so that a rule about them has one place.

use super::finding::Finding;
use super::manifests::Package;

struct Rule {
    libraries: &'static [&'static str],
    importers: &'static [&'static str],
    what: &'static str,
}

const RULES: &[Rule] = &[
    Rule {
        libraries: &[
            "aws-lc-rs",
            "jsonwebtoken",
            "ring",
            "sha2",
            "hmac",
            "p256",
            "ed25519-dalek",
            "rsa",
            "aes-gcm",
            "argon2",
        ],
        importers: &["caracal-crypto"],
        what: "cryptography",
    },
    Rule {
        libraries: &[
            "rusqlite",
            "refinery",
            "tokio-postgres",
            "deadpool-postgres",
            "sqlx",
        ],
        importers: &["caracal-store"],
        what: "SQL",
    },
    Rule {
        libraries: &["cedar-policy", "cedar-policy-core"],
        importers: &["caracal-policy"],
        what: "the policy language",
    },
    Rule {
        libraries: &[
            "hyper-rustls",
            "rustls-native-certs",
            "hickory-resolver",
            "webpki-roots",
        ],
        importers: &["caracal-egress"],
        what: "the way out",
    },
    Rule {
        // The binary installs the TLS provider once, serves TLS, and its management
        // commands are an HTTP client like anyone's.
        libraries: &["rustls", "tokio-rustls"],
        importers: &["caracal-egress", "caracal"],
        what: "TLS",
    },
    Rule {
        libraries: &["reqwest"],
        importers: &["caracal", "caracal-sdk"],
        what: "a client of the public API",
    },
];

/// Crates that never ship.
const FREE: &[&str] = &["caracal-testkit", "caracal-benches", "xtask"];

/// Checks every manifest; what only tests need is free.
pub(super) fn check(packages: &[Package]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in packages {
        let name = package.name.as_str();
        if FREE.contains(&name) {
            continue;
        }
        for dependency in package.dependencies.iter().filter(|d| !d.is_dev) {
            let library = dependency.name.as_str();
            for rule in RULES {
                if rule.libraries.contains(&library) && !rule.importers.contains(&name) {
                    findings.push(Finding::new(
                        &package.manifest,
                        package.line_of(library),
                        format!("`{name}` imports `{library}` ({})", rule.what),
                        format!("only {} may", rule.importers.join(", ")),
                    ));
                }
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::manifests::fake;

    #[test]
    fn each_library_has_its_importer() {
        let packages = [
            fake("caracal-crypto", &[("aws-lc-rs", false)]),
            fake("caracal", &[("rustls", false), ("reqwest", false)]),
            fake("caracal-sts", &[("jsonwebtoken", true)]),
            fake("caracal-testkit", &[("rusqlite", false)]),
        ];
        assert_eq!(check(&packages), Vec::new());
    }

    #[test]
    fn a_second_importer_is_found() {
        for (name, library) in [
            ("caracal-api", "jsonwebtoken"),
            ("caracal-engine", "rusqlite"),
            ("caracal", "hyper-rustls"),
            ("caracal-gateway", "reqwest"),
        ] {
            let findings = check(&[fake(name, &[(library, false)])]);
            assert_eq!(findings.len(), 1, "{name} {library}");
            assert_eq!(findings[0].line, 3);
        }
    }
}
