//! Runs the bodies of fuzz targets on a stable compiler: on every file of their corpus, and on
//! changed copies of those files that are the same each time.
#![expect(
    clippy::disallowed_methods,
    reason = "long runs are asked for by the environment"
)]

use std::path::{Path, PathBuf};

/// A body, which fails by panicking, with its corpus and how many changed copies it gets.
pub(crate) struct Target {
    pub(crate) name: &'static str,
    pub(crate) body: fn(&[u8]),
    pub(crate) copies: usize,
}

/// Fails at the first input that breaks a body, and says which it was.
pub(crate) fn replay(targets: &[Target]) {
    let long = std::env::var_os("CARACAL_TEST_LONG").is_some();
    for target in targets {
        let corpus = read(
            &Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("../../fuzz/corpus")
                .join(target.name),
        );
        assert!(!corpus.is_empty(), "`{}` has no corpus", target.name);
        for (path, bytes) in &corpus {
            run(target, bytes, &path.display().to_string());
        }
        let copies = target.copies * if long { 50 } else { 1 };
        let mut dice = Dice(0x0dd5_eed5);
        for copy in 0..copies {
            let (path, bytes) = &corpus[dice.below(corpus.len())];
            let mut bytes = bytes.clone();
            for _ in 0..=dice.below(4) {
                change(&mut bytes, &corpus, &mut dice);
            }
            run(
                target,
                &bytes,
                &format!("copy {copy} of {}", path.display()),
            );
        }
    }
}

fn run(target: &Target, bytes: &[u8], what: &str) {
    if std::panic::catch_unwind(|| (target.body)(bytes)).is_err() {
        panic!(
            "`{}` broke on {what}: b\"{}\"",
            target.name,
            bytes.escape_ascii()
        );
    }
}

fn read(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = std::fs::read_dir(directory);
    let entries = entries.unwrap_or_else(|error| panic!("`{}`: {error}", directory.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let read = |path: PathBuf| (path.clone(), std::fs::read(path).unwrap());
    files.into_iter().map(read).collect()
}

/// What parsers stumble over.
const PIECES: &[&[u8]] = &[
    b"%",
    b"%2",
    b"%2F",
    b"%00",
    b"%25",
    b"/",
    b"//",
    b"..",
    b"\\",
    b"?",
    b"#",
    b"&",
    b"=",
    b";",
    b"\0",
    b"\n",
    b"\r\n",
    b"\t",
    b"\"",
    b"'",
    b"`",
    b"{",
    b"}",
    b"[[",
    b"]",
    b"((",
    b")",
    b"*",
    b"**",
    b"|",
    b">",
    b"&a *a",
    b"!!",
    b"---\n",
    b"null",
    b"true",
    b"-1",
    b"1e999",
    b"18446744073709551616",
    b"\xff",
    b"\xc3",
    b"\xc3\xa9",
    b"\xef\xbb\xbf",
    b"\xf0\x9f\xa6\x8a",
    b"\\u0000",
    b"\\ud800",
    b"_",
    b":",
    b".",
    b"@",
    b"when {",
    b"//",
    b"/*",
    b"Action::\"",
    b"[::1]:",
];

fn change(bytes: &mut Vec<u8>, corpus: &[(PathBuf, Vec<u8>)], dice: &mut Dice) {
    let at = dice.below(bytes.len() + 1);
    let end = at + dice.below((bytes.len() - at).min(16) + 1);
    match dice.below(7) {
        0 if at < bytes.len() => bytes[at] ^= 1 << dice.below(8),
        1 if at < bytes.len() => bytes[at] = u8::try_from(dice.below(256)).unwrap_or(0),
        2 => drop(bytes.drain(at..end)),
        3 => {
            let piece = bytes[at..end].repeat(1 + dice.below(8));
            bytes.splice(at..at, piece);
        }
        4 => {
            let other = &corpus[dice.below(corpus.len())].1;
            let from = dice.below(other.len() + 1);
            bytes.truncate(at);
            bytes.extend_from_slice(&other[from..]);
        }
        5 => bytes.truncate(at),
        _ => drop(bytes.splice(at..end, PIECES[dice.below(PIECES.len())].iter().copied())),
    }
    bytes.truncate(64 * 1024);
}

/// SplitMix64: the same numbers everywhere.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let limit = u64::try_from(limit).unwrap_or(u64::MAX);
        usize::try_from((z ^ (z >> 31)) % limit).unwrap_or(0)
    }
}
