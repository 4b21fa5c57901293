//! Bodies of fuzz targets: untrusted bytes go in, a panic says that something broke. They run in
//! `fuzz/` with a fuzzer, and in the test below on the committed corpus.

use caracal_core::LogId;

use crate::{LogVerifier, MAX_LOG_SIZE, Receipt, TreeState, leaf_hash, open_checkpoint};

/// The key of the log in the corpus.
const KEY: &str = "localhost/log_0192d2a8-7c00-7000-8000-000000000001+2ff3cb4a+AXTd0x6kWbsxJ5PfYSMBkYYkzkFm/nyZpQ1cJRd8fzbV";

/// A receipt: what is accepted is written so that it is read as the same.
pub fn receipt(data: &[u8]) {
    let text = std::str::from_utf8(data).ok();
    if let Some(Ok(receipt)) = text.map(str::parse::<Receipt>) {
        assert!(
            receipt
                .to_string()
                .parse::<Receipt>()
                .is_ok_and(|again| again == receipt)
        );
    }
}

/// A signed note, under a key that is right and one that is part of the input.
pub fn checkpoint(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let (key, note) = text.split_once('\n').unwrap_or((KEY, text));
    for (note, key) in [(text, KEY), (note, key)] {
        if let Ok(checkpoint) = open_checkpoint(note, key) {
            assert!(checkpoint.size <= MAX_LOG_SIZE);
        }
    }
}

/// An exported log: `index leaf` lines after a note that may be empty.
pub fn log(data: &[u8]) {
    let Ok(id) = "log_0192d2a8-7c00-7000-8000-000000000001".parse::<LogId>() else {
        return;
    };
    let mut verifier = LogVerifier::new(id, Some(KEY));
    let mut tree = TreeState::new();
    let mut parts = data.splitn(2, |byte| *byte == 0);
    let note = parts.next().unwrap_or_default();
    if let Ok(note) = std::str::from_utf8(note) {
        verifier.expect_checkpoint(note, "input");
    }
    let lines = parts.next().unwrap_or_default();
    for (index, leaf) in (0..).zip(lines.split(|byte| *byte == b'\n')) {
        verifier.leaf(index, leaf);
        tree.append(leaf_hash(leaf));
        assert!(tree.check().is_ok());
    }
    let _ = verifier.finish().is_ok();
}

#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod replay;

#[cfg(test)]
mod tests {
    use super::replay::{Target, replay};

    #[test]
    fn the_corpus_and_changed_copies_of_it_break_nothing() {
        replay(&[
            Target {
                name: "ledger_receipt",
                body: super::receipt,
                copies: 5000,
            },
            Target {
                name: "ledger_checkpoint",
                body: super::checkpoint,
                copies: 3000,
            },
            Target {
                name: "ledger_log",
                body: super::log,
                copies: 1000,
            },
        ]);
    }
}
