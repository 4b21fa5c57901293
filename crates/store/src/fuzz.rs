//! Bodies of fuzz targets: untrusted bytes go in, a panic says that something broke. They run in
//! `fuzz/` with a fuzzer, and in the test below on the committed corpus.

/// A leaf, which somebody may have altered, on its way into the index.
pub fn leaf(data: &[u8]) {
    crate::embedded::read_leaf(data);
}

#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod replay;

#[cfg(test)]
mod tests {
    use super::replay::{Target, replay};

    #[test]
    fn the_corpus_and_changed_copies_of_it_break_nothing() {
        replay(&[Target {
            name: "store_leaf",
            body: super::leaf,
            copies: 5000,
        }]);
    }
}
