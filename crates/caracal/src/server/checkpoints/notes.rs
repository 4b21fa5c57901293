//! The checkpoints of all logs, those of a lost past included.

use std::collections::{BTreeMap, BTreeSet};

use crate::client::split_notes;

/// What the checkpoint file holds. A checkpoint gives way only to a larger one of the same
/// log; one that the log fell behind, or contradicts, is evidence of a loss and stays for good.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    current: BTreeMap<String, Note>,
    kept: Vec<Note>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Note {
    origin: String,
    size: u64,
    root: String,
    text: String,
}

impl Note {
    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        Some(Self {
            origin: lines.next()?.to_owned(),
            size: lines.next()?.parse().ok()?,
            root: lines.next()?.to_owned(),
            text: text.to_owned(),
        })
    }
}

impl Notes {
    /// Reads what the file holds. Where it has several checkpoints of a log, a loss was noted
    /// before, and all of them stay.
    pub(crate) fn read(text: &str) -> Self {
        let notes: Vec<_> = split_notes(text)
            .iter()
            .filter_map(|note| Note::parse(note))
            .collect();
        let mut seen = BTreeSet::new();
        let doubled: BTreeSet<_> = notes
            .iter()
            .map(|note| &note.origin)
            .filter(|origin| !seen.insert(*origin))
            .cloned()
            .collect();
        let mut all = Self::default();
        for note in notes {
            if doubled.contains(&note.origin) {
                all.kept.push(note);
            } else {
                all.current.insert(note.origin.clone(), note);
            }
        }
        all
    }

    /// Takes in the checkpoints that the logs have now, and names the logs that contradict
    /// what was known of them.
    pub(crate) fn renew(&mut self, texts: &[String]) -> Vec<String> {
        let mut contradicted = Vec::new();
        for note in texts.iter().filter_map(|text| Note::parse(text)) {
            let known = self.current.get(&note.origin);
            let is_behind = known.is_some_and(|known| {
                note.size < known.size || (note.size == known.size && note.root != known.root)
            });
            if is_behind {
                self.kept.extend(known.cloned());
                contradicted.push(note.origin.clone());
            }
            self.current.insert(note.origin.clone(), note);
        }
        contradicted
    }

    /// What to write.
    pub(crate) fn text(&self) -> String {
        let mut written = BTreeSet::new();
        let notes = self.kept.iter().chain(self.current.values());
        notes
            .map(|note| note.text.as_str())
            .filter(|text| written.insert(*text))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(log: &str, size: u64, root: &str) -> String {
        format!("o/log_{log}\n{size}\n{root}\n\n\u{2014} o/log_{log} sig{size}{root}\n")
    }

    #[test]
    fn a_log_that_grows_has_one_checkpoint() {
        let mut notes = Notes::read(&note("a", 3, "x"));
        assert!(
            notes
                .renew(&[note("a", 5, "y"), note("b", 1, "z")])
                .is_empty()
        );
        assert_eq!(notes.text(), note("a", 5, "y") + &note("b", 1, "z"));
    }

    #[test]
    fn a_log_that_is_gone_keeps_its_checkpoint() {
        let mut notes = Notes::read(&note("a", 3, "x"));
        assert!(notes.renew(&[note("b", 1, "z")]).is_empty());
        assert!(notes.text().contains(&note("a", 3, "x")));
    }

    #[test]
    fn a_log_that_fell_behind_never_overwrites_the_evidence() {
        for other in [note("a", 1, "y"), note("a", 3, "y")] {
            let mut notes = Notes::read(&note("a", 3, "x"));
            assert_eq!(notes.renew(std::slice::from_ref(&other)), ["o/log_a"]);
            // Not even after a restart, when it has grown beyond it.
            let mut notes = Notes::read(&notes.text());
            assert!(notes.renew(&[note("a", 9, "w")]).is_empty());
            assert!(notes.text().contains(&note("a", 3, "x")));
            assert!(notes.text().contains(&note("a", 9, "w")));
        }
    }

    #[test]
    fn nothing_new_writes_nothing_new() {
        let text = note("a", 3, "x") + &note("b", 1, "z");
        let mut notes = Notes::read(&text);
        notes.renew(&[note("b", 1, "z"), note("a", 3, "x")]);
        assert_eq!(notes.text(), text);
    }
}
