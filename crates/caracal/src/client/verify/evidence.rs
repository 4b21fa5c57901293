//! What was kept elsewhere: checkpoints and receipts.

use std::path::{Path, PathBuf};

use caracal_ledger::Receipt;

use crate::failure::{Context, Failure, Outcome};

/// Evidence that the caller brings.
#[derive(Debug, Default)]
pub(crate) struct Evidence {
    /// (log as the note's origin names it, note, where it comes from)
    pub(crate) notes: Vec<(String, String, String)>,
    /// Receipts.
    pub(crate) receipts: Vec<Receipt>,
}

impl Evidence {
    /// Reads checkpoint files, each with any number of notes, and files with a receipt per line.
    pub(crate) fn read(checkpoints: &[PathBuf], receipts: &[PathBuf]) -> Outcome<Self> {
        let mut evidence = Self::default();
        for path in checkpoints {
            let shown = format!("`{}`", path.display());
            let text = read(path)?;
            let notes = split(&text);
            if notes.is_empty() {
                return Err(Failure::new(format!("{shown} holds no checkpoint")));
            }
            for note in notes {
                let log = log_of(&note).ok_or_else(|| {
                    Failure::new(format!(
                        "{shown} holds a checkpoint whose first line names no log"
                    ))
                })?;
                evidence.notes.push((log, note, shown.clone()));
            }
        }
        for path in receipts {
            for (number, line) in read(path)?.lines().enumerate() {
                if line.trim().is_empty() {
                    continue;
                }
                let line = line.trim();
                let value = line
                    .get(..16)
                    .filter(|p| p.eq_ignore_ascii_case("caracal-receipt:"));
                let value = value.map_or(line, |prefix| {
                    line.get(prefix.len()..).unwrap_or_default().trim()
                });
                let receipt = value.parse::<Receipt>().map_err(|error| {
                    Failure::new(format!(
                        "`{}`, line {}: {error}",
                        path.display(),
                        number + 1
                    ))
                })?;
                evidence.receipts.push(receipt);
            }
        }
        Ok(evidence)
    }
}

fn read(path: &Path) -> Outcome<String> {
    std::fs::read_to_string(path).context(format!("`{}`", path.display()))
}

/// The last part of a note's origin is the id of its log.
pub(crate) fn log_of(note: &str) -> Option<String> {
    let origin = note.lines().next()?;
    origin
        .rsplit('/')
        .next()
        .filter(|log| log.starts_with("log_"))
        .map(str::to_owned)
}

/// The signed notes in a text: each ends with its signature lines.
pub(crate) fn split(text: &str) -> Vec<String> {
    let mut notes = Vec::new();
    let mut note = String::new();
    let mut signed = false;
    for line in text.split_inclusive('\n') {
        let is_signature = line.starts_with("\u{2014} ");
        if signed && !is_signature {
            notes.push(std::mem::take(&mut note));
            signed = false;
        }
        signed |= is_signature;
        // Nothing stands between two notes; a note itself does not begin with an empty line.
        if !note.is_empty() || !line.trim().is_empty() {
            note.push_str(line);
        }
    }
    if !note.trim().is_empty() {
        if !note.ends_with('\n') {
            note.push('\n');
        }
        notes.push(note);
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "localhost:1/log_a\n3\nroot\n\n\u{2014} localhost:1/log_a sig\n";
    const B: &str =
        "localhost:1/log_b\n4\nroot\n\n\u{2014} localhost:1/log_b sig\n\u{2014} witness sig\n";

    #[test]
    fn several_notes_stand_in_one_file() {
        assert_eq!(split(&format!("{A}{B}{A}")), [A, B, A]);
        assert_eq!(split(&format!("{A}\n{B}\n")), [A, B]);
        assert_eq!(split(B.trim_end()), [B]);
        assert!(split("\n\n").is_empty());
        assert_eq!(log_of(A).as_deref(), Some("log_a"));
        assert_eq!(log_of("other.example/x\n"), None);
    }

    #[test]
    fn what_is_no_evidence_is_refused_with_its_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("receipts");
        std::fs::write(&path, "\nnot a receipt\n").unwrap();
        let failure = Evidence::read(&[], std::slice::from_ref(&path)).unwrap_err();
        assert!(failure.message.contains("line 2"));
        assert!(Evidence::read(std::slice::from_ref(&path), &[]).is_err());
    }

    #[test]
    fn a_receipt_may_stand_behind_its_header_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("receipts");
        let value = "log=\"log_00000000-0000-0000-0000-000000000000\"; index=7; leaf=bjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0=";
        std::fs::write(&path, format!("{value}\nCaracal-Receipt: {value}\n")).unwrap();
        assert_eq!(Evidence::read(&[], &[path]).unwrap().receipts.len(), 2);
    }
}
