//! The published list, which has to stay true.

use std::fmt::Write as _;

use super::{After, Fate, cases_http1, cases_http2};

const OPENING: &str = "\
# Smuggling attempts

Somebody who can make a proxy and the server behind it disagree about where a request ends gets a request past the
proxy that nobody looked at. This list is what is tried against the Gateway with every change, and what becomes of it.
It is written from the tests' own data (`crates/gateway/tests/door/smuggling/`), and a test compares the two.

In every case the upstream is a recorder that understands only clean HTTP/1.1; it never sees a second request, and
whatever it sees has one host, one length or `chunked`, clean lines, and nothing that belongs to another connection.
The client speaks through a raw socket and carries a mandate that is good for the path.

- *refused*: the Gateway's own refusal (`application/problem+json`), nothing reaches the upstream;
- *unread*: the HTTP library answers before anything of the Gateway sees the request;
- *passes*: exactly one clean request reaches the upstream;
- *cut off*: the body turns out to be wrong on its way: the upstream has at most a request that never ends;
- *too large*: the library or the Gateway refuses it, whoever notices first;
- *reset*: HTTP/2 ends the stream (`RST_STREAM`); *ended*: the connection is closed.
";

fn fate(fate: Fate) -> String {
    match fate {
        Fate::Refused(status) => format!("refused, {status}"),
        Fate::Unread(status) => format!("unread, {status}"),
        Fate::Passes => "passes".to_owned(),
        Fate::CutOff => "cut off".to_owned(),
        Fate::TooLarge => "too large, 414 or 431".to_owned(),
        Fate::Reset => "reset".to_owned(),
        Fate::Ended => "ended".to_owned(),
    }
}

fn table(
    document: &mut String,
    title: &str,
    rows: impl Iterator<Item = (&'static str, Fate, After)>,
) {
    let _ = write!(
        document,
        "\n## {title}\n\n| what is tried | what becomes of it | the connection |\n|---|---|---|\n"
    );
    for (name, of, after) in rows {
        let after = match after {
            After::Stays => "stays",
            After::Either => "stays or ends",
            After::Ends => "ends",
        };
        let _ = writeln!(document, "| {name} | {} | {after} |", fate(of));
    }
}

#[test]
fn the_published_list_is_the_tested_one() {
    let mut document = OPENING.to_owned();
    let one = cases_http1::CASES
        .iter()
        .map(|case| (case.name, case.fate, case.after));
    table(&mut document, "Over HTTP/1.1", one);
    let two = cases_http2::CASES
        .iter()
        .map(|case| (case.name, case.fate, case.after));
    table(&mut document, "Over HTTP/2", two);
    let published = include_str!("../../../../../docs/smuggling-cases.md");
    if published != document {
        let path = concat!(env!("CARGO_TARGET_TMPDIR"), "/smuggling-cases.md");
        std::fs::write(path, &document).unwrap();
        panic!("`docs/smuggling-cases.md` is not true any more; the true one is {path}");
    }
}
