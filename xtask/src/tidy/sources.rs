//! What program text must say, and what it must not.

use super::finding::Finding;
use super::tree::SourceFile;

// Put together from pieces, so that this file does not find itself.
const ALLOWS: &[&str] = &[
    concat!("#[", "allow("),
    concat!("#![", "allow("),
    concat!("cfg_attr(", "test, allow("),
];
const STUBS: &[&str] = &[concat!("to", "do!("), concat!("unimple", "mented!(")];
const MARKS: &[&str] = &[
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X:"),
];

/// Checks one file line by line.
pub(super) fn check(file: &SourceFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !file.is_source() {
        return findings;
    }
    if file.path.ends_with("src/lib.rs") && !file.text.trim_start().starts_with("//!") {
        findings.push(Finding::new(
            &file.path,
            1,
            "the crate does not say what it is",
            "open with a `//!` comment: what it is and what it must never do",
        ));
    }
    for (index, line) in file.text.lines().enumerate() {
        let found = |what: &str, fix: &str| Finding::new(&file.path, index + 1, what, fix);
        if file.extension() == "rs" {
            if ALLOWS.iter().any(|allow| line.contains(allow)) {
                findings.push(found(
                    "a lint is switched off for good",
                    "use `expect` with a reason: it is reported when it is no longer needed",
                ));
            }
            if STUBS.iter().any(|stub| line.contains(stub)) {
                findings.push(found("a stub", "finish it, or refuse with an error"));
            }
        }
        if MARKS.iter().any(|mark| has_word(line, mark)) {
            findings.push(found(
                "a note to oneself",
                "do it now, or write it where it is tracked",
            ));
        }
    }
    findings
}

/// Whether `word` stands in `line` with no letter or digit beside it.
fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(start, _)| {
        let before = line.get(..start).and_then(|text| text.chars().next_back());
        let after = line
            .get(start + word.len()..)
            .and_then(|text| text.chars().next());
        let is_part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        !is_part(before) && !is_part(after)
    })
}

#[cfg(test)]
mod tests {
    use super::{ALLOWS, MARKS, STUBS, check};
    use crate::tidy::tree::SourceFile;

    fn findings(path: &str, text: String) -> Vec<usize> {
        let path = path.to_owned();
        check(&SourceFile { path, text })
            .into_iter()
            .map(|finding| finding.line)
            .collect()
    }

    #[test]
    fn each_forbidden_text_is_found_on_its_line() {
        for text in ALLOWS.iter().chain(STUBS).chain(MARKS) {
            assert_eq!(findings("a.rs", format!("\n  {text}\n")), [2], "{text}");
        }
        assert!(findings("a.md", MARKS.concat()).is_empty());
        assert!(findings("a.rs", format!("{}S", MARKS[0])).is_empty());
        assert!(findings("a.rs", "#[expect(x, reason = \"y\")]".to_owned()).is_empty());
    }

    #[test]
    fn a_library_opens_with_what_it_is() {
        let library = "crates/x/src/lib.rs";
        assert_eq!(findings(library, "mod a;\n".to_owned()), [1]);
        assert!(findings(library, "//! What it is.\n".to_owned()).is_empty());
    }
}
