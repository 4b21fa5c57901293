//! Where packages come from is each machine's own setting: no file of ours names a registry.

use super::finding::Finding;
use super::tree::SourceFile;

// Put together from pieces, so that this file does not find itself.
const HOSTS: &[&str] = &[
    concat!("crates", ".io"),
    concat!("npmjs", ".org"),
    concat!("npmjs", ".com"),
    concat!("yarnpkg", ".com"),
    concat!("pypi", ".org"),
    concat!("pythonhosted", ".org"),
    concat!("proxy.", "golang.org"),
    concat!("sum.", "golang.org"),
    concat!("static.", "rust-lang.org"),
    concat!("repo.", "maven.apache.org"),
    concat!("repo1.", "maven.org"),
    concat!("deb.", "debian.org"),
    concat!("security.", "debian.org"),
];

/// Finds registry hosts, and the addresses that npm writes into its lock file.
pub(super) fn check(file: &SourceFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    // Cargo writes the name of its index into the lock by itself, on every machine the same.
    if file.name() == "Cargo.lock" {
        return findings;
    }
    let is_npm_lock = file.name() == "package-lock.json";
    for (index, line) in file.text.lines().enumerate() {
        if is_npm_lock && line.trim_start().starts_with("\"resolved\":") && line.contains("://") {
            findings.push(Finding::new(
                &file.path,
                index + 1,
                "the lock file holds a download address",
                "write it with `npm install --omit-lockfile-registry-resolved`",
            ));
        } else if let Some(host) = HOSTS.iter().find(|host| line.contains(*host)) {
            findings.push(Finding::new(
                &file.path,
                index + 1,
                format!("names the package registry `{host}`"),
                "leave the registry to the machine's own settings",
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::{HOSTS, check};
    use crate::tidy::tree::SourceFile;

    fn count(path: &str, text: &str) -> usize {
        check(&SourceFile {
            path: path.to_owned(),
            text: text.to_owned(),
        })
        .len()
    }

    #[test]
    fn registries_are_found_everywhere_but_in_cargos_lock() {
        for host in HOSTS {
            let text = format!("see https://{host}/x");
            assert_eq!(count("docs/a.md", &text), 1, "{host}");
            assert_eq!(count("Cargo.lock", &text), 0, "{host}");
        }
        assert_eq!(count("docs/a.md", "golang.org/x/mod v0.17.0"), 0);
    }

    #[test]
    fn an_npm_lock_holds_no_address() {
        let line = "      \"resolved\": \"https://mirror.example/a.tgz\",\n";
        assert_eq!(count("console/package-lock.json", line), 1);
        assert_eq!(count("console/package-lock.json", "\"resolved\": \"a\""), 0);
        assert_eq!(count("console/src/a.ts", line), 0);
    }
}
