//! The documents that a reader of the project looks for first.

use super::finding::Finding;
use super::tree::SourceFile;

const REQUIRED: &[&str] = &[
    "README.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "GLOSSARY.md",
    "LICENSE",
    "SECURITY.md",
    "deny.toml",
    "docs/decisions/README.md",
    "docs/threats.md",
];

/// Each must be there and say something.
pub(super) fn check(files: &[SourceFile]) -> Vec<Finding> {
    REQUIRED
        .iter()
        .filter(|required| {
            !files
                .iter()
                .any(|file| file.path == **required && !file.text.trim().is_empty())
        })
        .map(|required| Finding::new(required, 1, "the document is missing", "write it"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{REQUIRED, check};
    use crate::tidy::tree::SourceFile;

    #[test]
    fn an_empty_document_is_a_missing_one() {
        let mut files: Vec<SourceFile> = REQUIRED
            .iter()
            .map(|path| SourceFile {
                path: (*path).to_owned(),
                text: "words".to_owned(),
            })
            .collect();
        assert!(check(&files).is_empty());
        files[0].text = "\n".to_owned();
        assert_eq!(check(&files)[0].file, "README.md");
        files.clear();
        assert_eq!(check(&files).len(), REQUIRED.len());
    }
}
