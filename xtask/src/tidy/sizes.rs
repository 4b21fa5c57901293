//! Files that a person can read in one sitting, with names that say what is inside.

use super::finding::Finding;
use super::tree::SourceFile;

const LOOK_AGAIN: usize = 400;
const LIMIT: usize = 800;
/// Names that gather what belongs elsewhere.
const EMPTY_NAMES: &[&str] = &["utils", "util", "helpers", "helper", "common", "misc"];

/// Collects the sizes of the Rust files on the way.
#[derive(Default)]
pub(super) struct Sizes {
    rust: Vec<usize>,
    long: Vec<(String, usize)>,
}

impl Sizes {
    /// Checks one file's length and name.
    pub(super) fn check(&mut self, file: &SourceFile) -> Vec<Finding> {
        let mut findings = Vec::new();
        if !file.is_source() {
            return findings;
        }
        let lines = file.text.lines().count();
        if file.extension() == "rs" {
            self.rust.push(lines);
        }
        if lines > LIMIT {
            findings.push(Finding::new(
                &file.path,
                LIMIT + 1,
                format!("the file has {lines} lines, over {LIMIT}"),
                "split it along its nouns",
            ));
        } else if lines > LOOK_AGAIN {
            self.long.push((file.path.clone(), lines));
        }
        if file.name() == "mod.rs" {
            findings.push(Finding::new(
                &file.path,
                1,
                "the file hides its name",
                "name it for its module: `foo.rs` beside `foo/`",
            ));
        }
        let stem = file.name().split('.').next().unwrap_or_default();
        let in_directory = file
            .path
            .split('/')
            .rev()
            .skip(1)
            .find(|part| EMPTY_NAMES.contains(part));
        if let Some(name) = in_directory.or(EMPTY_NAMES.contains(&stem).then_some(stem)) {
            findings.push(Finding::new(
                &file.path,
                1,
                format!("the name `{name}` says nothing about what is inside"),
                "name the file for the noun it holds",
            ));
        }
        findings
    }

    /// The median, and the files to look at again.
    pub(super) fn notes(mut self) -> Vec<String> {
        self.rust.sort_unstable();
        let median = self.rust.get(self.rust.len() / 2).copied().unwrap_or(0);
        let mut notes = vec![format!(
            "{} Rust files, median {median} lines",
            self.rust.len()
        )];
        self.long
            .sort_by_key(|(_, lines)| std::cmp::Reverse(*lines));
        notes.extend(
            self.long
                .iter()
                .map(|(path, lines)| format!("{path}: {lines} lines, look again")),
        );
        notes
    }
}

#[cfg(test)]
mod tests {
    use super::{LIMIT, LOOK_AGAIN, Sizes};
    use crate::tidy::tree::SourceFile;

    fn file(path: &str, lines: usize) -> SourceFile {
        SourceFile {
            path: path.to_owned(),
            text: "//\n".repeat(lines),
        }
    }

    #[test]
    fn long_files_are_listed_then_fail() {
        let mut sizes = Sizes::default();
        assert!(sizes.check(&file("a/short.rs", 10)).is_empty());
        assert!(sizes.check(&file("a/long.rs", LOOK_AGAIN + 1)).is_empty());
        assert!(sizes.check(&file("a/edge.rs", LIMIT)).is_empty());
        assert_eq!(sizes.check(&file("a/huge.rs", LIMIT + 1)).len(), 1);
        assert!(sizes.check(&file("a/huge.md", LIMIT + 1)).is_empty());
        let notes = sizes.notes();
        assert_eq!(notes.len(), 3);
        assert!(notes[0].contains("median 800"), "{}", notes[0]);
    }

    #[test]
    fn empty_names_and_hidden_modules_are_found() {
        for path in ["a/mod.rs", "a/utils.rs", "a/helpers/x.rs", "sdk/common.ts"] {
            assert_eq!(Sizes::default().check(&file(path, 1)).len(), 1, "{path}");
        }
        assert!(Sizes::default().check(&file("a/model.rs", 1)).is_empty());
    }
}
